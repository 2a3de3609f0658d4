"""Resampling across slices, with as few slices in memory as the interpolation needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.resampling import AxisMap, PlaneMap, centred_axis_map, largest


def slice_axis_map(
    size: int, own_mm: float, wanted_mm: float | None, *, is_spline: bool = False
) -> AxisMap:
    """Return the map to as many slices as cover the whole volume: nothing is cropped or padded.

    Args:
        size: Slices of the volume.
        own_mm: Their distance.
        wanted_mm: Their distance after resampling; None: their own.
        is_spline: Interpolate by cubic splines.
    """
    step = 1.0 if wanted_mm is None else wanted_mm / own_mm
    same = centred_axis_map(size, size, step)
    if same.is_shift:
        return same
    return centred_axis_map(
        size, max(1, int(np.ceil(size / step - 1e-6))), step, is_spline=is_spline
    )


def resample_images(slices: NDArray[Any], axis: AxisMap) -> NDArray[Any]:
    """Return slices (slice, row, column) at their new places; the same array where none moves."""
    if axis.is_shift:
        return slices
    flat = np.asarray(slices, np.float32).reshape(len(slices), -1)
    mapped: NDArray[Any] = axis.matrix @ flat
    return mapped.reshape(axis.size_out, *slices.shape[1:])


def resample_labels(labels: NDArray[np.uint8], plane: PlaneMap, axis: AxisMap) -> NDArray[np.uint8]:
    """Map label slices (slice, row, column) in and across their plane.

    Each class is resampled linearly, and the largest share wins.
    """
    if axis.is_shift:
        return plane.apply_to_labels(labels)
    values = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)).astype(np.uint8)
    shares = (plane.shares(entry, values) for entry in labels)
    mapped = np.zeros((axis.size_out, *plane.shape_out), np.uint8)
    for index, share in combine_slices(shares, axis.weights, range(len(labels))):
        mapped[index] = values[largest(share)]
    mapped[:, ~plane.rows.covered] = 0
    mapped[:, :, ~plane.columns.covered] = 0
    return mapped


def return_slices(
    slices: Iterable[NDArray[np.float32]], axis: AxisMap, given: range
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield index and content of each slice of the volume that resampled slices tell of.

    Args:
        slices: Resampled ones (..., row, column), in order.
        axis: From the volume's slices to the resampled ones.
        given: The indices of `slices`.
    """
    if axis.is_shift:
        yield from zip(given, slices, strict=True)
    else:
        yield from combine_slices(slices, axis.way_back.weights, given)


def needed_slices(own: range, axis: AxisMap) -> range:
    """Return the resampled slices that tell of some slices of the volume."""
    if axis.is_shift or not own:
        return own
    needed = np.flatnonzero(axis.way_back.weights[own.start : own.stop].any(axis=0))
    return range(int(needed[0]), int(needed[-1]) + 1)


def combine_slices(
    slices: Iterable[NDArray[np.float32]], weights: NDArray[np.float32], given: range
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield weighted sums of slices, each as soon as the last of its slices has come.

    Args:
        slices: In order; all are taken, though the last may not be needed.
        weights: (output, input), of one band: later outputs need no earlier inputs.
        given: The inputs that `slices` are. Outputs that need others are left out.
    """
    needs = [np.flatnonzero(row) for row in weights]
    waiting = deque(
        output
        for output, need in enumerate(needs)
        if need.size and need[0] >= given.start and need[-1] < given.stop
    )
    held: dict[int, NDArray[np.float32]] = {}
    for index, entry in zip(given, slices, strict=True):
        held[index] = entry
        while waiting and needs[waiting[0]][-1] <= index:
            output = waiting.popleft()
            yield output, _weighted_sum(held, needs[output], weights[output])
        first = needs[waiting[0]][0] if waiting else index + 1
        for passed in [number for number in held if number < first]:
            del held[passed]


def _weighted_sum(
    held: dict[int, NDArray[np.float32]], need: NDArray[np.intp], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    total = np.zeros_like(held[int(need[0])])
    for index in need.tolist():
        total += held[index] * weights[index]
    return total
