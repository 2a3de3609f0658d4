"""What was found out about the data of one domain: table, findings, contact sheet."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.data_choice import Role
from CrossModalSegLib.bridge.training.data_summary import CaseRow, DataFinding
from CrossModalSegLib.bridge.training.training_data import DomainState

MAX_ROWS = 200
"""In the table; those with findings come first."""

FILL_SECONDS = 0.03
"""For a part of the table."""

MAX_FINDINGS = 12

PICTURE_PX = 430
"""Width of the contact sheet, at most: about that of Slicer's module panel."""

_WIDTHS_PX = (104, 68, 72, 84, 62)
"""Of all columns but the last; users can drag them."""

_LONG = (0, 4, 5)
"""Columns whose text may be longer than there is room for."""

_OFTEN_EMPTY = (1, 4, 5)
"""Columns that give their room to others when there is nothing in them."""


class DomainResults:
    """Widgets of one tab whose names begin with the domain's role.

    Args:
        ui: Widgets of TrainDataPanel.ui.
        role: Which domain.
    """

    def __init__(self, ui: Any, role: Role) -> None:
        self._ui = ui
        self._role = role
        self._shown: DomainState | None = None
        self._waiting: deque[tuple[int, CaseRow]] = deque()
        table = self._widget("Table")
        for column, width_px in enumerate(_WIDTHS_PX):
            table.setColumnWidth(column, width_px)
        self._widget("PictureButton").clicked.connect(self._open_picture)
        self._widget("RevealButton").clicked.connect(self._open_folder)
        self.show(DomainState())

    def show(self, state: DomainState) -> None:
        """Show what is known of the domain."""
        if state is self._shown:
            return
        self._shown = state
        summary = state.summary
        title = summary.title if summary is not None else _("Nothing was checked yet.")
        self._widget("TitleLabel").setText(title)
        findings = summary.findings if summary is not None else ()
        show_findings(self._widget("FindingsLabel"), findings)
        rows = sorted(summary.rows if summary is not None else (), key=_order)
        self._widget("Table").setVisible(bool(rows))
        self._fill(rows[:MAX_ROWS])
        more = len(rows) - MAX_ROWS
        self._widget("MoreLabel").setVisible(more > 0)
        self._widget("MoreLabel").setText(_("{count} more cases.").format(count=more))
        self._show_picture(state)

    def close(self) -> None:
        """Fill the table no further."""
        self._waiting.clear()

    def _fill(self, rows: Sequence[CaseRow]) -> None:
        """Fill the table, a part at a time: cells are made one by one."""
        table = self._widget("Table")
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.Interactive)
        table.clearContents()
        table.setRowCount(len(rows))
        for column in _OFTEN_EMPTY:
            is_empty = not any(_texts(row)[column] for row in rows)
            table.setColumnHidden(column, is_empty)
        is_scheduled = bool(self._waiting)
        self._waiting = deque(enumerate(rows))
        if not is_scheduled:
            self._fill_part()

    def _fill_part(self) -> None:
        if not self._waiting:  # closed meanwhile
            return
        table = self._widget("Table")
        end = time.perf_counter() + FILL_SECONDS
        while self._waiting and time.perf_counter() < end:
            number, row = self._waiting.popleft()
            for column, text in enumerate(_texts(row)):
                item = qt.QTableWidgetItem(text)
                if text and column in _LONG:
                    item.setToolTip(text)
                table.setItem(number, column, item)
        if self._waiting:
            qt.QTimer.singleShot(0, self._fill_part)
        else:
            table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)

    def _show_picture(self, state: DomainState) -> None:
        label, has_picture = self._widget("Picture"), state.picture is not None
        label.setVisible(has_picture)
        self._widget("PictureButton").setVisible(has_picture)
        self._widget("RevealButton").setVisible(state.cohort is not None)
        if not has_picture:
            return
        pixmap = qt.QPixmap(str(state.picture))
        width_px = min(PICTURE_PX, pixmap.width())
        if not pixmap.isNull():
            label.setPixmap(pixmap.scaledToWidth(width_px, qt.Qt.SmoothTransformation))

    def _open_picture(self, *_args: object) -> None:
        if self._shown is not None and self._shown.picture is not None:
            _open(str(self._shown.picture))

    def _open_folder(self, *_args: object) -> None:
        if self._shown is not None and self._shown.cohort is not None:
            _open(str(self._shown.cohort))

    def _widget(self, name: str) -> Any:
        return getattr(self._ui, f"{self._role}{name}")


def show_findings(label: Any, findings: Sequence[DataFinding]) -> None:
    """List findings in a label, those that make a training impossible first; hide it if empty."""
    ordered = sorted(findings, key=lambda finding: not finding.is_blocking)
    lines = [f"• {finding.text}" for finding in ordered[:MAX_FINDINGS]]
    if len(ordered) > MAX_FINDINGS:
        more = _("… and {count} more findings.")
        lines.append(more.format(count=len(ordered) - MAX_FINDINGS))
    label.setText("\n".join(lines))
    label.setVisible(bool(lines))


def _texts(row: CaseRow) -> tuple[str, ...]:
    return row.case, row.split, row.size, row.spacing_mm, row.labels, row.problems


def _order(row: CaseRow) -> tuple[bool, bool]:
    """Put what cannot be used first, then what is suspicious."""
    return row.is_good, not row.problems


def _open(path: str) -> None:
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(path))
