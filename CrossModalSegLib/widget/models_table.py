"""The table of the Models page."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import qt

from CrossModalSegLib.bridge.model_catalogue import ModelCard

_TITLE, _NUMERIC = 0, (4, 5)
_WIDTHS_PX = {1: 90, 2: 72, 3: 78}
"""Of columns whose text is wrapped; users can drag them."""

_NUMERIC_PX = 48
"""About what a column of numbers needs."""

_TITLE_LEAST_PX, _TITLE_PX = 96, 170
"""Below the first the table scrolls, and titles get the second."""


class ModelsTable:
    """Shows a model in each row, one of them selected.

    Args:
        table: A table widget with six columns.
        on_select: Called when the user has selected another model.
    """

    def __init__(self, table: Any, on_select: Callable[[], None]) -> None:
        self._table = table
        self._cards: Sequence[ModelCard] = ()
        self._on_select = on_select
        self._is_filling = False
        for column, width_px in _WIDTHS_PX.items():
            table.setColumnWidth(column, width_px)
        table.setColumnWidth(_TITLE, _TITLE_PX)
        table.itemSelectionChanged.connect(self._select)

    @property
    def selected_name(self) -> str:
        """Name of the selected model, or ""."""
        rows = self._table.selectionModel().selectedRows()
        row = rows[0].row() if rows else -1
        return self._cards[row].name if 0 <= row < len(self._cards) else ""

    def show(self, cards: Sequence[ModelCard], selected: str) -> None:
        """Fill the table and select a model, or the first one if that is not there."""
        names = [card.name for card in cards]
        self._is_filling = True
        if not _are_the_same(cards, self._cards):
            self._fit_to_contents(qt.QHeaderView.Interactive)  # else it is done for each cell
            self._table.setRowCount(len(cards))
            for row, card in enumerate(cards):
                self._fill(row, card)
            self._fit_to_contents(qt.QHeaderView.ResizeToContents)
        self._cards = cards
        if cards:
            self._table.selectRow(names.index(selected) if selected in names else 0)
        self._is_filling = False
        self._share_width()

    def _fit_to_contents(self, mode: int) -> None:
        self._table.verticalHeader().setSectionResizeMode(mode)
        for column in _NUMERIC:
            self._table.horizontalHeader().setSectionResizeMode(column, mode)

    def _share_width(self) -> None:
        """Give titles the width that is left; where there is too little, let the table scroll."""
        header = self._table.horizontalHeader()
        others_px = sum(_WIDTHS_PX.values()) + _NUMERIC_PX * len(_NUMERIC)
        if self._table.viewport().width >= _TITLE_LEAST_PX + others_px:
            header.setSectionResizeMode(_TITLE, qt.QHeaderView.Stretch)
            return
        if header.sectionResizeMode(_TITLE) == qt.QHeaderView.Stretch:
            header.setSectionResizeMode(_TITLE, qt.QHeaderView.Interactive)
            self._table.setColumnWidth(_TITLE, _TITLE_PX)

    def _select(self) -> None:
        if not self._is_filling:
            self._on_select()

    def _fill(self, row: int, card: ModelCard) -> None:
        texts = (
            card.title,
            card.task_text,
            card.adaptation,
            card.method,
            card.short_score,
            card.size_text,
        )
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            if column in _NUMERIC:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            item.setToolTip(_tool_tip(card))
            self._table.setItem(row, column, item)


def _are_the_same(cards: Sequence[ModelCard], others: Sequence[ModelCard]) -> bool:
    """Tell whether the same cards are listed; the catalogue makes new ones when files changed."""
    return len(cards) == len(others) and all(map(operator.is_, cards, others))


def _tool_tip(card: ModelCard) -> str:
    """Return a tooltip; escaped, since Qt would take markup in a model's title for its own."""
    lines = [card.title, card.name, card.adaptation, card.scores_text, card.problem]
    shown = dict.fromkeys(line for line in lines if line)
    return f"<p>{'<br>'.join(map(escape, shown))}</p>"
