"""Which part of the patient a picture shows: planes, centres and extents, without any drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import Affine, affine_from
from CrossModalSegLib.core.volume import Volume

Orientation = Literal["axial", "coronal", "sagittal"]

ORIENTATIONS: tuple[Orientation, ...] = ("axial", "coronal", "sagittal")

PointRas = tuple[float, float, float]
"""Right, anterior, superior, in mm."""

_RIGHTWARD_RAS: dict[Orientation, PointRas] = {
    "axial": (-1.0, 0.0, 0.0),
    "coronal": (-1.0, 0.0, 0.0),
    "sagittal": (0.0, -1.0, 0.0),
}
_UPWARD_RAS: dict[Orientation, PointRas] = {
    "axial": (0.0, 1.0, 0.0),
    "coronal": (0.0, 0.0, 1.0),
    "sagittal": (0.0, 0.0, 1.0),
}
"""Radiological convention, as Slicer's: the patient's right is at the left of the picture; in
sagittal planes the front is at the left."""

_MARGIN = 1.5
"""Field of view over the extent of what is shown."""

_PLANE_STEP_MM = 2.0
"""How finely the most telling plane is looked for."""

_SMALLEST_FIELD_OF_VIEW_MM = 40.0


class EdgeLetters(NamedTuple):
    """Patient directions at the edges of a picture."""

    left: str
    right: str
    top: str
    bottom: str


ANTERIOR_VIEW_LETTERS = EdgeLetters("R", "L", "S", "I")
"""Edges of a view from the front."""


@dataclass(frozen=True, kw_only=True)
class SlicePlane:
    """A square picture of a plane of the patient.

    Attributes:
        orientation: Which plane, in patient (not voxel) directions.
        centre_ras: Point at the middle of the picture.
        field_of_view_mm: Width and height of the picture.
        size_px: Width and height of the picture.
    """

    orientation: Orientation
    centre_ras: PointRas
    field_of_view_mm: float
    size_px: int

    @property
    def pixel_to_ras(self) -> Affine:
        """4x4 matrix from (column, row, 0, 1), row 0 at the top, to RAS."""
        pixel_mm = self.field_of_view_mm / self.size_px
        right = np.asarray(_RIGHTWARD_RAS[self.orientation])
        down = -np.asarray(_UPWARD_RAS[self.orientation])
        directions = np.column_stack([right, down, np.cross(right, down)])
        # As Slicer's slice nodes: pixel column 0 and the lowest row lie at the edges.
        half = self.field_of_view_mm / 2
        origin = np.asarray(self.centre_ras) - right * half - down * (half - pixel_mm)
        return affine_from((pixel_mm, pixel_mm, pixel_mm), directions, origin.tolist())

    @property
    def letters(self) -> EdgeLetters:
        """Patient directions at the edges."""
        right = _letter(_RIGHTWARD_RAS[self.orientation])
        top = _letter(_UPWARD_RAS[self.orientation])
        opposite = dict(zip("RLAPSI", "LRPAIS", strict=True))
        return EdgeLetters(opposite[right], right, top, opposite[top])

    def pixel_of(self, point_ras: Sequence[float]) -> tuple[int, int]:
        """Return (column, row) of the pixel nearest to a point."""
        column, row, *_ = np.linalg.inv(self.pixel_to_ras) @ np.array([*point_ras, 1.0])
        return round(float(column)), round(float(row))


def planes_through(
    centre_ras: PointRas, field_of_view_mm: float, size_px: int
) -> tuple[SlicePlane, ...]:
    """Return the axial, coronal and sagittal pictures through one point."""
    return tuple(
        SlicePlane(
            orientation=orientation,
            centre_ras=centre_ras,
            field_of_view_mm=field_of_view_mm,
            size_px=size_px,
        )
        for orientation in ORIENTATIONS
    )


def most_telling_point(labels: Volume) -> PointRas:
    """Return the point through which planes show most structures, each as large as can be.

    Along each patient axis the plane is taken that cuts the largest shares of the structures'
    largest sections; the square root of the shares makes many small sections count for more than
    few large ones. Without any structure it is the middle of the grid.
    """
    values = [value for value in np.unique(labels.array_kji) if value != 0]
    if not values:
        lower, upper = foreground_bounds_ras(labels)
        return _point(np.add(lower, upper) / 2)
    points = [
        _points_ras(labels, np.argwhere(labels.array_kji == value)).T for value in values
    ]  # for each structure, by patient axis
    return _point(
        np.array([_most_telling_offset(offsets) for offsets in zip(*points, strict=True)])
    )


def _most_telling_offset(offsets_mm: Sequence[NDArray[np.float64]]) -> float:
    """Return where along one axis structures, given by their voxels, are cut best."""
    low = min(float(values.min()) for values in offsets_mm)
    high = max(float(values.max()) for values in offsets_mm)
    bins = max(1, round((high - low) / _PLANE_STEP_MM))
    sections = np.stack(
        [np.histogram(values, bins, (low, high + 1e-3))[0] for values in offsets_mm]
    )
    smooth = np.apply_along_axis(np.convolve, 1, sections, np.ones(3) / 3, "same")
    score = np.sqrt(smooth / smooth.max(axis=1, keepdims=True)).mean(axis=0)
    best = np.flatnonzero(score >= score.max() - 1e-9)
    return low + (float(best[len(best) // 2]) + 0.5) * (high - low) / bins


def framing_mm(labels: Volume, centre_ras: PointRas) -> float:
    """Return the field of view around a point that holds all structures with a margin.

    Never more than the grid's largest extent; without any structure exactly that.
    """
    first, last = _bounds_ras(labels, _corners(labels))
    whole = float(np.subtract(last, first).max())
    if not labels.array_kji.any():
        return whole
    lower, upper = foreground_bounds_ras(labels)
    reach = np.maximum(np.subtract(upper, centre_ras), np.subtract(centre_ras, lower)).max()
    return min(max(2 * float(reach) * _MARGIN, _SMALLEST_FIELD_OF_VIEW_MM), whole)


def foreground_bounds_ras(labels: Volume) -> tuple[PointRas, PointRas]:
    """Return the smallest and largest R, A, S of voxel centres that are not 0 (of all, if none)."""
    inside_kji = np.argwhere(labels.array_kji != 0)
    return _bounds_ras(labels, inside_kji if len(inside_kji) else _corners(labels))


def _corners(grid: Volume) -> NDArray[np.int64]:
    """Return the indices (k, j, i) of the eight corner voxels."""
    corners: NDArray[np.int64] = np.argwhere(np.ones((2, 2, 2))) * (np.array(grid.shape_kji) - 1)
    return corners


def _bounds_ras(grid: Volume, index_kji: NDArray[np.int64]) -> tuple[PointRas, PointRas]:
    points = _points_ras(grid, index_kji)
    return _point(points.min(axis=0)), _point(points.max(axis=0))


def _points_ras(grid: Volume, index_kji: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the RAS points (n, 3) of voxels (n, 3)."""
    points: NDArray[np.float64] = (
        index_kji[:, ::-1] @ grid.affine_ras[:3, :3].T + grid.affine_ras[:3, 3]
    )
    return points


def _point(values: NDArray[np.float64]) -> PointRas:
    return float(values[0]), float(values[1]), float(values[2])


def _letter(direction_ras: PointRas) -> str:
    """Name a direction along a patient axis."""
    axis = int(np.abs(direction_ras).argmax())
    return ("RAS" if direction_ras[axis] > 0 else "LPI")[axis]
