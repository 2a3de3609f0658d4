"""Resampling along axes: separable, linear, and exact where nothing has to be resampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME_GRID_VOXELS = 0.01
"""Steps that move no index of an axis by more than this count as the same spacing."""

SIGMA_PER_FWHM = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))

_KERNEL_SIGMAS = 4.0

_BAND_SHARE = 0.2
"""Matrices with a smaller share of numbers that are not 0 are multiplied as sparse ones."""

_SPLINE_VOXELS = 4
"""A cubic spline needs as many; shorter axes are interpolated linearly."""


@dataclass(frozen=True)
class AxisMap:
    """Where the indices of an output axis lie on an input axis: `start + step * index`.

    An output is covered when it reaches the centre of an outer input voxel, or that voxel reaches
    its centre: so each axis tells all it knows to the other, and nothing is lost at the border.
    The outer input voxels are continued up to there; beyond there is nothing.

    Attributes:
        size_in: Voxels of the input axis.
        size_out: Voxels of the output axis.
        start: Input index of output index 0; may lie outside.
        step: Input voxels per output voxel, positive.
        is_spline: Interpolate by cubic splines instead of linearly.
    """

    size_in: int
    size_out: int
    start: float
    step: float
    is_spline: bool = False

    @property
    def is_shift(self) -> bool:
        """Whether outputs coincide with inputs, so that voxels are only moved."""
        return self.step == 1.0 and self.start == round(self.start)

    @cached_property
    def seen(self) -> slice:
        """The range of outputs that are covered."""
        covered = np.flatnonzero(self.covered)
        return slice(int(covered[0]), int(covered[-1]) + 1) if covered.size else slice(0, 0)

    @property
    def way_back(self) -> AxisMap:
        """The map from the covered outputs back to the input axis.

        What lies beyond them is padding, and must not be mixed in at the border.
        """
        first, last = self.seen.start, self.seen.stop
        start = -self.start / self.step - first
        return AxisMap(last - first, self.size_in, start, 1.0 / self.step)

    @cached_property
    def covered(self) -> NDArray[np.bool_]:
        """Which outputs lie within the input."""
        positions = self._positions()
        reach = max(1.0, self.step) / 2 + 1e-6  # rounding must not drop the outer row
        return (positions >= -reach) & (positions <= self.size_in - 1 + reach)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """Matrix (size_out, size_in) whose rows sum to 1 where covered, else to 0.

        Linear interpolation, or a cubic spline through all voxels of the axis. Where the output is
        coarser, the input is first smoothed by a Gaussian whose full width at half maximum is the
        lost resolution, sqrt(step^2 - 1) input voxels (Cardoso et al. 2015,
        doi:10.1007/978-3-319-24571-3_81), against aliasing.
        """
        positions = np.clip(self._positions(), 0, self.size_in - 1)
        if self.is_spline and self.size_in >= _SPLINE_VOXELS:
            weights = _spline_weights(positions, self.size_in)
        else:
            weights = _linear_weights(positions, self.size_in)
        if self.step > 1.0:
            weights = weights @ _smoothing(self.size_in, self.step)
        weights[~self.covered] = 0.0
        return weights.astype(np.float32)

    @cached_property
    def matrix(self) -> Any:
        """The weights in the form in which they are multiplied fastest: few are not 0."""
        from scipy.sparse import csr_array

        weights = self.weights
        is_band = np.count_nonzero(weights) <= weights.size * _BAND_SHARE
        return csr_array(weights) if is_band else weights

    def _positions(self) -> NDArray[np.float64]:
        return self.start + self.step * np.arange(self.size_out, dtype=np.float64)


def centred_axis_map(
    size_in: int, size_out: int, step: float, *, is_spline: bool = False
) -> AxisMap:
    """Return the map that crops or pads on the centre of the axis.

    Without resampling the shift is a whole number of voxels: where the sizes differ by an odd
    number, the voxel more is cut or added at the end.
    """
    if abs(step - 1.0) * max(size_in, size_out) <= SAME_GRID_VOXELS:
        return AxisMap(size_in, size_out, float((size_in - size_out) // 2), 1.0)
    start = (size_in - 1) / 2 - step * (size_out - 1) / 2
    return AxisMap(size_in, size_out, start, step, is_spline)


@dataclass(frozen=True)
class PlaneMap:
    """Where the rows and columns of output slices lie in input slices."""

    rows: AxisMap
    columns: AxisMap

    @property
    def is_shift(self) -> bool:
        """Whether voxels are only moved, cropped and padded."""
        return self.rows.is_shift and self.columns.is_shift

    @property
    def shape_in(self) -> tuple[int, int]:
        """Rows and columns of an input slice."""
        return self.rows.size_in, self.columns.size_in

    @property
    def shape_out(self) -> tuple[int, int]:
        """Rows and columns of an output slice."""
        return self.rows.size_out, self.columns.size_out

    def apply(self, slices: NDArray[Any], fill: float) -> NDArray[Any]:
        """Map slices (..., row, column), with `fill` where there is no input.

        A shift keeps the type and every bit of the voxels; anything else gives float32.
        """
        if self.is_shift:
            return self._moved(slices, fill)
        planes = np.asarray(slices, np.float32).reshape(-1, *slices.shape[-2:])
        mapped = np.empty((len(planes), *self.shape_out), np.float32)
        for index, plane in enumerate(planes):
            rows = self.rows.matrix @ plane
            mapped[index] = (self.columns.matrix @ np.ascontiguousarray(rows.T)).T
        mapped[:, ~self.rows.covered] = fill
        mapped[:, :, ~self.columns.covered] = fill
        return mapped.reshape(*slices.shape[:-2], *self.shape_out)

    def apply_back(self, slices: NDArray[Any], fill: float) -> NDArray[Any]:
        """Map output slices (..., row, column) back, with `fill` where they show nothing."""
        return self._back.apply(slices[..., self.rows.seen, self.columns.seen], fill)

    def apply_to_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Map label slices (slice, row, column): each class linearly, then the largest share."""
        if self.is_shift:
            return self._moved(labels, 0)
        mapped = np.zeros((len(labels), *self.shape_out), np.uint8)
        for index, plane in enumerate(labels):
            values = np.flatnonzero(np.bincount(plane.ravel()))  # what is absent cannot win
            if len(values) == 1:
                mapped[index] = values[0]
                continue
            mapped[index] = values.astype(np.uint8)[largest(self.shares(plane, values))]
        mapped[:, ~self.rows.covered] = 0
        mapped[:, :, ~self.columns.covered] = 0
        return mapped

    def shares(self, plane: NDArray[np.uint8], values: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return how much of each output pixel each class takes up, (class, row, column).

        Args:
            plane: Labels (row, column).
            values: The classes.
        """
        shares = np.zeros((len(values), *self.shape_out), np.float32)
        for share, value in zip(shares, values, strict=True):
            mask = plane == value
            if mask.all():  # as of most slices of most volumes
                share[np.ix_(self.rows.covered, self.columns.covered)] = 1.0
            elif mask.any():
                share[...] = self.apply(mask, 0.0)
        return shares

    @cached_property
    def _back(self) -> PlaneMap:
        return PlaneMap(self.rows.way_back, self.columns.way_back)

    def _moved(self, slices: NDArray[Any], fill: float) -> NDArray[Any]:
        moved = np.full((*slices.shape[:-2], *self.shape_out), fill, slices.dtype)
        rows_in, rows_out = _overlap(self.rows)
        columns_in, columns_out = _overlap(self.columns)
        moved[..., rows_out, columns_out] = slices[..., rows_in, columns_in]
        return moved


def largest(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the index of the largest share (class, row, column); ties go to the lower index."""
    best = shares[0].copy()
    winner = np.zeros(best.shape, np.uint8)
    for index, share in enumerate(shares[1:], start=1):
        wins = share > best
        winner[wins] = index
        np.copyto(best, share, where=wins)
    return winner


def _overlap(axis: AxisMap) -> tuple[slice, slice]:
    """Return the input and output ranges that a shift connects."""
    start = round(axis.start)
    first = max(0, -start)
    last = max(first, min(axis.size_out, axis.size_in - start))
    return slice(first + start, last + start), slice(first, last)


def _linear_weights(positions: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    lower = np.minimum(np.floor(positions).astype(int), max(size - 2, 0))
    upper = np.minimum(lower + 1, size - 1)
    fraction = positions - lower
    weights = np.zeros((len(positions), size))
    rows = np.arange(len(positions))
    np.add.at(weights, (rows, lower), 1.0 - fraction)
    np.add.at(weights, (rows, upper), fraction)
    return weights


def _spline_weights(positions: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return what each voxel adds to a cubic spline (not-a-knot) through all, at `positions`."""
    from scipy.interpolate import make_interp_spline

    return np.asarray(make_interp_spline(np.arange(size), np.eye(size), k=3)(positions))


def _smoothing(size: int, step: float) -> NDArray[np.float64]:
    sigma = float(np.sqrt(step**2 - 1.0)) * SIGMA_PER_FWHM
    distance = np.subtract.outer(np.arange(size), np.arange(size)) / sigma
    kernel = np.exp(-0.5 * distance**2) * (np.abs(distance) <= _KERNEL_SIGMAS)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))
