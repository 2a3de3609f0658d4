"""From structure to structure: the slice in which most of one is seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_labels import REFERENCE, ComparisonLabels
from CrossModalSegLib.bridge.comparison.comparison_layout import Column
from CrossModalSegLib.bridge.planes import Orientation, PointRas
from CrossModalSegLib.bridge.volumes import matrix_from_vtk
from CrossModalSegLib.core.geometry import Affine
from CrossModalSegLib.core.volume import Volume

NORMALS_RAS: dict[Orientation, PointRas] = {
    "axial": (0.0, 0.0, 1.0),
    "coronal": (0.0, 1.0, 0.0),
    "sagittal": (1.0, 0.0, 0.0),
}


def structure_centre(
    comparison: Comparison, labels: ComparisonLabels, structure: str, orientation: Orientation
) -> PointRas | None:
    """Return the point to look at for a structure; None if nobody sees it.

    It lies in the slice in which the reference, or else all methods together, have most of the
    structure, and in the middle of what is there.

    Args:
        comparison: Whose methods are asked.
        labels: All sampled.
        structure: Name of the structure; "": everything.
        orientation: Of the slices.
    """
    counts = _votes(comparison, labels, structure)
    if not counts.any():
        return None
    return _widest_place(counts, labels.grid.affine_ras, orientation)


def next_structure(names: Sequence[str], present: str, step: int) -> str:
    """Return the name of the structure after (1) or before (-1) the present one, going round.

    Args:
        names: Of all structures.
        present: One of them, or "": before the first and after the last.
        step: 1 or -1.
    """
    if present not in names:
        return names[0] if step > 0 else names[-1]
    return names[(names.index(present) + step) % len(names)]


def jump_to(columns: Iterable[Column], point_ras: PointRas) -> None:
    """Let all slices go through a point; where it would be out of sight it gets into the middle."""
    for column in columns:
        node = column.slice_node
        node.JumpSliceByOffsetting(*point_ras)
        width, height, _ = node.GetDimensions()
        from_ras = np.linalg.inv(matrix_from_vtk(node.GetXYToRAS()))
        x, y = (from_ras @ (*point_ras, 1.0))[:2]
        if not (0 <= x < width and 0 <= y < height):
            node.JumpSliceByCentering(*point_ras)


def slice_point(grid: Volume, orientation: Orientation, index: int) -> PointRas:
    """Return the middle of a slice.

    Args:
        grid: Of the volume.
        orientation: Of the slices.
        index: Along the voxel axis that is nearest to their normal (`slice_axis`).
    """
    centre_ijk = (np.array(grid.shape_ijk) - 1) / 2
    centre_ijk[slice_axis(grid.affine_ras, orientation)] = index
    r, a, s = grid.affine_ras[:3, :3] @ centre_ijk + grid.affine_ras[:3, 3]
    return float(r), float(a), float(s)


def slice_axis(affine_ras: Affine, orientation: Orientation) -> int:
    """Return the voxel axis (0: i, 1: j, 2: k) that is nearest to the normal of slices."""
    columns = affine_ras[:3, :3] / np.linalg.norm(affine_ras[:3, :3], axis=0)
    return int(np.argmax(np.abs(np.asarray(NORMALS_RAS[orientation]) @ columns)))


def fit_to_volume(columns: Iterable[Column], volume: Any, *, stay: bool = False) -> None:
    """Show the whole of a volume in each slice, all at the same scale.

    Args:
        columns: The views.
        volume: Volume node.
        stay: Whether the slices stay where they are; otherwise they go to the volume's middle.
    """
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    for column in columns:
        node = column.slice_node
        width, height, _ = node.GetDimensions()
        if min(width, height) < 1:
            continue
        axes = matrix_from_vtk(node.GetSliceToRAS())[:3, :3]
        size_mm = np.abs(axes.T) @ (high - low)
        pixel_mm = max(size_mm[0] / width, size_mm[1] / height)
        depth_mm = node.GetFieldOfView()[2]
        node.SetFieldOfView(pixel_mm * width, pixel_mm * height, depth_mm)
        offset_mm = node.GetSliceOffset()
        node.JumpSliceByCentering(*((low + high) / 2))
        if stay:
            node.SetSliceOffset(offset_mm)


def _votes(
    comparison: Comparison, labels: ComparisonLabels, structure: str
) -> NDArray[np.integer[Any]]:
    """Return by how many a voxel is seen as the structure: of the reference if it has any."""
    if comparison.reference is not None:
        mask = _seen(labels, REFERENCE, structure)
        if mask.any():
            return mask.astype(np.uint8)
    votes = np.zeros(labels.grid.shape_kji, np.uint8)
    for shown in comparison.methods:
        votes += _seen(labels, shown.name, structure)
    return votes


def _seen(labels: ComparisonLabels, name: str, structure: str) -> NDArray[np.bool_]:
    return labels.mask(name, structure) if structure else labels.of(name) != 0


def _widest_place(
    counts: NDArray[np.integer[Any]], affine_ras: Affine, orientation: Orientation
) -> PointRas:
    axis_kji = 2 - slice_axis(affine_ras, orientation)
    others = tuple(axis for axis in range(3) if axis != axis_kji)
    per_slice = counts.sum(axis=others, dtype=np.int64)
    widest = int(np.argmax(per_slice))
    inside = np.argwhere(np.take(counts, widest, axis=axis_kji))
    index_kji = np.insert(inside.mean(axis=0), axis_kji, widest)
    r, a, s = affine_ras[:3, :3] @ index_kji[::-1] + affine_ras[:3, 3]
    return float(r), float(a), float(s)
