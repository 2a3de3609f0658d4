"""From volumes to slices and back: conventions, exactness, and an identity network."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError, GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS, Slicing
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    default_preprocessing,
    prepare_image,
    prepare_labels,
    prepared_affine,
    restore_map,
    restore_probabilities,
    slices_that_meet,
)

NUM_CLASSES = 4
SLICINGS: tuple[Slicing, ...] = ("axial", "coronal", "sagittal")
MR = IntensityRule(kind="robust_zscore")
TILT = Rotation.from_euler("xyz", [10, -20, 15], degrees=True).as_matrix()
SIGNED_PERMUTATIONS = [
    np.eye(3)[:, order] * signs
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1.0, -1.0), repeat=3)
]


def settings_of(
    slicing: Slicing, matrix: tuple[int, int], spacing_mm: tuple[float, float] | None = None
) -> Preprocessing:
    return Preprocessing(slicing=slicing, matrix=matrix, intensity=MR, spacing_mm=spacing_mm)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Return what a perfect network says: (slice, class, row, column)."""
    return np.stack([labels == value for value in range(NUM_CLASSES)], axis=1).astype(np.float32)


def scaled_spacing_mm(
    grid: Volume, slicing: Slicing, factors: tuple[float, float]
) -> tuple[float, float]:
    """Return the slices' own distances of rows and columns, times the factors."""
    native = prepared_affine(grid, settings_of(slicing, (8, 8)))
    columns_mm, rows_mm, _ = np.linalg.norm(native[:3, :3], axis=0)
    return float(rows_mm * factors[0]), float(columns_mm * factors[1])


def centroid_ras(array_kji: np.ndarray, affine_ras: np.ndarray) -> np.ndarray:
    index_kji = np.argwhere(array_kji).mean(axis=0)
    return np.asarray(affine_ras @ [*index_kji[::-1], 1])[:3]


class Placement(NamedTuple):
    """Plain numbers of a grid: strategies must not call the library, whose checks are random."""

    directions: np.ndarray
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def grid(self) -> Volume:
        affine_ras = affine_from(self.spacing_mm, self.directions, (-10, 20, 30))
        return Volume(np.zeros(self.shape, np.uint8), affine_ras)


@st.composite
def placements(draw: st.DrawFn, smallest: int = 1) -> Placement:
    """Draw any orientation, obliqueness, size and spacing."""
    directions = draw(st.sampled_from(SIGNED_PERMUTATIONS))
    tilt = draw(st.tuples(*[st.sampled_from([0.0, 7.0, -20.0, 45.0, 90.0])] * 3))
    return Placement(
        Rotation.from_euler("xyz", tilt, degrees=True).as_matrix() @ directions,
        draw(st.tuples(*[st.sampled_from([0.6, 1.0, 1.3, 8.0])] * 3)),
        draw(st.tuples(*[st.integers(smallest, 20)] * 3)),
    )


slicings = st.sampled_from(SLICINGS)


@settings(deadline=None, max_examples=150)
@given(placement=placements(), slicing=slicings, seed=st.integers(0, 99), margin=st.integers(0, 5))
def test_an_identity_network_returns_the_volume_exactly(
    placement: Placement, slicing: Slicing, seed: int, margin: int
) -> None:
    grid = placement.grid
    labels = np.random.default_rng(seed).integers(0, NUM_CLASSES, grid.shape_kji, dtype=np.uint8)
    volume = grid.with_array(labels)
    rules = settings_of(slicing, (20 + margin, 20 + margin // 2))
    restored = restore_probabilities(one_hot(prepare_labels(volume, rules)), grid, rules)
    assert restored.array_kji.dtype == np.uint8
    np.testing.assert_array_equal(restored.array_kji, labels)
    np.testing.assert_array_equal(restored.affine_ras, grid.affine_ras)


@settings(deadline=None, max_examples=60)
@given(placement=placements(), slicing=slicings, seed=st.integers(0, 99))
def test_intensities_come_back_where_they_were(
    placement: Placement, slicing: Slicing, seed: int
) -> None:
    grid = placement.grid
    image = np.random.default_rng(seed).normal(size=grid.shape_kji).astype(np.float32)
    image.flat[0], image.flat[-1] = -9, 9
    if image.size < 3:
        return
    volume, rules = grid.with_array(image), settings_of(slicing, (21, 22))
    slices = prepare_image(volume, rules)
    assert slices.dtype == np.float32
    assert slices.shape[1:] == (21, 22)
    restored = restore_map(slices, grid, rules).array_kji
    order = np.argsort(image, axis=None, kind="stable")
    assert (np.diff(restored.ravel()[order]) >= 0).all()


@settings(deadline=None, max_examples=80)
@given(
    placement=placements(smallest=6),
    slicing=slicings,
    factors=st.tuples(*[st.floats(0.5, 2.5)] * 2),
    data=st.data(),
)
def test_resampled_structures_come_back_within_half_a_voxel(
    placement: Placement, slicing: Slicing, factors: tuple[float, float], data: st.DataObject
) -> None:
    grid = placement.grid
    labels = np.zeros(grid.shape_kji, np.uint8)
    axis = data.draw(st.integers(0, 2))
    edge = data.draw(st.integers(2, labels.shape[axis] - 3))
    np.moveaxis(labels, axis, 0)[edge:] = 1  # a half space: its surface must stay
    rules = settings_of(slicing, (60, 60), scaled_spacing_mm(grid, slicing, factors))
    slices = prepare_labels(grid.with_array(labels), rules)
    restored = restore_probabilities(one_hot(slices), grid, rules).array_kji
    moved = np.abs(restored.sum(axis=axis, dtype=int) - labels.sum(axis=axis, dtype=int))
    assert moved.max() <= np.ceil(max(1.0, *factors) / 2)


@settings(deadline=None, max_examples=60)
@given(placement=placements(), slicing=slicings, factors=st.tuples(*[st.floats(0.4, 9.0)] * 2))
def test_nothing_is_lost_at_the_border_of_the_volume(
    placement: Placement, slicing: Slicing, factors: tuple[float, float]
) -> None:
    grid = placement.grid
    full = grid.with_array(np.full(grid.shape_kji, 3, np.uint8))
    rules = settings_of(slicing, (54, 55), scaled_spacing_mm(grid, slicing, factors))
    restored = restore_probabilities(one_hot(prepare_labels(full, rules)), grid, rules)
    assert (restored.array_kji == 3).all()


@pytest.mark.parametrize(
    ("slicing", "directions_ras"),
    [
        ("axial", {"column": [-1, 0, 0], "row": [0, -1, 0], "slice": [0, 0, 1]}),
        ("coronal", {"column": [-1, 0, 0], "row": [0, 0, -1], "slice": [0, -1, 0]}),
        ("sagittal", {"column": [0, -1, 0], "row": [0, 0, -1], "slice": [-1, 0, 0]}),
    ],
)
@pytest.mark.parametrize("directions", SIGNED_PERMUTATIONS[::7])
def test_slices_are_seen_as_radiologists_see_them(
    slicing: Slicing, directions_ras: dict[str, list[float]], directions: np.ndarray
) -> None:
    volume = Volume(np.zeros((4, 5, 6), np.uint8), affine_from((1, 2, 3), directions, (7, 8, 9)))
    affine_ras = prepared_affine(volume, settings_of(slicing, (8, 8)))
    found = affine_ras[:3, :3] / np.linalg.norm(affine_ras[:3, :3], axis=0)
    np.testing.assert_allclose(found.T, list(directions_ras.values()), atol=1e-12)


@pytest.mark.parametrize("slicing", SLICINGS)
def test_prepared_slices_have_the_spacing_and_size_that_was_asked_for(slicing: Slicing) -> None:
    directions = TILT @ SIGNED_PERMUTATIONS[29]
    image = np.random.default_rng(0).normal(size=(30, 31, 32))
    volume = Volume(image, affine_from((0.9, 0.7, 2.2), directions, (5, -6, 7)))
    rules = settings_of(slicing, (20, 33), (1.5, 1.1))
    columns_mm, rows_mm, _ = np.linalg.norm(prepared_affine(volume, rules)[:3, :3], axis=0)
    assert (rows_mm, columns_mm) == pytest.approx((1.5, 1.1))
    assert prepare_image(volume, rules).shape[1:] == (20, 33)


@pytest.mark.parametrize("slicing", SLICINGS)
@pytest.mark.parametrize("spacing_mm", [None, (0.5, 0.4), (1.5, 1.1)])
def test_a_structure_stays_where_it_is_in_the_patient(
    slicing: Slicing, spacing_mm: tuple[float, float] | None
) -> None:
    affine_ras = affine_from((0.9, 0.8, 1.1), TILT @ SIGNED_PERMUTATIONS[29], (5, -6, 7))
    labels = np.zeros((30, 31, 32), np.uint8)
    labels[5:11, 18:25, 7:14] = 2
    volume, rules = Volume(labels, affine_ras), settings_of(slicing, (70, 81), spacing_mm)
    slices = prepare_labels(volume, rules)
    found = centroid_ras(slices == 2, prepared_affine(volume, rules))
    tolerance_mm = {None: 1e-9, (0.5, 0.4): 0.25, (1.5, 1.1): 0.75}[spacing_mm]
    np.testing.assert_allclose(found, centroid_ras(labels == 2, affine_ras), atol=tolerance_mm)


def test_cropping_is_on_the_centre_and_the_rest_is_background() -> None:
    labels = Volume(np.ones((2, 10, 11), np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
    rules = settings_of("axial", (4, 5))
    restored = restore_probabilities(one_hot(prepare_labels(labels, rules)), labels, rules)
    expected = np.zeros((2, 10, 11), np.uint8)
    expected[:, 3:7, 3:8] = 1
    np.testing.assert_array_equal(restored.array_kji, expected)


@pytest.mark.parametrize("spacing_mm", [None, (2.0, 2.0)])
def test_padding_of_images_is_the_darkest_value(spacing_mm: tuple[float, float] | None) -> None:
    image = np.random.default_rng(0).normal(100, 20, (3, 8, 8)).astype(np.float32)
    volume = Volume(image, np.diag([-1.0, -1.0, 1.0, 1.0]))
    mr = prepare_image(volume, settings_of("axial", (16, 16), spacing_mm))
    assert (mr[:, 0] == mr.min()).all()
    rules = default_preprocessing(TASKS["abdomen"], MODALITIES["ct"], matrix=(16, 16))
    assert (prepare_image(volume, rules)[:, 0] == -1).all()


def test_a_map_has_its_own_value_outside_the_field_of_view() -> None:
    grid = Volume(np.zeros((2, 6, 6), np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
    rules = settings_of("axial", (4, 4), (0.5, 0.5))  # sees the inner 2 mm
    restored = restore_map(np.zeros((2, 4, 4), np.float32), grid, rules, outside=1.0).array_kji
    assert (restored[:, 2:4, 2:4] == 0).all()
    assert restored.sum() == 2 * (36 - 4)


def test_slices_may_come_one_by_one() -> None:
    labels = np.random.default_rng(0).integers(0, NUM_CLASSES, (5, 6, 7), dtype=np.uint8)
    volume, rules = Volume(labels, np.eye(4)), settings_of("coronal", (8, 8))

    def predictions() -> Iterator[np.ndarray]:
        for index in range(6):
            yield one_hot(prepare_labels(volume, rules))[index].astype(np.float16)

    np.testing.assert_array_equal(
        restore_probabilities(predictions(), volume, rules).array_kji, labels
    )


@settings(deadline=None, max_examples=60)
@given(placement=placements(smallest=3), slicing=slicings, seed=st.integers(0, 99))
def test_the_slices_that_meet_a_mask_restore_it_alone(
    placement: Placement, slicing: Slicing, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    labels = np.zeros(placement.shape, np.uint8)
    low = [int(generator.integers(0, size)) for size in labels.shape]
    labels[low[0] :, low[1] : low[1] + 2, low[2] : low[2] + 2] = 2
    volume = placement.grid.with_array(labels)
    rules = settings_of(slicing, (24, 24))
    prepared = one_hot(prepare_labels(volume, rules))
    part = slices_that_meet(volume.with_array(labels > 0), rules)
    assert len(part) == sum(bool(plane[2].any()) for plane in prepared)
    chosen = prepared[part.start : part.stop]
    restored = restore_probabilities(chosen, placement.grid, rules, slices=part)
    assert np.array_equal(restored.array_kji, labels)
    shown = restore_map(chosen[:, 2], placement.grid, rules, slices=part, outside=-1.0).array_kji
    assert np.array_equal(shown == 1.0, labels == 2)
    assert (shown == -1.0).any() == (len(part) < len(prepared))


def test_a_mask_without_voxels_meets_no_slice() -> None:
    empty = Volume(np.zeros((3, 4, 5), bool), np.eye(4))
    assert len(slices_that_meet(empty, settings_of("axial", (8, 8)))) == 0


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_slices_are_expected_as_were_named(count: int) -> None:
    grid, rules = Volume(np.zeros((6, 8, 8), np.uint8), np.eye(4)), settings_of("axial", (8, 8))
    with pytest.raises(GeometryError, match="expected 2"):
        restore_probabilities(np.zeros((count, 4, 8, 8)), grid, rules, slices=range(1, 3))


@pytest.mark.parametrize("shape", [(4, 3, 8, 8), (6, 3, 8, 8), (5, 3, 8, 9), (0, 3, 8, 8)])
def test_predictions_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    grid = Volume(np.zeros((5, 6, 7), np.uint8), np.eye(4))
    with pytest.raises(GeometryError, match="do not fit together"):
        restore_probabilities(np.zeros(shape), grid, settings_of("axial", (8, 8)))


def test_a_constant_image_is_refused() -> None:
    with pytest.raises(InputFileError, match="constant"):
        prepare_image(Volume(np.ones((2, 3, 4)), np.eye(4)), settings_of("axial", (8, 8)))


@pytest.mark.parametrize("spacing_mm", [None, (1.5, 1.25)])
def test_settings_survive_json(spacing_mm: tuple[float, float] | None) -> None:
    rules = default_preprocessing(
        TASKS["cardiac"], MODALITIES["ct"], matrix=(64, 80), spacing_mm=spacing_mm
    )
    text = json.dumps(to_dict(rules))
    assert from_dict(Preprocessing, json.loads(text), "preprocessing") == rules
    assert rules.slicing == "coronal"


@pytest.mark.parametrize("wrong", [{"matrix": (0, 8)}, {"spacing_mm": (1.0, 0.0)}])
def test_sizes_must_be_positive(wrong: dict[str, tuple[float, float]]) -> None:
    good = to_dict(settings_of("axial", (8, 8)))
    with pytest.raises(ConfigError, match="expected two positive"):
        from_dict(Preprocessing, good | wrong, "preprocessing")
