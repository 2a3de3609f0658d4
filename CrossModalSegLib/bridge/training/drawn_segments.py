"""Segments of a segmentation node on the grid of a volume, as a file that names them.

Voxels are taken out of the node on the thread that owns the scene; to sample and write them takes
longer and needs nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.volumes import image_to_array, matrix_from_vtk, world_matrix
from CrossModalSegLib.core.geometry import Affine
from CrossModalSegLib.core.tasks import Colour
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.slicer_segments import Segment, segmentation_fields
from CrossModalSegLib.data.volume_encoding import write_nrrd_layers

MAX_IN_LAYER = 255
"""Label values that a layer has beside background."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class DrawnSegment:
    """One segment, cropped.

    Attributes:
        identifier: In its segmentation.
        name: What people read.
        colour: Red, green, blue, 0 to 255.
        mask: (k, j, i); None if the segment is empty.
        affine_ras: From the mask's index (i, j, k) to the world.
    """

    identifier: str
    name: str
    colour: Colour
    mask: NDArray[np.bool_] | None
    affine_ras: Affine


def copy_segment(node: Any, segment_id: str) -> DrawnSegment:
    """Copy a segment out of a segmentation node; the node stays as it is.

    Raises:
        GeometryError: The node is under a transform that is not linear.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    red, green, blue = (round(255 * part) for part in segment.GetColor())
    image = import_slicer().vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    mask, affine = None, np.eye(4)
    if not image.IsEmpty() and image.GetPointData().GetScalars() is not None:
        first = np.eye(4)
        first[:3, 3] = image.GetExtent()[::2]
        matrix = import_vtk().vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        affine = world_matrix(node) @ matrix_from_vtk(matrix) @ first
        mask = image_to_array(image) != 0
    name = str(segment.GetName() or segment_id)
    return DrawnSegment(segment_id, name, (red, green, blue), mask, affine)


def write_drawn(segments: Sequence[DrawnSegment], grid: Volume, path: Path) -> None:
    """Write segments on a grid as `.seg.nrrd`; those that overlap get layers of their own.

    Args:
        segments: With empty ones, which stay empty.
        grid: Of the volume that they belong to.
        path: The file.

    Raises:
        OSError: The disk is full or not writable.
    """
    layers: list[NDArray[np.uint8]] = []
    values: list[int] = []
    described = []
    for segment in segments:
        box, mask = sample_mask(segment, grid)
        is_free = (
            v < MAX_IN_LAYER and not a[box][mask].any() for v, a in zip(values, layers, strict=True)
        )
        layer = next((number for number, free in enumerate(is_free) if free), len(layers))
        if layer == len(layers):
            layers.append(np.zeros(grid.shape_kji, np.uint8))
            values.append(0)
        values[layer] += 1
        layers[layer][box][mask] = values[layer]
        described.append(
            Segment(
                identifier=segment.identifier,
                name=segment.name,
                colour=segment.colour,
                label_value=values[layer],
                layer=layer,
            )
        )
    array = layers[0] if len(layers) == 1 else np.stack(layers, axis=-1)
    fields = segmentation_fields(described, grid)
    write_nrrd_layers(array, grid.affine_ras, path, fields, compressed=False)


def sample_mask(segment: DrawnSegment, grid: Volume) -> tuple[Box, NDArray[np.bool_]]:
    """Sample a segment at the centres of a grid's voxels, in the box that can hold it.

    Returns:
        The box (k, j, i), and the voxels in it.
    """
    nothing: Box = (slice(0, 0), slice(0, 0), slice(0, 0))
    if segment.mask is None or not segment.mask.any():
        return nothing, np.zeros((0, 0, 0), bool)
    to_mask: Affine = np.linalg.inv(segment.affine_ras) @ grid.affine_ras
    to_grid: Affine = np.linalg.inv(grid.affine_ras) @ segment.affine_ras
    box = _box_of(segment.mask.shape, to_grid, grid)
    sampled = np.zeros([part.stop - part.start for part in box], bool)
    j, i = np.ogrid[box[1], box[2]]
    for plane, k in enumerate(range(box[0].start, box[0].stop)):
        index_ijk = [
            np.floor(row[0] * i + row[1] * j + (row[2] * k + row[3] + 0.5)) for row in to_mask[:3]
        ]
        sampled[plane] = _looked_up(segment.mask, index_ijk)
    return box, sampled


def _looked_up(mask: NDArray[np.bool_], index_ijk: list[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return the mask at indices; background outside of it."""
    index_kji = [axis.astype(np.intp) for axis in index_ijk[::-1]]
    inside = np.ones(np.broadcast_shapes(*(axis.shape for axis in index_kji)), bool)
    for axis, size in zip(index_kji, mask.shape, strict=True):
        inside &= (axis >= 0) & (axis < size)
    clipped = [axis.clip(0, n - 1) for axis, n in zip(index_kji, mask.shape, strict=True)]
    found: NDArray[np.bool_] = mask[tuple(clipped)] & inside
    return found


def _box_of(shape_kji: tuple[int, ...], to_grid: Affine, grid: Volume) -> Box:
    """Return the part of a grid that a mask's voxels, with their borders, can lie in."""
    ends = [(-0.5, size - 0.5) for size in shape_kji[::-1]]
    corners = np.array([[*corner, 1.0] for corner in product(*ends)]).T
    reached = (to_grid @ corners)[:3]
    low = np.floor(reached.min(axis=1)).astype(int)
    high = np.ceil(reached.max(axis=1)).astype(int) + 1
    bounds = zip(low, high, grid.shape_ijk, strict=True)
    parts = [slice(max(0, int(a)), max(0, int(a), min(n, int(b)))) for a, b, n in bounds]
    return parts[2], parts[1], parts[0]
