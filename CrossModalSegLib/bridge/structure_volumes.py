"""How large each structure is, as values and as a table of the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.scene import import_vtk
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.bridge.volumes import place_beside
from CrossModalSegLib.core.tasks import Colour, Task
from CrossModalSegLib.core.volume import Volume

TABLE_ROLE = "CrossModalSeg.volumes"
"""Reference from a segmentation to its table."""

STRUCTURE, VOLUME, VOXELS = "Structure", "Volume (mL)", "Voxels"
IDENTIFIER, COLOUR = "Identifier", "Colour"
COLUMNS = (STRUCTURE, VOLUME, VOXELS, IDENTIFIER, COLOUR)
"""Names of the columns."""


@dataclass(frozen=True, kw_only=True)
class StructureVolume:
    """The size of one structure.

    Attributes:
        name: Identifier of the structure in its task.
        label: Name for people.
        colour: Red, green, blue, 0 to 255.
        voxels: Number of voxels.
        volume_ml: Volume in millilitres.
    """

    name: str
    label: str
    colour: Colour
    voxels: int
    volume_ml: float


def measure_structures(
    labels: Volume, task: Task, structures: Sequence[str] = ()
) -> tuple[StructureVolume, ...]:
    """Measure what a result shows.

    Args:
        labels: Values of the task's classes.
        task: Says which structures there are; nested ones are measured as a whole.
        structures: Names of those that are wanted; none given: all.
    """
    counts = np.bincount(labels.array_kji.ravel(), minlength=task.num_classes)
    measured = []
    for entry in structures_of(task):
        if structures and entry.name not in structures:
            continue
        voxels = int(counts[list(entry.values)].sum())
        measured.append(
            StructureVolume(
                name=entry.name,
                label=entry.label,
                colour=entry.colour,
                voxels=voxels,
                volume_ml=voxels * labels.voxel_ml,
            )
        )
    return tuple(measured)


def fill_table(table_node: Any, volumes: Sequence[StructureVolume], segmentation_node: Any) -> Any:
    """Write volumes into a table of the scene, in place of what it held.

    Args:
        table_node: The table; None: the one that the segmentation refers to, or else a new one.
        volumes: One a row.
        segmentation_node: What was measured; the table is named after it, stands beside it in the
            subject hierarchy, and is referred to by it.

    Returns:
        The table node.
    """
    scene = segmentation_node.GetScene()
    node = table_node or segmentation_node.GetNodeReference(TABLE_ROLE)
    if node is None:
        name = scene.GenerateUniqueName(f"{segmentation_node.GetName()} - volumes")
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
        place_beside(node, segmentation_node)
    segmentation_node.SetNodeReferenceID(TABLE_ROLE, node.GetID())
    node.SetAndObserveTable(_table(volumes))
    node.SetUseColumnTitleAsColumnHeader(True)  # noqa: FBT003  (VTK takes no names)
    node.SetColumnUnitLabel(VOLUME, "mL")
    node.Modified()
    return node


def read_table(table_node: Any) -> tuple[StructureVolume, ...]:
    """Return what `fill_table` wrote, also after the scene was saved and loaded.

    A table that users changed so that it is no longer ours gives nothing.
    """
    table = table_node.GetTable()
    if table is None or any(table.GetColumnByName(column) is None for column in COLUMNS):
        return ()
    try:
        return tuple(_read_row(table, row) for row in range(table.GetNumberOfRows()))
    except ValueError:
        return ()


def _table(volumes: Sequence[StructureVolume]) -> Any:
    vtk = import_vtk()
    columns: dict[str, tuple[Any, list[Any]]] = {
        STRUCTURE: (vtk.vtkStringArray(), [entry.label for entry in volumes]),
        VOLUME: (vtk.vtkDoubleArray(), [entry.volume_ml for entry in volumes]),
        VOXELS: (vtk.vtkIntArray(), [entry.voxels for entry in volumes]),
        IDENTIFIER: (vtk.vtkStringArray(), [entry.name for entry in volumes]),
        COLOUR: (vtk.vtkStringArray(), [_colour_text(entry.colour) for entry in volumes]),
    }
    table = vtk.vtkTable()
    for name, (array, values) in columns.items():
        array.SetName(name)
        for value in values:
            array.InsertNextValue(value)
        table.AddColumn(array)
    return table


def _read_row(table: Any, row: int) -> StructureVolume:
    # Not by variants: their text has six digits.
    texts = {column: str(table.GetColumnByName(column).GetValue(row)) for column in COLUMNS}
    red, green, blue = (int(part) for part in texts[COLOUR].split())
    return StructureVolume(
        name=texts[IDENTIFIER],
        label=texts[STRUCTURE],
        colour=(red, green, blue),
        voxels=int(float(texts[VOXELS])),
        volume_ml=float(texts[VOLUME]),
    )


def _colour_text(colour: Colour) -> str:
    """Return a colour as "192 104 88"; what begins with # is a remark in Slicer's table files."""
    return " ".join(str(part) for part in colour)
