"""Scans that are not as they should be, made of phantoms: mirrored, cut off, without a heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.geometry import reorient
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.brain import BrainSubject, make_brain_subject
from CrossModalSegLib.data.phantoms.cardiac import PhantomSubject, make_cardiac_subject

UPRIGHT = "RAS"

HEART_RADIUS_MM = 60.0

OTHER_PERSON = 5_000
"""Added to the seed where a scan of another person is made."""

Spoil = Callable[[PhantomSubject, int], Volume]


def flipped(volume: Volume, axis: int) -> Volume:
    """Return the voxels mirrored along a patient axis (0 R-L, 1 A-P, 2 S-I), on the same grid."""
    upright = reorient(volume, UPRIGHT)
    return upright.with_array(np.ascontiguousarray(np.flip(upright.array_kji, 2 - axis)))


def quarter_turned(volume: Volume) -> Volume:
    """Return the voxels turned by 90 degrees in the coronal plane."""
    upright = reorient(volume, UPRIGHT)
    turned = ndimage.rotate(
        upright.array_kji, 90, axes=(0, 2), reshape=False, order=1, mode="nearest"
    )
    return upright.with_array(turned.astype(np.float32))


def half(volume: Volume, axis: int) -> Volume:
    """Return the half of a volume on the positive side of a patient axis."""
    upright = reorient(volume, UPRIGHT)
    start = upright.shape_ijk[axis] // 2
    part: list[Any] = [slice(None)] * 3
    part[2 - axis] = slice(start, None)
    affine = upright.affine_ras.copy()
    affine[:3, 3] += start * affine[:3, axis]
    return Volume(np.ascontiguousarray(upright.array_kji[tuple(part)]), affine)


def without_heart(subject: PhantomSubject, seed: int) -> Volume:
    """Return the image with lung in place of the heart and what is around it."""
    labels = subject.labels.array_kji > 0
    spacing_kji = subject.image.spacing_mm[::-1]
    to_heart = ndimage.distance_transform_edt(~labels, sampling=spacing_kji)
    centre = np.argwhere(labels).mean(axis=0)
    places = np.moveaxis(np.indices(labels.shape), 0, -1)
    distance_mm = np.linalg.norm((places - centre) * spacing_kji, axis=-1)
    gone = (to_heart < 9.0) | (distance_mm < HEART_RADIUS_MM)
    array = subject.image.array_kji.astype(np.float32).copy()
    outside = array[~gone]
    lung = float(np.quantile(outside[outside > outside.min()], 0.15))
    noise = np.random.default_rng(seed).normal(0, 0.05 * float(outside.std()), int(gone.sum()))
    array[gone] = lung + noise
    return subject.image.with_array(array)


def changed(volume: Volume, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Volume:
    """Return a volume with other intensities."""
    return volume.with_array(change(volume.array_kji.astype(np.float64)).astype(np.float32))


def with_noise(volume: Volume, share: float, seed: int) -> Volume:
    """Return a volume with noise of a share of its standard deviation."""
    generator = np.random.default_rng(seed)
    return changed(volume, lambda a: a + generator.normal(0, share * a.std(), a.shape))


def with_gamma(volume: Volume, exponent: float) -> Volume:
    """Return a volume with a non-linear contrast."""
    return changed(volume, lambda a: ((a - a.min()) / np.ptp(a)) ** exponent)


def with_shading(volume: Volume, strength: float, seed: int) -> Volume:
    """Return a volume that is brighter here and darker there, over about 14 voxels."""
    generator = np.random.default_rng(seed)

    def shade(array: NDArray[Any]) -> NDArray[Any]:
        field = ndimage.gaussian_filter(generator.normal(size=array.shape), (3, 14, 14))
        shaded: NDArray[Any] = array * (1 + strength * field / np.abs(field).max())
        return shaded

    return changed(volume, shade)


def blurred(volume: Volume, sigma_voxels: float) -> Volume:
    """Return a volume of less resolution within slices."""
    return changed(volume, lambda a: ndimage.gaussian_filter(a, (0, sigma_voxels, sigma_voxels)))


USUAL: dict[str, Spoil] = {
    "bSSFP MR": lambda s, _: s.image,
    "10 % more noise": lambda s, n: with_noise(s.image, 0.1, n),
    "other contrast (gamma 0.8)": lambda s, _: with_gamma(s.image, 0.8),
}
"""What a model for bSSFP MR of the heart should take without a word."""

UNUSUAL: dict[str, Spoil] = {
    "CT": lambda _, n: make_cardiac_subject("ct", n + OTHER_PERSON).image,
    "inverted": lambda s, _: changed(s.image, lambda a: a.max() - a),
    "mirrored left-right": lambda s, _: flipped(s.image, 0),
    "mirrored front-back": lambda s, _: flipped(s.image, 1),
    "upside down": lambda s, _: flipped(s.image, 2),
    "turned by 90 degrees": lambda s, _: quarter_turned(s.image),
    "upper half alone": lambda s, _: half(s.image, 2),
    "left or right half alone": lambda s, _: half(s.image, 0),
    "front half alone": lambda s, _: half(s.image, 1),
    "without a heart": without_heart,
    "head, T1": lambda _, n: make_brain_subject(["t1"], n).images["t1"],
    "head, T2": lambda _, n: make_brain_subject(["t2"], n).images["t2"],
}
"""What it should say something about."""

DEGRADED: dict[str, Spoil] = {
    "as it is": lambda s, _: s.image,
    "15 % noise": lambda s, n: with_noise(s.image, 0.15, n),
    "40 % noise": lambda s, n: with_noise(s.image, 0.4, n),
    "80 % noise": lambda s, n: with_noise(s.image, 0.8, n),
    "gamma 0.6": lambda s, _: with_gamma(s.image, 0.6),
    "shading 60 %": lambda s, n: with_shading(s.image, 0.6, n),
    "blur of 1.5 voxels": lambda s, _: blurred(s.image, 1.5),
    "blur of 3 voxels": lambda s, _: blurred(s.image, 3.0),
}
"""Scans of worse and worse quality, with the same reference."""


def subjects(first_seed: int, count: int) -> Iterator[tuple[int, PhantomSubject]]:
    """Yield bSSFP MR phantoms with their seeds."""
    for seed in range(first_seed, first_seed + count):
        yield seed, make_cardiac_subject("mr_bssfp", seed)


def brains(first_seed: int, count: int) -> Iterator[tuple[int, BrainSubject]]:
    """Yield brain phantoms in all modalities with their seeds."""
    for seed in range(first_seed, first_seed + count):
        yield seed, make_brain_subject(["t1", "t1ce", "t2", "flair"], seed)


@dataclass(frozen=True)
class ScanKinds:
    """Scans that a model should take without a word, and others.

    Attributes:
        subjects: Yields so many of them from a seed on, with their seeds.
        usual: Makes scans of a subject and its seed; the first kind is as those of training.
        unusual: The same of what something should be said about.
    """

    subjects: Callable[[int, int], Iterator[tuple[int, Any]]]
    usual: Mapping[str, Callable[[Any, int], Volume]]
    unusual: Mapping[str, Callable[[Any, int], Volume]]


HEART = ScanKinds(subjects, USUAL, UNUSUAL)
"""For models of bSSFP MR of the heart."""

BRAIN = ScanKinds(
    brains,
    {
        "FLAIR MR": lambda s, _: s.images["flair"],
        "10 % more noise": lambda s, n: with_noise(s.images["flair"], 0.1, n),
        "other contrast (gamma 0.8)": lambda s, _: with_gamma(s.images["flair"], 0.8),
    },
    {
        "T1 MR": lambda s, _: s.images["t1"],
        "T1ce MR": lambda s, _: s.images["t1ce"],
        "T2 MR": lambda s, _: s.images["t2"],
        "inverted": lambda s, _: changed(s.images["flair"], lambda a: a.max() - a),
        "mirrored front-back": lambda s, _: flipped(s.images["flair"], 1),
        "upside down": lambda s, _: flipped(s.images["flair"], 2),
        "turned by 90 degrees": lambda s, _: quarter_turned(s.images["flair"]),
        "upper half alone": lambda s, _: half(s.images["flair"], 2),
        "left or right half alone": lambda s, _: half(s.images["flair"], 0),
        "front half alone": lambda s, _: half(s.images["flair"], 1),
        "heart, CT": lambda _, n: make_cardiac_subject("ct", n).image,
        "heart, bSSFP MR": lambda _, n: make_cardiac_subject("mr_bssfp", n).image,
    },
)
"""For models of FLAIR MR of the brain. Mirrored left-right, a brain looks like another one."""
