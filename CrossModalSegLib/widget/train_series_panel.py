"""Series of Slicer's DICOM database as data for a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.data_choice import DicomSeries
from CrossModalSegLib.bridge.training.dicom_series import (
    SeriesEntry,
    SeriesListing,
    dicom_database,
)

READ_SECONDS = 0.02
"""Of the database, in one step."""

MAX_SHOWN = 300
"""Series in the list; more are found by searching."""


class SeriesPanel:
    """A list of series that can be checked; call `poll` while `is_reading`.

    Args:
        ui: Widgets of TrainDataPanel.ui.
        on_changed: Called when others are checked, or reading begins or ends.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._list = ui.targetSeriesList
        self._on_changed = on_changed
        self._listing: SeriesListing | None = None
        self._entries: Sequence[SeriesEntry] = ()
        self._shown: Sequence[SeriesEntry] = ()
        self._checked: dict[str, None] = {}
        self._was_read = False
        ui.targetSeriesButton.clicked.connect(self.read)
        ui.targetSeriesSearch.textChanged.connect(self._show)
        self._list.itemChanged.connect(self._check)

    @property
    def data(self) -> DicomSeries:
        """What is checked."""
        return DicomSeries(tuple(self._checked))

    @property
    def is_reading(self) -> bool:
        """Whether the database is being read."""
        return self._listing is not None

    def read_once(self) -> None:
        """Look at the database, unless that was done."""
        if not self._was_read:
            self.read()

    def read(self, *_args: object) -> None:
        """Look at the database."""
        database = dicom_database()
        self._was_read = database is not None
        self._listing = SeriesListing(database) if database is not None else None
        if database is None:
            self._entries = ()
            self._show()
        self._on_changed()

    def poll(self) -> None:
        """Read a part."""
        if self._listing is None:
            return
        try:
            is_read = self._listing.read(READ_SECONDS)
        except Exception:
            self._listing = None
            raise
        if is_read:
            self._entries, self._listing = tuple(self._listing.entries), None
            there = {entry.uid for entry in self._entries}
            self._checked = {uid: None for uid in self._checked if uid in there}
            self._show()
            self._on_changed()

    def _show(self, *_args: object) -> None:
        words = self._ui.targetSeriesSearch.text.casefold().split()
        found = [e for e in self._entries if all(word in e.title.casefold() for word in words)]
        self._shown = found[:MAX_SHOWN]
        self._list.blockSignals(True)
        self._list.clear()
        for entry in self._shown:
            item = qt.QListWidgetItem(f"{entry.title} ({entry.modality})")
            item.setCheckState(qt.Qt.Checked if entry.uid in self._checked else qt.Qt.Unchecked)
            self._list.addItem(item)
        self._list.blockSignals(False)
        self._tell(len(found))

    def _tell(self, found: int) -> None:
        if not self._was_read:
            text = _("Slicer's DICOM database is not open: open the DICOM module first.")
        elif not self._entries:
            text = _("The DICOM database has no CT or MR series.")
        else:
            text = _("{checked} of {all} series are checked.").format(
                checked=len(self._checked), all=len(self._entries)
            )
            if found > MAX_SHOWN:
                more = _(" {count} more are not shown: search for them.")
                text += more.format(count=found - MAX_SHOWN)
        self._ui.targetSeriesLabel.setText(text)

    def _check(self, item: Any) -> None:
        row = self._list.row(item)
        if not 0 <= row < len(self._shown):
            return
        uid = self._shown[row].uid
        self._checked.pop(uid, None)
        if item.checkState() == qt.Qt.Checked:
            self._checked[uid] = None
        self._tell(len(self._shown))
        self._on_changed()
