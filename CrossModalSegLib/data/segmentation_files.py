"""Segmentations as files: Slicer's `.seg.nrrd` with names, colours and codes, or label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, InputFileError, LabelError
from CrossModalSegLib.core.geometry import GRID_TOLERANCE_MM, describe_grid
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.tasks import Region, StructureClass, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.itk_reading import affine_of, read_itk_image
from CrossModalSegLib.data.slicer_segments import Segment, read_segments, segmentation_fields
from CrossModalSegLib.data.structures import Membership, StructureNames, Values, describe_values
from CrossModalSegLib.data.volume_encoding import write_nrrd_layers
from CrossModalSegLib.data.volume_files import (
    new_file,
    read_labels,
    require_known_labels,
    write_volume,
)


def write_segmentation(
    labels: Volume,
    task: Task,
    path: Path | str,
    *,
    structures: Sequence[Region] | None = None,
    overwrite: bool = False,
) -> None:
    """Write labels of a task by the ending of `path`.

    `.seg.nrrd` holds one segment a class, or, where the task's regions are nested, one a region,
    in overlapping layers; every other ending gives a label map.

    Args:
        labels: Values of the task's classes.
        task: Its names, colours and codes are those of the segments.
        path: The file.
        structures: Those that `.seg.nrrd` holds instead, each a layer of its own.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        LabelError: A value is not one of the task's.
        InputFileError: The ending is not known.
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    path = Path(path)
    values = np.asarray(labels.array_kji)
    require_known_labels(values, task, path)
    labels = labels.with_array(values.astype(np.uint8))
    if volume_suffix(path) != ".seg.nrrd":
        write_volume(labels, path, overwrite=overwrite)
        return
    if structures is None and not task.nested:
        segments, array = _flat(labels, task)
    else:
        segments, array = _layered(labels, task.regions if structures is None else structures)
    fields = segmentation_fields(segments, labels)
    with new_file(path, overwrite=overwrite) as temporary:
        write_nrrd_layers(array, labels.affine_ras, temporary, fields)


def read_segmentation(
    path: Path | str,
    task: Task,
    *,
    grid: Volume | None = None,
    label_names: Mapping[str, str] | None = None,
) -> Volume:
    """Read labels of a task from a `.seg.nrrd` (also one that Slicer saved) or a label map.

    Args:
        path: The file.
        task: Its classes and regions are found by the segments' IDs or names, in any order.
        grid: Slicer crops a segmentation to what it holds; give the image's grid to have the
            rest filled with background.
        label_names: Names of segments and the class or region that is meant, "" for none.

    Raises:
        InputFileError: The file cannot be read.
        LabelError: A segment or value is unknown to the task, or segments contradict each other.
        GeometryError: The segmentation does not lie on `grid`.
    """
    path = Path(path)
    if volume_suffix(path) != ".seg.nrrd":
        labels = read_labels(path, task=task)
    else:
        labels = _read_segments(path, StructureNames(task, label_names))
    return labels if grid is None else _placed(labels, grid, path)


def describe_segments(path: Path, names: StructureNames) -> str:
    """Say in one line what each segment of a `.seg.nrrd` is read as.

    Raises:
        InputFileError: The file cannot be read.
    """
    image = read_itk_image(path)
    segments = read_segments({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()})
    return ", ".join(
        f"{segment.name}={describe_values(names.of_name(segment.identifier, segment.name))}"
        for segment in segments
    )


def _flat(labels: Volume, task: Task) -> tuple[list[Segment], NDArray[np.uint8]]:
    segments = [_segment(entry, entry.value, 0) for entry in task.classes]
    return segments, labels.array_kji


def _layered(
    labels: Volume, structures: Sequence[Region]
) -> tuple[list[Segment], NDArray[np.uint8]]:
    segments = [_segment(entry, 1, layer) for layer, entry in enumerate(structures)]
    layers = [np.isin(labels.array_kji, entry.values) for entry in structures]
    return segments, np.stack(layers, axis=-1).astype(np.uint8)


def _segment(structure: StructureClass | Region, label_value: int, layer: int) -> Segment:
    return Segment(
        identifier=structure.name,
        name=structure.label,
        colour=structure.colour,
        label_value=label_value,
        layer=layer,
        terminology=structure.terminology,
    )


def _read_segments(path: Path, names: StructureNames) -> Volume:
    image = read_itk_image(path)
    segments = read_segments({key: image.GetMetaData(key) for key in image.GetMetaDataKeys()})
    if not segments:
        raise InputFileError(
            f"{path} describes no segments, expected a segmentation of Slicer.",
            hint="If it is a label map, let its name end in .nrrd alone.",
        )
    if image.GetDimension() != 3:
        raise InputFileError(
            f"{path} is {image.GetDimension()}-D, expected layers of one 3-D volume.",
            hint="Save the segmentation with Slicer again.",
        )
    array = SimpleITK.GetArrayViewFromImage(image)
    layers = array if array.ndim == 4 else array[..., np.newaxis]
    labels = _labels_of(layers, segments, names, path)
    return Volume(labels, affine_of(image, path))


def _labels_of(
    layers: NDArray[np.integer], segments: Sequence[Segment], names: StructureNames, path: Path
) -> NDArray[np.uint8]:
    """Return the class of each voxel: the one in all segments that hold it and in no other."""
    values = [_values_of(segment, names, path) for segment in segments]
    meant = [segment for segment, part in zip(segments, values, strict=True) if part]
    membership = Membership(layers.shape[:3], [part for part in values if part])
    for part, segment in enumerate(meant):
        if segment.layer >= layers.shape[3]:
            raise InputFileError(
                f"{path} has {layers.shape[3]} layers, but segment {segment.name!r} is in layer "
                f"{segment.layer}.",
                hint="Save the segmentation with Slicer again.",
            )
        membership.add(part, segment.name, layers[..., segment.layer] == segment.label_value)
    return membership.labels(path)


def _values_of(segment: Segment, names: StructureNames, path: Path) -> Values:
    """Return the classes that a segment unites, by its ID or else its name."""
    values = names.of_name(segment.identifier, segment.name)
    if values is not None:
        return values
    raise LabelError(
        f"{path} has a segment {segment.name!r}, which task {names.task.name!r} does not know; "
        f"expected some of {', '.join(names.expected)}.",
        hint="Rename or remove the segment, or choose the task that it was made for.",
    )


def _placed(labels: Volume, grid: Volume, path: Path) -> Volume:
    """Put labels on a larger grid with the same voxels."""
    to_grid = np.linalg.inv(grid.affine_ras) @ labels.affine_ras
    start = np.rint(to_grid[:3, 3]).astype(int)
    moved = np.eye(4)
    moved[:3, 3] = start
    corners = np.array([[0, 0, 0, 1], [*(n - 1 for n in labels.shape_ijk), 1]]).T
    distance_mm = np.abs((grid.affine_ras @ moved - labels.affine_ras) @ corners).max()
    end = start + labels.shape_ijk
    if distance_mm > GRID_TOLERANCE_MM or (start < 0).any() or (end > grid.shape_ijk).any():
        raise GeometryError(
            f"{path} does not lie on the image's grid: {describe_grid(labels)} against "
            f"{describe_grid(grid)}.",
            hint="In Slicer, set the image as the segmentation's source geometry and save again.",
        )
    placed = np.zeros(grid.shape_kji, np.uint8)
    box = tuple(slice(first, last) for first, last in zip(start[::-1], end[::-1], strict=True))
    placed[box] = labels.array_kji
    return Volume(placed, grid.affine_ras)
