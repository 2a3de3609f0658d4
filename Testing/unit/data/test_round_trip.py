"""Labels through a cohort and back: exact on their own grid, within half a voxel when resampled.

The surface of a label map is where its voxels of different values touch. Within half a voxel means:
a voxel whose value has changed has its centre no farther from the original surface than half a
voxel along each axis, a voxel being that of the coarser of the two grids along that axis.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS, Slicing
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.foreground import paste
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    crop_volume,
    prepare_labels,
    prepared_affine,
    restore_probabilities,
    slices_that_meet,
)
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

RULE = IntensityRule(kind="robust_zscore")
NUM_CLASSES = TASKS["abdomen"].num_classes
SLICINGS: tuple[Slicing, ...] = ("axial", "coronal", "sagittal")
WIDE = (110, 110)
"""Rows and columns that hold every volume here, however fine."""

Shape = tuple[int, int, int]
slicings = st.sampled_from(SLICINGS)


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Draw any orientation, obliqueness, handedness, anisotropic spacing and place."""
    quaternion = [draw(st.floats(-1, 1)) for _ in range(4)]
    assume(np.linalg.norm(quaternion) > 0.1)
    turn = Rotation.from_quat(quaternion).as_matrix()
    signs = [draw(st.sampled_from((1, -1))), 1, 1]
    affine = np.eye(4)
    affine[:3, :3] = turn * signs * [draw(st.floats(0.5, 6.0)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-200, 200)) for _ in range(3)]
    return affine


def resampled(grid: Volume, slicing: Slicing, factors: tuple[float, float, float]) -> Preprocessing:
    """Return settings whose columns, rows and slices lie `factors` times the grid's own apart."""
    plain = Preprocessing(slicing=slicing, matrix=WIDE, intensity=RULE)
    own_mm = np.linalg.norm(prepared_affine(grid, plain)[:3, :3], axis=0)
    column_mm, row_mm, slice_mm = (float(mm) for mm in own_mm * factors)
    return replace(plain, spacing_mm=(row_mm, column_mm), slice_spacing_mm=slice_mm)


def voxel_of_coarser(grid: Volume, used: Preprocessing) -> NDArray[np.float64]:
    """Return the size (k, j, i), in the grid's voxels, of a voxel of the coarser grid."""
    index_map = np.linalg.inv(grid.affine_ras) @ prepared_affine(grid, used)
    return np.asarray(np.maximum(1.0, np.abs(index_map[:3, :3]).max(axis=1))[::-1])


def there_and_back(labels: Volume, used: Preprocessing) -> NDArray[np.uint8]:
    """Prepare labels, predict them without a mistake, and bring them back."""
    back = restore_probabilities(one_hot(prepare_labels(labels, used)), labels, used)
    return np.asarray(back.array_kji, np.uint8)


def one_hot(slices: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.eye(NUM_CLASSES, dtype=np.float32)[slices].transpose(0, 3, 1, 2)


def through_cohort(image: Volume, labels: Volume, used: Preprocessing) -> tuple[Volume, Volume]:
    """Return the labels and what comes back of them from the files of a cohort."""
    rules = CohortSettings(
        task=TASKS["abdomen"],
        modality=MODALITIES["t2"],
        preprocessing=used,
        dataset="folder",
        split=SplitRule(fractions=(1.0, 0.0, 0.0)),
    )
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / name for name in ("image.nii.gz", "label.nrrd")]
        write_volume(image, files[0])
        write_volume(labels, files[1])
        case = CaseFiles(id="a", subject="a", image=files[0], label=files[1])
        cohort = prepare_cohort([case], rules, Path(scratch) / "cohort")
        stored = np.array(cohort.labels(cohort.cases[0]))
        whole, original = read_image(files[0]), read_labels(files[1])
    part = crop_volume(whole, used)
    back = paste(restore_probabilities(one_hot(stored), part, used), whole)
    assert np.array_equal(back.affine_ras, whole.affine_ras)
    return original, back


def distance_from_surface(
    points: NDArray[np.intp], labels: NDArray[np.uint8], unit: NDArray[np.float64]
) -> float:
    """Return how far the farthest voxel centre is from the surface of a label map.

    Along the axis on which it is farthest, in multiples of `unit` (k, j, i).
    """
    centres, reaches = [], []
    for axis in range(3):
        touching = np.argwhere(np.diff(labels.astype(int), axis=axis) != 0) + 0.0
        touching[:, axis] += 0.5
        centres.append(touching)
        reaches.append(np.broadcast_to(np.where(np.arange(3) == axis, 0.0, 0.5), touching.shape))
    faces, reach = np.concatenate(centres), np.concatenate(reaches)
    distances = [
        (np.maximum(np.abs(point - faces) - reach, 0) / unit).max(axis=1).min() for point in points
    ]
    return float(max(distances, default=0.0))


@st.composite
def smooth_structures(
    draw: st.DrawFn, unit: NDArray[np.float64], shape: Shape
) -> NDArray[np.uint8]:
    """Draw what lies on one side of an oblique plane, or an ellipsoid of three voxels and more."""
    place = np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2
    if draw(st.booleans()):
        normal = np.array([draw(st.floats(-1, 1)) for _ in range(3)])
        assume(np.linalg.norm(normal) > 0.1)
        offset = draw(st.floats(-3, 3))
        return np.asarray(place @ (normal / np.linalg.norm(normal)) < offset, np.uint8)
    radii = np.array([draw(st.floats(0.6, 0.95)) for _ in range(3)]) * (np.array(shape) - 1) / 2
    assume((radii / unit).min() >= 3)
    return np.asarray(((place / radii) ** 2).sum(axis=-1) < 1, np.uint8)


factors_of_axes = st.tuples(*[st.floats(0.5, 2.5)] * 3)
shapes = st.tuples(*[st.integers(14, 30)] * 3)


@settings(max_examples=60, deadline=None)
@given(affine=affines(), shape=shapes, slicing=slicings, factors=factors_of_axes, data=st.data())
def test_resampled_labels_move_by_less_than_half_a_voxel(
    affine: NDArray[np.float64],
    shape: Shape,
    slicing: Slicing,
    factors: tuple[float, float, float],
    data: st.DataObject,
) -> None:
    grid = Volume(np.zeros(shape, np.uint8), affine)
    used = resampled(grid, slicing, factors)
    unit = voxel_of_coarser(grid, used)
    labels = data.draw(smooth_structures(unit, shape))
    back = there_and_back(grid.with_array(labels), used)
    changed = np.argwhere(back != labels)
    assert distance_from_surface(changed, labels, unit) <= 0.5 + 1e-6


@settings(max_examples=10, deadline=None)
@given(affine=affines(), slicing=slicings, factors=factors_of_axes, data=st.data())
def test_so_do_those_of_a_cohort(
    affine: NDArray[np.float64],
    slicing: Slicing,
    factors: tuple[float, float, float],
    data: st.DataObject,
) -> None:
    shape = (18, 20, 19)
    grid = Volume(np.zeros(shape, np.uint8), affine)
    used = resampled(grid, slicing, factors)
    unit = voxel_of_coarser(grid, used)
    labels = data.draw(smooth_structures(unit, shape))
    image = np.random.default_rng(0).normal(100, 10, shape).astype(np.float32)
    original, back = through_cohort(grid.with_array(image), grid.with_array(labels), used)
    assert np.array_equal(original.array_kji, labels)
    changed = np.argwhere(back.array_kji != labels)
    assert distance_from_surface(changed, labels, unit) <= 0.5 + 1e-6


@settings(max_examples=15, deadline=None)
@given(
    affine=affines(),
    shape=st.tuples(*[st.integers(2, 11)] * 3),
    seed=st.integers(0, 99),
    slicing=slicings,
    crop=st.sampled_from(("none", "foreground")),
)
def test_through_a_cohort_labels_come_back_exactly(
    affine: NDArray[np.float64], shape: Shape, seed: int, slicing: Slicing, crop: str
) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, NUM_CLASSES, shape).astype(np.uint8)
    image = generator.normal(100, 10, shape).astype(np.float32)
    used = Preprocessing(
        slicing=slicing,
        matrix=(12, 11),
        intensity=RULE,
        crop=crop,  # type: ignore[arg-type]
    )
    original, back = through_cohort(Volume(image, affine), Volume(labels, affine), used)
    part = crop_volume(Volume(image, affine), used)
    same = paste(part.with_array(np.ones(part.shape_kji, np.uint8)), original).array_kji == 1
    assert same.all() == (crop == "none" or part.shape_kji == shape)
    assert np.array_equal(back.array_kji[same], original.array_kji[same])
    assert not back.array_kji[~same].any()


@settings(max_examples=20, deadline=None)
@given(affine=affines(), seed=st.integers(0, 99), slicing=slicings)
def test_asking_for_the_own_spacing_resamples_nothing(
    affine: NDArray[np.float64], seed: int, slicing: Slicing
) -> None:
    array = np.random.default_rng(seed).integers(0, NUM_CLASSES, (6, 7, 8)).astype(np.uint8)
    labels = Volume(array, affine)
    assert np.array_equal(there_and_back(labels, resampled(labels, slicing, (1, 1, 1))), array)


@settings(max_examples=20, deadline=None)
@given(
    affine=affines(),
    seed=st.integers(0, 99),
    slicing=slicings,
    factors=st.tuples(*[st.floats(0.4, 0.95)] * 3),
)
def test_on_finer_slices_neighbours_alone_take_each_others_class(
    affine: NDArray[np.float64], seed: int, slicing: Slicing, factors: tuple[float, float, float]
) -> None:
    noise = np.random.default_rng(seed).normal(size=(4, 14, 16, 18))
    smooth = [ndimage.gaussian_filter(part, 2.5, mode="nearest") for part in noise]
    labels = Volume(np.argmax(smooth, axis=0).astype(np.uint8), affine)
    back = there_and_back(labels, resampled(labels, slicing, factors))
    wrong = back != labels.array_kji
    for k, j, i in np.argwhere(wrong):
        near = labels.array_kji[max(0, k - 1) : k + 2, max(0, j - 1) : j + 2, max(0, i - 1) : i + 2]
        assert back[k, j, i] in near
    assert wrong.mean() < 0.03


@settings(max_examples=30, deadline=None)
@given(
    affine=affines(),
    shape=st.tuples(*[st.integers(1, 12)] * 3),
    slicing=slicings,
    factors=st.tuples(*[st.floats(0.4, 9.0)] * 3),
)
def test_nothing_is_lost_at_the_border_of_the_volume(
    affine: NDArray[np.float64], shape: Shape, slicing: Slicing, factors: tuple[float, float, float]
) -> None:
    full = Volume(np.full(shape, 3, np.uint8), affine)
    assert (there_and_back(full, resampled(full, slicing, factors)) == 3).all()


@settings(max_examples=20, deadline=None)
@given(affine=affines(), slicing=slicings, factors=factors_of_axes)
def test_a_structure_stays_where_it_is_in_the_patient(
    affine: NDArray[np.float64], slicing: Slicing, factors: tuple[float, float, float]
) -> None:
    array = np.zeros((30, 31, 32), np.uint8)
    array[6:18, 14:27, 4:19] = 2
    labels = Volume(array, affine)
    used = resampled(labels, slicing, factors)
    prepared = prepare_labels(labels, used)
    found = centroid_ras(prepared == 2, prepared_affine(labels, used))
    voxel_mm = voxel_of_coarser(labels, used)[::-1] * labels.spacing_mm
    shift_mm = (found - centroid_ras(array == 2, affine)) @ (affine[:3, :3] / labels.spacing_mm)
    assert (np.abs(shift_mm) <= 0.5 * voxel_mm).all()


@settings(max_examples=30, deadline=None)
@given(affine=affines(), slicing=slicings, factors=factors_of_axes, data=st.data())
def test_the_slices_of_a_region_bring_back_what_all_slices_would(
    affine: NDArray[np.float64],
    slicing: Slicing,
    factors: tuple[float, float, float],
    data: st.DataObject,
) -> None:
    array = np.random.default_rng(0).integers(0, NUM_CLASSES, (9, 10, 11)).astype(np.uint8)
    labels = Volume(array, affine)
    used = resampled(labels, slicing, factors)
    mask = np.zeros(array.shape, bool)
    mask[tuple(slice(*sorted((data.draw(st.integers(0, n - 1)), n))) for n in array.shape)] = True
    prepared = one_hot(prepare_labels(labels, used))
    met = slices_that_meet(labels.with_array(mask), used)
    part = restore_probabilities(prepared[met.start : met.stop], labels, used, slices=met)
    whole = restore_probabilities(prepared, labels, used)
    assert np.array_equal(part.array_kji[mask], whole.array_kji[mask])


def centroid_ras(mask: NDArray[np.bool_], affine_ras: NDArray[np.float64]) -> NDArray[np.float64]:
    index_kji = np.argwhere(mask).mean(axis=0)
    return np.asarray(affine_ras @ [*index_kji[::-1], 1.0])[:3]
