"""Labels through a cohort and back: exact on their own grid, within half a voxel when resampled."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.foreground import paste
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    crop_volume,
    prepare_labels,
    restore_probabilities,
)
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

RULE = IntensityRule(kind="robust_zscore")


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Draw any orientation, obliqueness, handedness, spacing and place."""
    angles = [draw(st.floats(-3.1, 3.1)) for _ in range(3)]
    rotation = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        first, second = [n for n in range(3) if n != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ turn
    rotation = rotation * [draw(st.sampled_from((1, -1))), 1, 1]
    affine = np.eye(4)
    affine[:3, :3] = rotation * [draw(st.floats(0.5, 4.0)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-200, 200)) for _ in range(3)]
    return affine


def blobs(seed: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return smooth regions of classes 0 to 3."""
    noise = np.random.default_rng(seed).normal(size=(4, *shape))
    smooth = [ndimage.gaussian_filter(part, 2.5, mode="nearest") for part in noise]
    return np.asarray(np.argmax(smooth, axis=0), np.uint8)


@settings(max_examples=15, deadline=None)
@given(
    affine=affines(),
    seed=st.integers(0, 99),
    slicing=st.sampled_from(("axial", "coronal", "sagittal")),
    crop=st.sampled_from(("none", "foreground")),
)
def test_through_a_cohort_labels_come_back_exactly(
    affine: NDArray[np.float64], seed: int, slicing: str, crop: str
) -> None:
    task = TASKS["abdomen"]
    shape = (7, 9, 8)
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, shape).astype(np.uint8)
    image = generator.normal(100, 10, shape).astype(np.float32)
    preprocessing = Preprocessing(
        slicing=slicing,  # type: ignore[arg-type]
        matrix=(12, 11),
        intensity=RULE,
        crop=crop,  # type: ignore[arg-type]
    )
    used = CohortSettings(
        task=task,
        modality=MODALITIES["t2"],
        preprocessing=preprocessing,
        dataset="folder",
        split=SplitRule(fractions=(1.0, 0.0, 0.0)),
    )
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / name for name in ("image.nii.gz", "label.nrrd")]
        write_volume(Volume(image, affine), files[0])
        write_volume(Volume(labels, affine), files[1])
        case = CaseFiles(id="a", subject="a", image=files[0], label=files[1])
        cohort = prepare_cohort([case], used, Path(scratch) / "cohort")
        stored = np.array(cohort.labels(cohort.cases[0]))
        whole, original = read_image(files[0]), read_labels(files[1])
    part = crop_volume(whole, preprocessing)
    shares = np.eye(task.num_classes, dtype=np.float32)[stored].transpose(0, 3, 1, 2)
    back = paste(restore_probabilities(shares, part, preprocessing), whole)
    if crop == "none":
        assert np.array_equal(back.array_kji, original.array_kji)
    else:
        same = paste(part.with_array(np.ones(part.shape_kji, np.uint8)), whole).array_kji == 1
        assert np.array_equal(back.array_kji[same], original.array_kji[same])
        assert not back.array_kji[~same].any()
    assert np.array_equal(back.affine_ras, whole.affine_ras)


@settings(max_examples=20, deadline=None)
@given(affine=affines(), seed=st.integers(0, 99), ratio=st.floats(0.5, 0.95))
def test_resampled_labels_move_by_less_than_half_a_voxel(
    affine: NDArray[np.float64], seed: int, ratio: float
) -> None:
    volume = Volume(blobs(seed, (14, 16, 18)), affine)
    spacing = float(min(volume.spacing_mm)) * ratio
    settings_used = Preprocessing(
        slicing="axial", matrix=(420, 420), intensity=RULE, spacing_mm=(spacing, spacing)
    )
    prepared = prepare_labels(volume, settings_used)
    shares = (prepared[:, None] == np.arange(4)[None, :, None, None]).astype(np.float32)
    back = restore_probabilities(shares, volume, settings_used).array_kji
    wrong = back != volume.array_kji
    # A voxel that changed touches, in its slice, one that has its new class: the border between
    # them moved by less than half a voxel.
    for k, j, i in np.argwhere(wrong):
        near = volume.array_kji[max(0, k - 1) : k + 2, max(0, j - 1) : j + 2, max(0, i - 1) : i + 2]
        assert back[k, j, i] in near
    assert wrong.mean() < 0.03
