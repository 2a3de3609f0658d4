"""The table of runs on the Train page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.run_entry import RunEntry

_NUMERIC = (3, 4)
_WIDTHS_PX = {0: 150, 1: 104, 2: 96, 3: 52, 4: 66}
"""Of columns; users can drag them, and the name takes what is left."""

Texts = tuple[str, ...]


class RunsTable:
    """Shows a run in each row, one of them selected; the selection follows its run.

    Args:
        table: A table widget with five columns.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self._names: tuple[str, ...] = ()
        self._shown: tuple[Texts, ...] = ()
        for column, width_px in _WIDTHS_PX.items():
            table.setColumnWidth(column, width_px)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)

    @property
    def selected_name(self) -> str:
        """Name of the selected run, or ""."""
        rows = self._table.selectionModel().selectedRows()
        row = rows[0].row() if rows else -1
        return self._names[row] if 0 <= row < len(self._names) else ""

    def show(self, entries: Sequence[RunEntry], selected: str) -> None:
        """Fill the table and select a run, or the first one if that is not there.

        Cells that say what they said are left alone, so that reading on is not disturbed.
        """
        texts = tuple(_texts(entry) for entry in entries)
        if len(texts) != len(self._shown):
            self._table.setRowCount(len(texts))
        for row, cells in enumerate(texts):
            if row >= len(self._shown) or self._shown[row] != cells:
                self._fill(row, cells)
        self._shown = texts
        self._names = tuple(entry.name for entry in entries)
        if self._names and self.selected_name != selected:
            self._table.selectRow(self._names.index(selected) if selected in self._names else 0)

    def _fill(self, row: int, cells: Texts) -> None:
        *shown, tip = cells
        for column, text in enumerate(shown):
            item = qt.QTableWidgetItem(text)
            if column in _NUMERIC:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(tip)
            self._table.setItem(row, column, item)


def _texts(entry: RunEntry) -> Texts:
    said = "" if entry.last is None else f"<br>{escape(entry.last.message)}"
    tip = f"<b>{escape(entry.name)}</b><br>{escape(_(entry.state_text))}{said}"
    return entry.name, entry.state_text, entry.method, entry.score_text, entry.size_text, tip
