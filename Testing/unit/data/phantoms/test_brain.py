"""The brain phantom: who is imaged, how tissue looks, and that the grid does not matter."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.geometry import orientation_code
from CrossModalSegLib.data.phantoms.brain import (
    BRAIN_MODALITIES,
    BRAIN_PHANTOM_VERSION,
    BrainSubject,
    draw_patient,
    make_brain_subject,
)
from CrossModalSegLib.data.phantoms.brain_rendering import fill_voxels
from CrossModalSegLib.data.phantoms.brain_signal import BrainModality, Material
from CrossModalSegLib.data.phantoms.brain_tumour import TumourLabel
from CrossModalSegLib.data.phantoms.grid import PhantomGrid

SEEDS = range(4)
RING_SEED = 1
MEASURED_SEEDS = (0, 1, 3)
SMALL = PhantomGrid(matrix_ijk=(20, 20, 8), spacing_mm=(4.0, 4.0, 6.0))

FROZEN_VERSION = 1
FROZEN = {
    "brain": 1635.66,
    "NCR": 4.76,
    "ED": 52.92,
    "ET": 13.944,
    "t1": 525.49,
    "t1ce": 615.63,
    "t2": 683.70,
    "flair": 619.56,
}
"""Of seed 1 on the usual grid: mL of the brain and of the labels, means of the images within it."""

FROZEN_CENTROID_RAS = (-21.717, -29.727, 47.423)
"""Of its whole tumour."""


@cache
def subject(seed: int) -> BrainSubject:
    return make_brain_subject(BRAIN_MODALITIES, seed)


def volumes_ml(made: BrainSubject) -> dict[TumourLabel, float]:
    labels = made.labels
    return {
        label: float((labels.array_kji == label).sum() * labels.voxel_ml) for label in TumourLabel
    }


def centroid_ras(made: BrainSubject, *labels: TumourLabel) -> NDArray[np.float64]:
    index_ijk = np.argwhere(np.isin(made.labels.array_kji, labels)).mean(axis=0)[::-1]
    affine = made.labels.affine_ras
    return np.asarray(affine[:3, :3] @ index_ijk + affine[:3, 3])


def digest(made: BrainSubject) -> str:
    arrays = [image.array_kji for image in made.images.values()]
    arrays += [made.labels.array_kji, made.labels.affine_ras]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@cache
def tissue_masks(seed: int) -> dict[str, NDArray[np.bool_]]:
    """Return where the usual grid holds almost one tissue alone; labels without their rims."""
    made, patient = subject(seed), draw_patient(seed)
    grid = PhantomGrid(matrix_ijk=made.labels.shape_ijk, spacing_mm=made.labels.spacing_mm)
    filling = fill_voxels(patient.brain, patient.tumour, grid, made.labels.affine_ras)
    labels = made.labels.array_kji
    masks = {}
    for material in (Material.CSF, Material.GM, Material.WM):
        share = np.zeros(labels.shape, dtype=np.float32)
        share.ravel()[filling.voxels] = filling.materials[:, material]
        masks[material.name] = (share > 0.85) & (labels == 0)
    for label in TumourLabel:
        masks[label.name] = ndimage.binary_erosion(labels == label)
    return masks


def contrasts(seed: int, modality: BrainModality) -> dict[str, float]:
    """Return the mean signal of each tissue that is there, relative to white matter."""
    image = subject(seed).images[modality].array_kji
    masks = {name: mask for name, mask in tissue_masks(seed).items() if mask.sum() > 30}
    white = float(image[masks["WM"]].mean())
    return {name: float(image[mask].mean()) / white for name, mask in masks.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_brain_and_tumour_have_plausible_volumes(seed: int) -> None:
    made = subject(seed)
    parts = volumes_ml(made)
    assert 20 < sum(parts.values()) < 160
    kind = made.facts["tumour"]["kind"]
    assert (parts[TumourLabel.ET] > 1) == (kind != "non_enhancing")
    assert (parts[TumourLabel.NCR] > 1) == (kind != "solid")
    assert parts[TumourLabel.ED] > 8
    brain_ml = (made.images["t1"].array_kji > 0).sum() * made.labels.voxel_ml
    assert 1300 < brain_ml < 1900


def test_kinds_of_tumours_differ_between_these_seeds() -> None:
    assert {subject(seed).facts["tumour"]["kind"] for seed in SEEDS} == {
        "ring",
        "solid",
        "non_enhancing",
    }


def test_all_modalities_and_the_labels_lie_on_one_grid_with_the_documented_types() -> None:
    made = subject(0)
    assert tuple(made.images) == BRAIN_MODALITIES
    inside = made.images["t1"].array_kji > 0
    for image in made.images.values():
        assert image.array_kji.dtype == np.float32
        assert image.array_kji.min() == 0
        assert 500 < image.array_kji.max() < 8000
        np.testing.assert_array_equal(image.array_kji > 0, inside)
        np.testing.assert_array_equal(image.affine_ras, made.labels.affine_ras)
    assert made.labels.array_kji.dtype == np.uint8
    assert not made.labels.array_kji[~inside].any()


def test_the_usual_grid_is_axial_with_2_mm_voxels_and_covers_the_brain() -> None:
    for seed in SEEDS:
        image = subject(seed).images["t2"]
        assert image.shape_ijk == (96, 96, 84)
        assert orientation_code(image.affine_ras) == "LPS"
        assert image.spacing_mm == pytest.approx((2, 2, 2))
        for axis in range(3):
            ends = np.moveaxis(image.array_kji, axis, 0)[[0, -1]]
            assert not ends.any()


def test_a_modality_is_the_same_whatever_else_is_made() -> None:
    both = make_brain_subject(["t2", "t1"], 5, grid=SMALL)
    alone = make_brain_subject(["t1"], 5, grid=SMALL)
    np.testing.assert_array_equal(both.images["t1"].array_kji, alone.images["t1"].array_kji)
    np.testing.assert_array_equal(both.labels.array_kji, alone.labels.array_kji)
    assert both.images["t1"].array_kji.std() > 0


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "import hashlib\n"
        "from CrossModalSegLib.data.phantoms.brain import make_brain_subject\n"
        "from CrossModalSegLib.data.phantoms.grid import PhantomGrid\n"
        "g = PhantomGrid(matrix_ijk=(20, 20, 8), spacing_mm=(4.0, 4.0, 6.0))\n"
        "s = make_brain_subject(['flair', 't1ce'], 3, grid=g)\n"
        "a = [i.array_kji for i in s.images.values()]\n"
        "a += [s.labels.array_kji, s.labels.affine_ras]\n"
        "print(hashlib.sha256(b''.join(x.tobytes() for x in a)).hexdigest())\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert printed.strip() == digest(make_brain_subject(["flair", "t1ce"], 3, grid=SMALL))


def test_the_version_stands_for_these_numbers() -> None:
    """Frozen: whoever changes them raises the version. Rounding may differ between processors."""
    made = subject(RING_SEED)
    inside = made.images["t1"].array_kji > 0
    found: dict[str, float] = {"brain": float(inside.sum() * made.labels.voxel_ml)}
    found |= {label.name: volume for label, volume in volumes_ml(made).items()}
    found |= {name: float(image.array_kji[inside].mean()) for name, image in made.images.items()}
    assert BRAIN_PHANTOM_VERSION == FROZEN_VERSION
    assert found == pytest.approx(FROZEN, rel=3e-3)
    assert centroid_ras(made, *TumourLabel) == pytest.approx(FROZEN_CENTROID_RAS, abs=0.05)


def test_seeds_are_different_people() -> None:
    people = [subject(seed) for seed in SEEDS]
    assert len({json.dumps(made.facts["shape"]) for made in people}) == len(people)
    assert len({round(sum(volumes_ml(made).values()), 3) for made in people}) == len(people)


def test_facts_survive_json() -> None:
    facts = json.loads(json.dumps(subject(0).facts))
    assert (facts["version"], facts["seed"]) == (BRAIN_PHANTOM_VERSION, 0)
    assert set(facts["scans"]) == set(BRAIN_MODALITIES)
    assert facts["scans"]["flair"]["inversion_ms"] > 2000


def test_enhancing_tumour_and_necrosis_lie_within_the_tumour() -> None:
    labels = subject(RING_SEED).labels.array_kji
    whole = ndimage.binary_fill_holes(labels > 0)
    for inner in (TumourLabel.NCR, TumourLabel.ET):
        surround = ndimage.binary_dilation(labels == inner)
        assert (surround & whole).sum() > 0.85 * surround.sum()
    rim = ndimage.binary_dilation(labels == TumourLabel.NCR, iterations=2) & (labels != 1)
    assert (labels[rim] == TumourLabel.ET).mean() > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tumour_is_one_piece_inside_the_brain(seed: int) -> None:
    made = subject(seed)
    whole = made.labels.array_kji > 0
    parts, _ = ndimage.label(whole, structure=np.ones((3, 3, 3)))
    assert np.bincount(parts[whole]).max() > 0.9 * whole.sum()
    assert (made.images["flair"].array_kji[whole] > 0).all()


@pytest.mark.parametrize("modality", BRAIN_MODALITIES)
def test_contrasts_in_the_images_have_the_order_of_a_labelled_glioma(
    modality: BrainModality,
) -> None:
    order = {
        "t1": (("CSF",), ("NCR",), ("GM", "ED", "ET"), ("WM",)),
        "t1ce": (("CSF",), ("NCR",), ("GM", "ED"), ("WM",), ("ET",)),
        "t2": (("WM",), ("GM",), ("ED", "ET"), ("CSF", "NCR")),
        "flair": (("CSF",), ("GM", "WM"), ("NCR", "ED", "ET")),
    }
    for seed in MEASURED_SEEDS:
        found = contrasts(seed, modality)
        if subject(seed).facts["tumour"]["kind"] != "ring":
            found.pop("NCR", None)  # solid tumour that does not enhance is no fluid
        for darker, brighter in pairwise(order[modality]):
            dark = [found[name] for name in darker if name in found]
            bright = [found[name] for name in brighter if name in found]
            if dark and bright:
                assert max(dark) < min(bright), (seed, darker, brighter)


def test_contrasts_in_the_images_are_near_those_of_a_labelled_glioma() -> None:
    table = {
        "t1": {"CSF": 0.58, "GM": 0.86, "NCR": 0.81, "ED": 0.88, "ET": 0.88},
        "t1ce": {"CSF": 0.37, "GM": 0.79, "NCR": 0.64, "ED": 0.81, "ET": 1.37},
        "t2": {"CSF": 2.49, "GM": 1.24, "NCR": 2.85, "ED": 1.79, "ET": 1.88},
        "flair": {"CSF": 0.32, "GM": 0.99, "NCR": 1.53, "ED": 1.56, "ET": 1.54},
    }
    for modality in BRAIN_MODALITIES:
        found = contrasts(RING_SEED, modality)
        for name, expected in table[modality].items():
            assert found[name] == pytest.approx(expected, rel=0.2, abs=0.12), (modality, name)


def test_modalities_show_the_same_edges() -> None:
    """The gradients of all modalities are strongest in the same voxels, and not if one is moved."""
    made = subject(RING_SEED)

    def edges(modality: BrainModality) -> NDArray[np.float32]:
        inside = made.images[modality].array_kji > 0
        image = ndimage.gaussian_filter(made.images[modality].array_kji, 0.7)
        core = ndimage.binary_erosion(inside, iterations=3)
        strength = ndimage.generic_gradient_magnitude(image, ndimage.sobel)
        return np.asarray(np.where(core, strength, 0), dtype=np.float32)

    first = edges("t2")
    for modality in ("t1", "t1ce", "flair"):
        other = edges(modality)
        aligned, moved = (
            float(np.corrcoef(first.ravel(), np.roll(other, shift, axis=2).ravel())[0, 1])
            for shift in (0, 2)
        )
        assert aligned > 0.4
        assert aligned > moved + 0.1


def test_signals_mix_where_tissues_share_a_voxel() -> None:
    image = subject(RING_SEED).images["t2"].array_kji
    masks = tissue_masks(RING_SEED)
    white, fluid = (float(image[masks[name]].mean()) for name in ("WM", "CSF"))
    between = ~(masks["WM"] | masks["CSF"] | masks["GM"]) & (image > 0)
    between &= subject(RING_SEED).labels.array_kji == 0
    low, high = white + 0.45 * (fluid - white), white + 0.9 * (fluid - white)
    share = float(((image > low) & (image < high))[between].mean())
    assert share > 0.1  # no tissue has such a signal


@pytest.mark.parametrize(
    "grid",
    [
        PhantomGrid(matrix_ijk=(48, 48, 42), spacing_mm=(4.0, 4.0, 4.0), orientation="RAS"),
        PhantomGrid(matrix_ijk=(56, 66, 42), spacing_mm=(4.0, 3.0, 4.0), orientation="SAR"),
        PhantomGrid(
            matrix_ijk=(52, 56, 46), spacing_mm=(4.0, 4.0, 4.0), tilt_degrees=(12.0, -8.0, 20.0)
        ),
    ],
    ids=["flipped", "permuted", "oblique"],
)
def test_the_tumour_stays_in_place_on_any_orientation(grid: PhantomGrid) -> None:
    here = subject(RING_SEED)
    there = make_brain_subject(["t1"], RING_SEED, grid=grid)
    assert orientation_code(there.labels.affine_ras) == grid.orientation
    place = centroid_ras(here, *TumourLabel)
    assert abs(place[0]) > 10  # on one side, so that a flip would show
    np.testing.assert_allclose(centroid_ras(there, *TumourLabel), place, atol=1.0)
    for label, volume in volumes_ml(there).items():
        assert volume == pytest.approx(volumes_ml(here)[label], rel=0.2), label.name


def test_the_tumours_origin_lies_in_the_tumour() -> None:
    for seed in SEEDS:
        made, patient = subject(seed), draw_patient(seed)
        place = patient.brain.to_patient(np.array(patient.tumour.origin_head))
        index = np.linalg.inv(made.labels.affine_ras) @ np.array([*place, 1.0])
        i, j, k = np.rint(index[:3]).astype(int)
        assert made.labels.array_kji[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2].any()


@pytest.mark.parametrize("matrix_ijk", [(5, 7, 1), (1, 1, 1)])
def test_any_matrix_can_be_acquired(matrix_ijk: tuple[int, int, int]) -> None:
    grid = PhantomGrid(matrix_ijk=matrix_ijk, spacing_mm=(0.6, 11.0, 8.0), orientation="SRP")
    made = make_brain_subject(["flair"], 0, grid=grid)
    assert made.images["flair"].shape_ijk == matrix_ijk
    assert np.isfinite(made.images["flair"].array_kji).all()


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="flair"):
        make_brain_subject(["flare"], 0)  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="each once"):
        make_brain_subject(["t1", "t1"], 0)
    with pytest.raises(ConfigError, match="one or more"):
        make_brain_subject([], 0)
    with pytest.raises(ConfigError, match="seed"):
        make_brain_subject(["t1"], -1)
