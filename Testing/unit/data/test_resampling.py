"""Resampling within slices, against hand numbers and SimpleITK."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from CrossModalSegLib.data.resampling import AxisMap, PlaneMap, centred_axis_map, largest

ITK: Any = SimpleITK


def plane_map(rows: AxisMap, columns: AxisMap) -> PlaneMap:
    return PlaneMap(rows=rows, columns=columns)


def test_halving_the_spacing_interpolates_between_centres() -> None:
    axis = AxisMap(size_in=3, size_out=4, start=0.0, step=0.5)
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5]]
    np.testing.assert_allclose(axis.weights, np.array(expected))


def test_the_input_ends_half_a_voxel_beyond_its_outer_centres() -> None:
    axis = AxisMap(size_in=2, size_out=5, start=-0.8, step=0.6)  # -0.8 -0.2 0.4 1.0 1.6
    assert axis.covered.tolist() == [False, True, True, True, False]
    expected = [[0, 0], [1, 0], [0.6, 0.4], [0, 1], [0, 0]]
    np.testing.assert_allclose(axis.weights, np.array(expected), atol=1e-7)


def test_coarse_outputs_reach_the_outer_voxels_of_the_input() -> None:
    axis = AxisMap(size_in=6, size_out=4, start=-1.25, step=2.5)  # -1.25 1.25 3.75 6.25
    assert axis.covered.all()
    assert not AxisMap(size_in=6, size_out=4, start=-1.3, step=2.5).covered[0]


@pytest.mark.parametrize(("size_in", "size_out"), [(4, 6), (6, 4), (5, 4), (4, 5), (1, 7), (7, 1)])
def test_without_resampling_the_shift_is_whole(size_in: int, size_out: int) -> None:
    axis = centred_axis_map(size_in, size_out, 1.0)
    assert axis.is_shift
    assert axis.way_back.is_shift
    assert abs(axis.start + (size_out - 1) / 2 - (size_in - 1) / 2) <= 0.5


def test_resampling_keeps_the_centre_of_the_axis() -> None:
    axis = centred_axis_map(10, 7, 1.6)
    assert axis.start + axis.step * 3 == pytest.approx(4.5)


def test_a_spacing_that_differs_by_rounding_is_the_same_spacing() -> None:
    assert centred_axis_map(240, 240, 1.0 + 1e-7).is_shift
    assert not centred_axis_map(240, 240, 1.001).is_shift


sizes = st.integers(1, 20)
steps = st.floats(0.3, 4.0)


@settings(deadline=None)
@given(size_in=sizes, size_out=sizes, step=steps)
def test_weights_keep_constants(size_in: int, size_out: int, step: float) -> None:
    axis = centred_axis_map(size_in, size_out, step)
    np.testing.assert_allclose(axis.weights.sum(axis=1), axis.covered, atol=1e-6)
    assert (axis.weights >= 0).all()


@settings(deadline=None)
@given(size_in=sizes, size_out=sizes, step=steps)
def test_the_way_back_leads_to_where_one_came_from(
    size_in: int, size_out: int, step: float
) -> None:
    axis = centred_axis_map(size_in, size_out, step)
    output_index = axis.way_back.start + axis.way_back.step * 3 + axis.seen.start
    assert axis.start + axis.step * output_index == pytest.approx(3, abs=1e-9)


@settings(deadline=None)
@given(size_in=sizes, step=steps)
def test_every_voxel_within_the_field_of_view_is_seen_again(size_in: int, step: float) -> None:
    wide_enough = int(size_in / step) + 2
    assert centred_axis_map(size_in, wide_enough, step).way_back.covered.all()


@pytest.mark.parametrize("step", [0.37, 0.8, 1.0])
def test_upsampling_agrees_with_simpleitk(step: float) -> None:
    plane = np.random.default_rng(0).normal(size=(9, 12)).astype(np.float32)
    rows, columns = AxisMap(9, 17, -0.7, step), AxisMap(12, 15, 0.4, step)
    image = ITK.GetImageFromArray(plane)
    reference = ITK.Image([15, 17], ITK.sitkFloat32)
    reference.SetOrigin([0.4, -0.7])
    reference.SetSpacing([step, step])
    expected = ITK.GetArrayFromImage(
        ITK.Resample(image, reference, ITK.Transform(), ITK.sitkLinear, -9.0)
    )
    found = plane_map(rows, columns).apply(plane, -9.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_downsampling_smooths_away_what_would_alias() -> None:
    checkerboard = np.indices((24, 24)).sum(axis=0) % 2 * 2.0 - 1.0
    coarse = plane_map(centred_axis_map(24, 8, 3.0), centred_axis_map(24, 8, 3.0))
    assert np.abs(coarse.apply(checkerboard, 0.0)[1:-1, 1:-1]).max() < 0.01


def test_a_shift_keeps_every_bit() -> None:
    slices = np.random.default_rng(0).normal(size=(3, 5, 6))
    padded = plane_map(AxisMap(5, 9, -2.0, 1.0), AxisMap(6, 4, 1.0, 1.0)).apply(slices, -7.0)
    assert padded.dtype == slices.dtype
    np.testing.assert_array_equal(padded[:, 2:7], slices[:, :, 1:5])
    assert (padded[:, [0, 1, 7, 8]] == -7.0).all()


def test_a_shift_beyond_the_input_gives_only_filling() -> None:
    moved = plane_map(AxisMap(4, 3, 9.0, 1.0), AxisMap(4, 3, -8.0, 1.0)).apply(np.ones((4, 4)), 5.0)
    assert (moved == 5.0).all()


def test_labels_follow_the_largest_share() -> None:
    labels = np.repeat([[0, 3, 3, 1]], 4, axis=0)[None].astype(np.uint8)
    finer = plane_map(AxisMap(4, 8, -0.25, 0.5), AxisMap(4, 8, -0.25, 0.5))
    expected = np.tile(np.array([0, 0, 3, 3, 3, 3, 1, 1]), (1, 8, 1))
    np.testing.assert_array_equal(finer.apply_to_labels(labels), expected)


def test_ties_go_to_the_lower_class() -> None:
    shares = np.array([0.4, 0.4, 0.2, 0.4], np.float32).reshape(4, 1, 1)
    assert largest(shares).tolist() == [[0]]
    assert largest(shares[::-1]).tolist() == [[0]]


@settings(deadline=None, max_examples=20)
@given(classes=st.integers(1, 8), seed=st.integers(0, 999))
def test_the_largest_share_is_the_argmax(classes: int, seed: int) -> None:
    shares = np.random.default_rng(seed).integers(0, 4, (classes, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(largest(shares), shares.argmax(axis=0))
