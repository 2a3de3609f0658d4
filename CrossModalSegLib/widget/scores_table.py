"""The table of scores of the Compare page, sorted by a press on a heading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from CrossModalSegLib.bridge.comparison.score_table import (
    ScoreColumn,
    ScoreRow,
    columns_for,
    sorted_rows,
)


class ScoresTable:
    """Shows a row for each method and structure.

    Args:
        table: A table widget.
        on_sort: Called when the order has changed.
        on_open: Called when the user double-clicks a row.
        on_select: Called when another row was selected.
    """

    def __init__(
        self,
        table: Any,
        *,
        on_sort: Callable[[], None],
        on_open: Callable[[ScoreRow], None],
        on_select: Callable[[], None],
    ) -> None:
        self.rows: list[ScoreRow] = []
        """As they are shown."""
        self._table = table
        self._on_sort, self._on_open = on_sort, on_open
        self._measured: Sequence[ScoreRow] = ()
        self._columns: tuple[ScoreColumn, ...] = ()
        self._sorted_by: tuple[str, bool] = ("", False)
        header = table.horizontalHeader()
        header.setSectionsClickable(True)
        header.sectionClicked.connect(self._sort)
        table.itemDoubleClicked.connect(self._open)
        table.itemSelectionChanged.connect(on_select)

    @property
    def selected(self) -> ScoreRow | None:
        """The selected row."""
        found = self._table.selectionModel().selectedRows()
        row = found[0].row() if found else -1
        return self.rows[row] if 0 <= row < len(self.rows) else None

    def show(self, rows: Sequence[ScoreRow]) -> None:
        """Show other rows, in the order that was chosen before."""
        self._measured = rows
        self._columns = columns_for(rows)
        self._table.setColumnCount(len(self._columns))
        self._table.setHorizontalHeaderLabels([column.title for column in self._columns])
        self._order()

    def _sort(self, index: int) -> None:
        """Sort by a column; the best first at the first press, turned round at the second."""
        column = self._columns[index]
        name, descending = self._sorted_by
        first = column.name == "dice"
        self._sorted_by = (column.name, not descending if name == column.name else first)
        self._order()
        self._on_sort()

    def _order(self) -> None:
        name, descending = self._sorted_by
        names = [column.name for column in self._columns]
        header = self._table.horizontalHeader()
        header.setSortIndicatorShown(name in names)
        self.rows = list(self._measured)
        if name in names:
            index = names.index(name)
            order = qt.Qt.DescendingOrder if descending else qt.Qt.AscendingOrder
            header.setSortIndicator(index, order)
            self.rows = sorted_rows(self._measured, self._columns[index], descending=descending)
        self._fill()

    def _fill(self) -> None:
        table = self._table
        table.clearSelection()
        self._fit(qt.QHeaderView.Interactive)  # else it is done for each cell
        table.setRowCount(len(self.rows))
        for index, row in enumerate(self.rows):
            for number, column in enumerate(self._columns):
                item = qt.QTableWidgetItem(column.text(row) or "-")
                if column.decimals is not None:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(index, number, item)
        self._fit(qt.QHeaderView.ResizeToContents)

    def _fit(self, mode: int) -> None:
        for number in range(len(self._columns)):
            self._table.horizontalHeader().setSectionResizeMode(number, mode)

    def _open(self, item: Any) -> None:
        row = item.row()
        if 0 <= row < len(self.rows):
            self._on_open(self.rows[row])
