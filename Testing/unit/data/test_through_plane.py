"""Resampling across slices, against matrices, SimpleITK and whole volumes in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from CrossModalSegLib.data.resampling import AxisMap, PlaneMap, centred_axis_map
from CrossModalSegLib.data.through_plane import (
    combine_slices,
    needed_slices,
    resample_images,
    resample_labels,
    return_slices,
    slice_axis_map,
)

ITK: Any = SimpleITK

depths, spacings = st.integers(1, 30), st.floats(0.4, 8.0)


def noise(depth: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(depth, 3, 4)).astype(np.float32)


@settings(deadline=None)
@given(size=depths, own_mm=spacings, wanted_mm=spacings)
def test_all_slices_are_seen_and_seen_again(size: int, own_mm: float, wanted_mm: float) -> None:
    axis = slice_axis_map(size, own_mm, wanted_mm)
    assert axis.covered.all()
    assert axis.way_back.covered.all()
    assert axis.way_back.size_out == size
    assert axis.start + axis.step * (axis.size_out - 1) / 2 == pytest.approx((size - 1) / 2)


@pytest.mark.parametrize(
    ("size", "own_mm", "wanted_mm", "expected"),
    [(10, 2.0, 4.0, 5), (11, 2.0, 4.0, 6), (10, 8.0, 4.0, 20), (3, 1.0, 9.0, 1), (7, 3.0, 3.0, 7)],
)
def test_there_are_as_many_slices_as_cover_the_volume(
    size: int, own_mm: float, wanted_mm: float, expected: int
) -> None:
    assert slice_axis_map(size, own_mm, wanted_mm).size_out == expected


def test_own_spacing_changes_nothing() -> None:
    slices = noise(5)
    for wanted in (None, 2.0, 2.0000001):
        axis = slice_axis_map(5, 2.0, wanted)
        assert axis.is_shift
        assert resample_images(slices, axis) is slices
        returned = dict(return_slices(iter(slices), axis, range(5)))
        assert all(returned[n] is not None and (returned[n] == slices[n]).all() for n in range(5))


def test_finer_slices_agree_with_simpleitk() -> None:
    slices, axis = noise(6), slice_axis_map(6, 5.0, 3.0)
    image = ITK.GetImageFromArray(slices)
    reference = ITK.Image([4, 3, axis.size_out], ITK.sitkFloat32)
    reference.SetOrigin([0, 0, axis.start])
    reference.SetSpacing([1, 1, axis.step])
    expected = ITK.GetArrayFromImage(
        ITK.Resample(image, reference, ITK.Transform(), ITK.sitkLinear, -9.0)
    )
    found = resample_images(slices, axis)
    inside = expected[:, 0, 0] != -9.0
    assert inside.sum() >= axis.size_out - 2
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)


def test_coarser_slices_are_smoothed_first() -> None:
    alternating = np.tile(np.array([1.0, -1.0], np.float32)[:, None, None], (12, 2, 2))
    assert np.abs(resample_images(alternating, slice_axis_map(24, 1.0, 4.0))[1:-1]).max() < 0.01


@settings(deadline=None, max_examples=50)
@given(size=depths, own_mm=spacings, wanted_mm=spacings, seed=st.integers(0, 99))
def test_one_by_one_slices_are_combined_as_all_at_once(
    size: int, own_mm: float, wanted_mm: float, seed: int
) -> None:
    axis = centred_axis_map(
        size, slice_axis_map(size, own_mm, wanted_mm).size_out, wanted_mm / own_mm
    )
    slices = noise(size, seed)
    combined = dict(combine_slices(iter(slices), axis.weights, range(size)))
    assert sorted(combined) == list(range(axis.size_out))
    expected = np.tensordot(axis.weights, slices, axes=1)
    np.testing.assert_allclose([combined[n] for n in sorted(combined)], expected, atol=1e-5)


def test_few_slices_are_held() -> None:
    axis = slice_axis_map(60, 2.0, 3.0)
    taken = 0

    def come() -> Iterator[NDArray[np.float32]]:
        nonlocal taken
        for entry in noise(60):
            taken += 1
            yield entry

    for output, _ in combine_slices(come(), axis.weights, range(60)):
        last = int(np.flatnonzero(axis.weights[output])[-1])
        assert taken == last + 1


def test_outputs_that_need_other_slices_are_left_out() -> None:
    axis = slice_axis_map(12, 4.0, 2.0)
    back = axis.way_back
    given = range(5, 14)
    slices = noise(axis.size_out)
    part = dict(return_slices(iter(slices[5:14]), axis, given))
    whole = dict(return_slices(iter(slices), axis, range(axis.size_out)))
    needs = [np.flatnonzero(row) for row in back.weights]
    assert sorted(part) == [n for n, need in enumerate(needs) if set(need) <= set(given)]
    for index, entry in part.items():
        np.testing.assert_array_equal(entry, whole[index])


@settings(deadline=None, max_examples=50)
@given(size=depths, own_mm=spacings, wanted_mm=spacings, data=st.data())
def test_the_slices_that_are_needed_bring_back_what_was_asked_for(
    size: int, own_mm: float, wanted_mm: float, data: st.DataObject
) -> None:
    axis = slice_axis_map(size, own_mm, wanted_mm)
    first = data.draw(st.integers(0, size - 1))
    own = range(first, data.draw(st.integers(first, size - 1)) + 1)
    needed = needed_slices(own, axis)
    slices = noise(axis.size_out)
    part = dict(return_slices(iter(slices[needed.start : needed.stop]), axis, needed))
    assert set(own) <= set(part)


def test_no_slice_needs_none() -> None:
    assert not needed_slices(range(0), slice_axis_map(4, 1.0, 2.0))


@settings(deadline=None, max_examples=30)
@given(
    own_mm=st.tuples(spacings, spacings, spacings),
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    seed=st.integers(0, 99),
)
def test_labels_are_those_of_the_largest_share_in_three_dimensions(
    own_mm: tuple[float, float, float], shape: tuple[int, int, int], seed: int
) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, shape).astype(np.uint8)
    across = slice_axis_map(shape[0], own_mm[0], 2.0)
    plane = PlaneMap(
        rows=centred_axis_map(shape[1], 8, 2.0 / own_mm[1]),
        columns=centred_axis_map(shape[2], 9, 2.0 / own_mm[2]),
    )
    shares = np.stack([whole(labels == value, across, plane) for value in range(4)])
    found = resample_labels(labels, plane, across)
    clear = np.sort(shares, axis=0)[-1] - np.sort(shares, axis=0)[-2] > 1e-3
    np.testing.assert_array_equal(found[clear], shares.argmax(axis=0)[clear])


def whole(volume: NDArray[np.bool_], across: AxisMap, plane: PlaneMap) -> NDArray[np.float64]:
    """Resample with three dense matrices."""
    matrices = [dense(axis) for axis in (across, plane.rows, plane.columns)]
    return np.asarray(np.einsum("ak,bj,ci,kji->abc", *matrices, volume.astype(float)))


def dense(axis: AxisMap) -> NDArray[np.float64]:
    """Return the weights; of a shift, ones where input and output coincide."""
    if not axis.is_shift:
        return np.asarray(axis.weights, np.float64)
    places = np.arange(axis.size_out)[:, None] + round(axis.start)
    return np.asarray(places == np.arange(axis.size_in), np.float64)
