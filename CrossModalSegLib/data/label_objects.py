"""Label maps of DICOM segmentations and structure sets, by what their structures are called."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_contour_voxels import contour_notes, contour_voxels
from CrossModalSegLib.data.dicom_objects import SEGMENTATION, LabelObject, read_label_object
from CrossModalSegLib.data.dicom_segment_voxels import segmentation_notes, segmentation_voxels
from CrossModalSegLib.data.structures import (
    Indices,
    Membership,
    Structure,
    StructureNames,
    Values,
    describe_values,
)


@dataclass(frozen=True)
class ReadObjects:
    """What was read of the label objects of one case.

    Attributes:
        labels: On the grid of the image, with the task's values.
        unknown: Names of structures that the task does not have, which are background.
        notes: What users should know.
    """

    labels: Volume
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Drawn:
    """A structure that the task has, and the classes that it unites."""

    label_object: LabelObject
    structure: Structure
    values: Values


def read_label_objects(paths: Sequence[Path], grid: Volume, names: StructureNames) -> ReadObjects:
    """Read the structures of a task from label objects, all on one grid.

    Raises:
        InputFileError: A file is damaged.
        LabelError: The task has none of the structures, two files hold the same one, or
            structures overlap that are not nested.
        GeometryError: Structures do not lie on the grid.
    """
    drawn, unknown = _sorted_out(paths, names)
    membership = Membership(grid.shape_kji, [entry.values for entry in drawn])
    notes: list[str] = []
    for label_object in dict.fromkeys(entry.label_object for entry in drawn):
        parts = {
            e.structure.number: n for n, e in enumerate(drawn) if e.label_object == label_object
        }
        called = {number: drawn[part].structure.name for number, part in parts.items()}
        for number, where in _voxels(label_object, parts, grid):
            membership.add(parts[number], called[number], where)
        notes += _notes(label_object, called, grid)
    labels = grid.with_array(membership.labels(paths[0]))
    return ReadObjects(labels, tuple(unknown), tuple(notes))


def describe_objects(paths: Sequence[Path], names: StructureNames) -> str:
    """Say in one line what each structure is read as.

    Raises:
        InputFileError: A file is damaged.
        LabelError: Name and code of a structure contradict each other.
    """
    words = []
    for path in paths:
        for structure in read_label_object(path).structures:
            values = names.of(structure, path)
            words.append(f"{structure.name}={describe_values(values)}")
    return ", ".join(words)


def _sorted_out(paths: Sequence[Path], names: StructureNames) -> tuple[list[_Drawn], list[str]]:
    """Return the structures that the task has, and the names of the others."""
    drawn: list[_Drawn] = []
    unknown: list[str] = []
    for path in paths:
        label_object = read_label_object(path)
        for structure in label_object.structures:
            values = names.of(structure, path)
            if values is None:
                unknown.append(structure.name)
            elif values:
                drawn.append(_Drawn(label_object, structure, values))
    if not drawn:
        raise LabelError(
            f"{paths[0]} has the structures {', '.join(unknown) or '(none)'}; task "
            f"{names.task.name!r} has none of them, but {', '.join(names.expected)}.",
            hint="Say what is meant, e.g. --label-names 'LV=LVC'.",
        )
    _require_one_source(drawn)
    return drawn, unknown


def _require_one_source(drawn: Sequence[_Drawn]) -> None:
    """Refuse a structure that two files hold: two readers, or an older version."""
    first_of: dict[Values, LabelObject] = {}
    for entry in drawn:
        first, own = first_of.setdefault(entry.values, entry.label_object), entry.label_object
        if first != own:
            raise LabelError(
                f"{first.path} and {own.path.name} both hold {entry.structure.name!r}; nobody "
                "knows which one is meant.",
                hint="Keep one of the files, move the other away.",
            )


def _voxels(
    label_object: LabelObject, numbers: Collection[int], grid: Volume
) -> Iterator[tuple[int, Indices]]:
    is_segmentation = label_object.kind == SEGMENTATION
    read = segmentation_voxels if is_segmentation else contour_voxels
    return read(label_object.path, numbers, grid)


def _notes(label_object: LabelObject, names: dict[int, str], grid: Volume) -> list[str]:
    if label_object.kind == SEGMENTATION:
        return segmentation_notes(label_object.path)
    return contour_notes(label_object.path, names, grid)
