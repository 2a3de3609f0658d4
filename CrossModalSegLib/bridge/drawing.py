"""The same pictures as `views.py` without Slicer or OpenGL: plainer, but they work everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.planes import PointRas, SlicePlane
from CrossModalSegLib.core.tasks import Colour, Region
from CrossModalSegLib.core.volume import Volume

FILL_OPACITY = 0.35
OUTLINE_PX, REFERENCE_OUTLINE_PX = 2, 1
REFERENCE_COLOUR: Colour = (255, 255, 255)

_SKY_TOP, _SKY_BOTTOM = (116, 120, 190), (193, 195, 232)
"""Background of Slicer's 3D views."""

_RAY_STEPS = 128
_RAY_GRID_PX = 150
_DEPTH_SMOOTHING_PX = 2.5
_FILL_MARGIN = 1.2

Window = tuple[float, float]
"""Intensities shown as black and as white."""


def draw_slice(image: Volume, window: Window, plane: SlicePlane) -> NDArray[np.uint8]:
    """Draw a plane of a volume in shades of grey; outside the volume it is black."""
    low, high = window
    intensities = sample(image, plane_points_ras(plane), order=1, outside=low)
    grey = np.clip((intensities - low) / max(high - low, 1e-6), 0.0, 1.0) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def overlay_structures(
    picture: NDArray[np.uint8], labels: Volume, structures: Sequence[Region], plane: SlicePlane
) -> NDArray[np.uint8]:
    """Paint structures over a plane: filled and outlined in their colours."""
    values = sample(labels, plane_points_ras(plane), order=0, outside=0.0)
    painted = picture.astype(np.float64)
    for structure in structures:
        mask = np.isin(values, structure.values)
        colour = np.asarray(structure.colour, dtype=np.float64)
        painted[mask] = (1 - FILL_OPACITY) * painted[mask] + FILL_OPACITY * colour
        painted[_outline(mask, OUTLINE_PX)] = colour
    return painted.astype(np.uint8)


def overlay_outlines(
    picture: NDArray[np.uint8], labels: Volume, structures: Sequence[Region], plane: SlicePlane
) -> NDArray[np.uint8]:
    """Draw the outlines of structures in the colour of references."""
    values = sample(labels, plane_points_ras(plane), order=0, outside=0.0)
    painted = picture.copy()
    for structure in structures:
        mask = np.isin(values, structure.values)
        painted[_outline(mask, REFERENCE_OUTLINE_PX)] = REFERENCE_COLOUR
    return painted


def draw_surfaces(
    labels: Volume,
    structures: Sequence[Region],
    bounds_ras: tuple[PointRas, PointRas],
    size_px: int,
) -> NDArray[np.uint8]:
    """Draw what parallel rays from the front meet first, shaded by the slope of the surface."""
    from scipy import ndimage

    lower, upper = np.array(bounds_ras)
    centre, half = (lower + upper) / 2, (upper - lower) / 2
    reach = max(half[0], half[2], 1.0) * _FILL_MARGIN
    right, up = np.meshgrid(
        np.linspace(reach, -reach, _RAY_GRID_PX), np.linspace(reach, -reach, _RAY_GRID_PX)
    )
    front = np.linspace(half[1] + 1.0, -half[1] - 1.0, _RAY_STEPS)
    points = np.empty((_RAY_STEPS, _RAY_GRID_PX, _RAY_GRID_PX, 3))
    points[..., 0], points[..., 2] = centre[0] + right, centre[2] + up
    points[..., 1] = (centre[1] + front)[:, None, None]
    values = sample(labels, points, order=0, outside=0.0)

    met = values != 0
    first = met.argmax(axis=0)
    is_hit = met.any(axis=0)
    value = np.take_along_axis(values, first[None], axis=0)[0]
    # Smoothed over what is met alone, so that edges do not fall off into the background.
    weight = ndimage.gaussian_filter(is_hit.astype(np.float64), _DEPTH_SMOOTHING_PX)
    depth_mm = ndimage.gaussian_filter(np.where(is_hit, front[first], 0.0), _DEPTH_SMOOTHING_PX)
    slope = np.gradient(depth_mm / np.maximum(weight, 1e-6), 2 * reach / _RAY_GRID_PX)
    shade = 0.25 + 0.75 / np.sqrt(1 + slope[0] ** 2 + slope[1] ** 2)

    picture = _sky(_RAY_GRID_PX)
    for structure in reversed(structures):
        mask = is_hit & np.isin(value, structure.values)
        picture[mask] = np.asarray(structure.colour) * shade[mask, None]
    index = np.arange(size_px) * _RAY_GRID_PX // size_px
    return picture.astype(np.uint8)[np.ix_(index, index)]


def sample(
    volume: Volume, points_ras: NDArray[np.float64], *, order: Literal[0, 1], outside: float
) -> NDArray[np.float64]:
    """Interpolate a volume at points (..., 3); order 0 takes the nearest voxel, 1 is linear."""
    from scipy import ndimage

    ras_to_ijk = np.linalg.inv(volume.affine_ras)
    index_kji = (points_ras @ ras_to_ijk[:3, :3].T + ras_to_ijk[:3, 3])[..., ::-1]
    sampled: NDArray[np.float64] = ndimage.map_coordinates(
        volume.array_kji,
        np.moveaxis(index_kji, -1, 0),
        output=np.float64,
        order=order,
        mode="grid-constant",
        cval=outside,
    )
    return sampled


def plane_points_ras(plane: SlicePlane) -> NDArray[np.float64]:
    """Return the RAS point of each pixel, (row, column, 3)."""
    column, row = np.meshgrid(np.arange(plane.size_px), np.arange(plane.size_px))
    matrix = plane.pixel_to_ras
    points: NDArray[np.float64] = (
        column[..., None] * matrix[:3, 0] + row[..., None] * matrix[:3, 1] + matrix[:3, 3]
    )
    return points


def _outline(mask: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    inner: NDArray[np.bool_] = ndimage.binary_erosion(mask, iterations=width_px, border_value=1)
    return mask & ~inner


def _sky(size_px: int) -> NDArray[np.float64]:
    """Return Slicer's 3D background, from top to bottom."""
    share = np.linspace(0.0, 1.0, size_px)[:, None]
    column = (1 - share) * np.asarray(_SKY_TOP) + share * np.asarray(_SKY_BOTTOM)
    return np.repeat(column[:, None, :], size_px, axis=1)
