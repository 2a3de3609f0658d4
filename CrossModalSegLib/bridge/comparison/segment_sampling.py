"""A segment's voxels on the grid of a volume, without work where there is nothing."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.segments import oriented_image
from CrossModalSegLib.bridge.volumes import (
    image_to_array,
    matrix_from_vtk,
    matrix_to_vtk,
    world_matrix,
)
from CrossModalSegLib.core.geometry import Affine
from CrossModalSegLib.core.volume import Volume

TOLERANCE = 1e-3
"""Of voxels: by how much grids may differ that count as the same."""

Box = tuple[slice, slice, slice]
"""Part of an array (k, j, i)."""


def make_voxels(node: Any) -> None:
    """Let Slicer add voxels to a segmentation that has meshes alone, unless that was done."""
    binary = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if not node.GetSegmentation().ContainsRepresentation(binary):
        node.CreateBinaryLabelmapRepresentation()


def sample_segment(
    node: Any, segment_id: str, grid: Volume, labels: NDArray[np.uint8], value: int
) -> None:
    """Write `value` into `labels` wherever a segment is; nearest voxels count.

    Args:
        node: Segmentation node, under linear transforms or none.
        segment_id: Of the segment.
        grid: Place of `labels` in the world.
        labels: (k, j, i); changed.
        value: What is written.

    Raises:
        GeometryError: The node is under a transform that is not linear.
    """
    image = import_slicer().vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    if image.IsEmpty() or image.GetPointData().GetScalars() is None:
        return
    to_grid = np.linalg.inv(grid.affine_ras) @ world_matrix(node) @ _affine(image)
    if np.allclose(to_grid[:3, :3], np.eye(3), atol=TOLERANCE / max(grid.shape_kji)):
        first_ijk = np.array(image.GetExtent()[::2]) + to_grid[:3, 3]
        if np.abs(first_ijk - np.rint(first_ijk)).max() < TOLERANCE:
            _paste(image_to_array(image) != 0, np.rint(first_ijk).astype(int), labels, value)
            return
    _resample(image, node, grid, to_grid, labels, value)


def _paste(
    mask: NDArray[np.bool_], first_ijk: NDArray[Any], labels: NDArray[np.uint8], value: int
) -> None:
    """Write where a mask is, whose first voxel is `first_ijk` and which may stick out."""
    first = first_ijk[::-1]
    low = np.maximum(first, 0)
    high = np.minimum(first + mask.shape, labels.shape)
    if (low >= high).any():
        return
    there: Box = tuple(map(slice, low, high))  # type: ignore[assignment]  # of three
    here: Box = tuple(map(slice, low - first, high - first))  # type: ignore[assignment]
    labels[there][mask[here]] = value


def _resample(
    image: Any,
    node: Any,
    grid: Volume,
    to_grid: Affine,
    labels: NDArray[np.uint8],
    value: int,
) -> None:
    box = _reached(image, to_grid, labels.shape)
    if box is None:
        return
    slicer, vtk = import_slicer(), import_vtk()
    part_affine = grid.affine_ras.copy()
    first_ijk = [part.start for part in box[::-1]]
    part_affine[:3, 3] += grid.affine_ras[:3, :3] @ first_ijk
    part = Volume(np.zeros(labels[box].shape, np.uint8), part_affine)
    to_world = vtk.vtkTransform()
    to_world.SetMatrix(matrix_to_vtk(world_matrix(node)))
    sampled = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, oriented_image(part.array_kji, part), sampled, 0, 0, to_world
    )
    labels[box][image_to_array(sampled) != 0] = value


def _reached(image: Any, to_grid: Affine, shape_kji: tuple[int, ...]) -> Box | None:
    """Return the part of the grid that an image can touch."""
    ends = np.array(image.GetExtent(), float).reshape(3, 2) + (-0.5, 0.5)
    corners = np.array(list(itertools.product(*ends))) @ to_grid[:3, :3].T + to_grid[:3, 3]
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)[::-1]
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, shape_kji[::-1])[::-1]
    if (low >= high).any():
        return None
    k, j, i = map(slice, low.tolist(), high.tolist())
    return k, j, i


def _affine(image: Any) -> Affine:
    matrix = import_vtk().vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return matrix_from_vtk(matrix)
