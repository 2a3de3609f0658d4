"""Scores of methods on volumes as rows, sorted as users like, and as a table of the scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from CrossModalSegLib.bridge.scene import import_vtk
from CrossModalSegLib.bridge.volumes import place_beside

TABLE_ROLE = "CrossModalSeg.scores"
"""Reference from a volume to the table of scores of methods on it."""


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """What one method made of one structure of one volume.

    Attributes:
        case: Name of the volume among files.
        scan: Name of the volume for people.
        method: Name of the method among files.
        label: Name of the method for people.
        structure: Name of a region of the task.
        structure_label: The same for people.
        volume_ml: Size of what the method found.
        dice: 0 to 1; None, as the others: undefined, or there is no reference.
        hd95_mm: Larger of the two directed 95th percentiles of surface distances.
        assd_mm: Mean of the two directed mean surface distances.
        reference_volume_ml: Size of the structure in the reference.
    """

    case: str
    scan: str
    method: str
    label: str
    structure: str
    structure_label: str
    volume_ml: float
    dice: float | None = None
    hd95_mm: float | None = None
    assd_mm: float | None = None
    reference_volume_ml: float | None = None


class ScoreColumn(NamedTuple):
    """One column of the table.

    Attributes:
        name: Identifier.
        title: Heading.
        value: What a row has there: a text, or a number in the shown unit, or None.
        decimals: Of numbers; None: these are texts.
        unit: Of numbers.
        needs_reference: Whether there is nothing to show without one.
    """

    name: str
    title: str
    value: Callable[[ScoreRow], str | float | None]
    decimals: int | None = None
    unit: str = ""
    needs_reference: bool = False

    def text(self, row: ScoreRow) -> str:
        """Return what people read; "" where nothing is defined."""
        value = self.value(row)
        if value is None:
            return ""
        return str(value) if self.decimals is None else f"{value:.{self.decimals}f}"


COLUMNS = (
    ScoreColumn("scan", "Scan", lambda row: row.scan),
    ScoreColumn("method", "Method", lambda row: row.label),
    ScoreColumn("structure", "Structure", lambda row: row.structure_label),
    ScoreColumn(
        "dice",
        "Dice (%)",
        lambda row: None if row.dice is None else 100 * row.dice,
        decimals=1,
        unit="%",
        needs_reference=True,
    ),
    ScoreColumn("hd95_mm", "HD95 (mm)", lambda row: row.hd95_mm, 2, "mm", needs_reference=True),
    ScoreColumn("assd_mm", "ASSD (mm)", lambda row: row.assd_mm, 2, "mm", needs_reference=True),
    ScoreColumn("volume_ml", "Volume (mL)", lambda row: row.volume_ml, 2, "mL"),
    ScoreColumn(
        "reference_volume_ml",
        "Reference (mL)",
        lambda row: row.reference_volume_ml,
        decimals=2,
        unit="mL",
        needs_reference=True,
    ),
)


def columns_for(rows: Sequence[ScoreRow]) -> tuple[ScoreColumn, ...]:
    """Return the columns that rows need: not those of references where there is none.

    The scan is named where there are several.
    """
    has_reference = any(row.reference_volume_ml is not None for row in rows)
    is_one = len({row.case for row in rows}) <= 1
    return tuple(
        column
        for column in COLUMNS
        if (has_reference or not column.needs_reference) and not (is_one and column.name == "scan")
    )


def sorted_rows(
    rows: Sequence[ScoreRow], column: ScoreColumn, *, descending: bool = False
) -> list[ScoreRow]:
    """Return rows in the order of a column; equal ones stay as they are, undefined come last."""
    defined = [row for row in rows if column.value(row) is not None]
    undefined = [row for row in rows if column.value(row) is None]
    if column.decimals is None:
        defined.sort(key=lambda row: str(column.value(row)).casefold(), reverse=descending)
    else:
        defined.sort(key=lambda row: float(column.value(row) or 0), reverse=descending)
    return [*defined, *undefined]


def fill_table(rows: Sequence[ScoreRow], volume_node: Any, name: str) -> Any:
    """Write rows into a table of the scene, in place of what an earlier one of the volume held.

    Args:
        rows: In their order; undefined numbers become NaN.
        volume_node: Refers to the table, which stands beside it in the subject hierarchy.
        name: Of a new table.

    Returns:
        The `vtkMRMLTableNode`.
    """
    scene = volume_node.GetScene()
    node = volume_node.GetNodeReference(TABLE_ROLE)
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(name))
        volume_node.SetNodeReferenceID(TABLE_ROLE, node.GetID())
        place_beside(node, volume_node)
    columns = columns_for(rows)
    node.SetAndObserveTable(_table(rows, columns))
    node.SetUseColumnTitleAsColumnHeader(True)  # noqa: FBT003  (VTK takes no names)
    for column in columns:
        if column.unit:
            node.SetColumnUnitLabel(column.title, column.unit)
    node.Modified()
    return node


def _table(rows: Sequence[ScoreRow], columns: Sequence[ScoreColumn]) -> Any:
    vtk = import_vtk()
    table = vtk.vtkTable()
    for column in columns:
        is_text = column.decimals is None
        array = vtk.vtkStringArray() if is_text else vtk.vtkDoubleArray()
        array.SetName(column.title)
        for row in rows:
            value = column.value(row)
            array.InsertNextValue(math.nan if value is None else value)
        table.AddColumn(array)
    return table
