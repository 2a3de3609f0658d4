"""Voxels within the contours of DICOM structure sets (RTSTRUCT), on the grid of their series.

A voxel belongs to a structure if its centre lies within the structure's contours in that slice, by
the even-odd rule: a contour within another is a hole, an island within the hole is filled again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import describe_grid, ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_files import dicom_dataset
from CrossModalSegLib.data.structures import Indices

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Polygon = NDArray[np.float64]
"""Corners (corner, 2) as (column, row), in pixels; the last is joined to the first."""

SAME_SLICE = 0.1
"""Share of the slices' distance by which a contour may lie beside its slice, through rounding."""

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_DECIMALS = 6
_MIN_CORNERS = 3


def contour_voxels(
    path: Path, numbers: Collection[int], grid: Volume
) -> Iterator[tuple[int, Indices]]:
    """Yield voxels of the structures `numbers`, slice by slice: the structure's number and indices.

    Args:
        path: A structure set.
        numbers: ROI numbers.
        grid: The series; its slices lie along the last axis, k.

    Raises:
        InputFileError: The file is damaged.
        GeometryError: A contour lies between the slices, across them, or outside the image.
    """
    height, width = grid.shape_kji[1:]
    with dicom_dataset(path) as dataset:
        for item in dataset.ROIContourSequence:
            number = int(item.ReferencedROINumber)
            if number not in numbers:
                continue
            for k, polygons in sorted(_polygons_by_slice(item, grid, path).items()):
                mask = even_odd_mask(polygons, (height, width))
                rows, columns = np.nonzero(mask)
                yield number, (np.full(rows.shape, k), rows, columns)


def contour_notes(path: Path, names: Mapping[int, str], grid: Volume) -> list[str]:
    """Return what users should know of the contours of some structures.

    Args:
        path: A structure set.
        names: By ROI number.
        grid: The series.

    Raises:
        InputFileError: The file is damaged.
        GeometryError: As `contour_voxels`.
    """
    notes = []
    with dicom_dataset(path) as dataset:
        for item in dataset.ROIContourSequence:
            name = names.get(int(item.ReferencedROINumber))
            if name is None:
                continue
            kinds = [contour.ContourGeometricType for contour in item.get("ContourSequence", ())]
            unclosed = sum(kind not in _CLOSED for kind in kinds)
            if unclosed:
                notes.append(f"{unclosed} contours of {name!r} are not closed and enclose nothing")
            drawn = _polygons_by_slice(item, grid, path)
            span = max(drawn) - min(drawn) + 1 if drawn else 0
            if span > len(drawn):
                notes.append(
                    f"{name!r} has contours in {len(drawn)} of the {span} slices from its first to "
                    "its last"
                )
    return notes


def even_odd_mask(polygons: Sequence[Polygon], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels (row, column) whose centre lies within an odd number of polygons.

    Pixel (row, column) has its centre there. A centre on an edge belongs to what lies right of it
    or below, so that polygons that share an edge share no pixel.
    """
    height, width = shape
    crossings = np.zeros((height, width + 1), np.int64)
    for polygon in polygons:
        x0, y0 = np.round(polygon, _DECIMALS).T  # rounding must not decide what is on an edge
        x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
        first = np.clip(np.ceil(np.minimum(y0, y1)), 0, height).astype(np.intp)
        stop = np.clip(np.ceil(np.maximum(y0, y1)), 0, height).astype(np.intp)
        counts = stop - first
        edge = np.repeat(np.arange(len(counts)), counts)
        rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
        slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
        x = np.round(x0[edge] + (rows - y0[edge]) * slope, _DECIMALS)
        np.add.at(crossings, (rows, np.clip(np.ceil(x), 0, width).astype(np.intp)), 1)
    return np.asarray(np.cumsum(crossings[:, :width], axis=1) % 2 == 1)


def _polygons_by_slice(roi: Dataset, grid: Volume, path: Path) -> dict[int, list[Polygon]]:
    """Return the closed contours of a structure by the index of their slice.

    Raises:
        GeometryError: One lies between the slices, across them, or outside the image.
    """
    to_index = np.linalg.inv(ras_to_lps(grid.affine_ras))
    found: dict[int, list[Polygon]] = defaultdict(list)
    for contour in roi.get("ContourSequence", ()):
        points_lps = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
        if contour.ContourGeometricType not in _CLOSED or len(points_lps) < _MIN_CORNERS:
            continue
        points = points_lps @ to_index[:3, :3].T + to_index[:3, 3]
        k = int(np.rint(np.median(points[:, 2])))
        beside = float(np.abs(points[:, 2] - k).max())
        if beside > SAME_SLICE:
            raise _misplaced(path, points, grid, f"{beside:.2f} slices beside the nearest slice")
        sizes = np.array(grid.shape_ijk)
        if (points.max(axis=0) < -0.5).any() or (points.min(axis=0) > sizes - 0.5).any():
            raise _misplaced(path, points, grid, "outside the image")
        found[k].append(points[:, :2])
    return found


def _misplaced(path: Path, points: NDArray[np.float64], grid: Volume, how: str) -> GeometryError:
    centre = ", ".join(f"{value:.1f}" for value in points.mean(axis=0))
    return GeometryError(
        f"{path}: a contour about voxel ({centre}) lies {how}, on a grid of {describe_grid(grid)}.",
        hint="Use the structure set with the series that it was drawn on.",
    )
