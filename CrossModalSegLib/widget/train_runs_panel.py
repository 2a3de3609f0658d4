"""The list of runs on the Train page: how they are, and what can be done with them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.background_work import BackgroundWork
from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.bridge.training.run_actions import (
    bundle_folder,
    delete_run,
    report_arguments,
    report_file,
    resume_options,
    suggested_batch_size,
)
from CrossModalSegLib.bridge.training.run_catalogue import RunCatalogue
from CrossModalSegLib.bridge.training.run_entry import RunEntry
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.polling import Poller
from CrossModalSegLib.widget.runs_table import RunsTable
from CrossModalSegLib.widget.runs_texts import delete_question, details_text, no_runs

TICK_MILLISECONDS = 50
"""Between two looks at what is being read or done."""

READ_MILLISECONDS = 2000
"""Between two readings of the list while the page is open."""


class TrainRunsPanel:
    """Lists the runs of a workspace; resumes, duplicates, deletes, reports, uses models.

    Args:
        ui_widget: Made from TrainRunsPanel.ui.
        workspace: Of the user.
        on_use: Called with the bundle of a run that the user wants to segment with.
        on_duplicate: Called with what a run was asked for, in the form of its configuration.
        on_resume: Queues the rest of a run: called with its name and further options of
            `train --resume`.
    """

    def __init__(
        self,
        ui_widget: Any,
        workspace: Workspace,
        *,
        on_use: Callable[[Path], None],
        on_duplicate: Callable[[Mapping[str, Any]], None],
        on_resume: Callable[[str, Sequence[str]], None],
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self._workspace = workspace
        self._on_use, self._on_duplicate, self._on_resume = on_use, on_duplicate, on_resume
        self._catalogue = RunCatalogue(workspace)
        self._entries: dict[str, RunEntry] = {}
        self._described = ""
        self._job: CommandJob | None = None
        self._reading, self._work = BackgroundWork(), BackgroundWork()
        self._is_outdated = False
        self._poller = Poller(self._tick, TICK_MILLISECONDS)
        self._reader = Poller(self._read_again, READ_MILLISECONDS)
        self._message = MessageArea(self.ui)
        self._table = RunsTable(self.ui.runsTable)
        self._connect()
        self._show(())

    @property
    def selected_name(self) -> str:
        """Name of the run that the buttons are about, or ""."""
        return self._table.selected_name

    @property
    def is_busy(self) -> bool:
        """Whether files are removed or a report is written."""
        return self._work.is_active or self._job is not None

    def enter(self) -> None:
        """The user opened the page: look at the runs from now on."""
        self._reader.start()
        self.refresh()

    def exit(self) -> None:
        """The user left the page; what was begun is finished unseen."""
        self._reader.stop()

    def refresh(self) -> None:
        """Read the list anew, in the background; the selection stays."""
        self._is_outdated = not self._reading.start(
            self._catalogue.read, self._on_read, self._on_failure
        )
        self._poller.start()

    def cleanup(self) -> None:
        """Let go of everything; what is being removed is removed first."""
        self._poller.stop()
        self._reader.stop()
        if self._job is not None:
            self._job.shutdown()
        self._reading.shutdown()
        self._work.shutdown()

    def _connect(self) -> None:
        self.ui.runsTable.itemSelectionChanged.connect(self._describe)
        self.ui.resumeButton.clicked.connect(self._resume)
        self.ui.duplicateButton.clicked.connect(self._duplicate)
        self.ui.useButton.clicked.connect(self._use)
        self.ui.reportButton.clicked.connect(self._report)
        self.ui.revealButton.clicked.connect(self._reveal)
        self.ui.deleteButton.clicked.connect(self._delete)

    # What is shown

    def _tick(self) -> None:
        was_busy = self.is_busy
        self._reading.poll()
        self._work.poll()
        if self._job is not None:
            self._job.poll()
        if self._is_outdated:
            self.refresh()
        elif not (self.is_busy or self._reading.is_active):
            self._poller.stop()
        if self.is_busy != was_busy:
            self._update_buttons()

    def _read_again(self) -> None:
        if not self._reading.is_active:
            self.refresh()

    def _on_read(self, entries: tuple[RunEntry, ...]) -> None:
        """Show the list, then find out what the runs take on the disk."""
        self._show(entries)
        self._reading.start(self._catalogue.measure, self._show, self._on_failure)

    def _show(self, entries: tuple[RunEntry, ...]) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._table.show(entries, self.selected_name)
        self.ui.runsTable.setVisible(bool(entries))
        self.ui.emptyLabel.setVisible(not entries)
        self.ui.emptyLabel.setText(no_runs(self._workspace.runs))
        self._describe()

    def _describe(self) -> None:
        entry = self._selected()
        self.ui.detailsLabel.setText("" if entry is None else details_text(entry))
        self.ui.detailsLabel.setVisible(entry is not None)
        is_resumable = entry is not None and entry.is_resumable
        self.ui.batchSpin.setEnabled(is_resumable)
        if entry is not None and is_resumable:
            self._suggest_batch(entry)
        self._update_buttons()

    def _suggest_batch(self, entry: RunEntry) -> None:
        """Offer a batch; what the user has set for this end of the run stays."""
        described = f"{entry.name} {entry.state} {entry.done} {entry.batch_size}"
        if described != self._described:
            self.ui.batchSpin.setMaximum(entry.batch_size or 1)
            self.ui.batchSpin.setValue(suggested_batch_size(entry))
            self._described = described

    def _selected(self) -> RunEntry | None:
        return self._entries.get(self.selected_name)

    def _update_buttons(self) -> None:
        entry, idle = self._selected(), not self.is_busy
        has_folder = entry is not None and entry.has_folder
        self.ui.resumeButton.setEnabled(entry is not None and entry.is_resumable)
        self.ui.duplicateButton.setEnabled(entry is not None)
        self.ui.useButton.setEnabled(entry is not None and entry.is_usable)
        self.ui.reportButton.setEnabled(idle and has_folder)
        self.ui.revealButton.setEnabled(has_folder)
        self.ui.deleteButton.setEnabled(idle and entry is not None and not entry.is_active)
        self.ui.busyLabel.setVisible(not idle)

    def _on_failure(self, error: Exception) -> None:
        if not isinstance(error, CrossModalSegError):
            logging.getLogger(__name__).error("List of runs", exc_info=error)
        self._message.show_error(error)
        self._is_outdated = True

    # What the user presses

    def _resume(self) -> None:
        entry = self._selected()
        if entry is None:
            return
        self._message.hide()
        try:
            self._on_resume(entry.name, resume_options(entry, self.ui.batchSpin.value))
        except (CrossModalSegError, OSError) as error:
            self._on_failure(error)
        self.refresh()

    def _duplicate(self) -> None:
        entry = self._selected()
        if entry is not None:
            self._on_duplicate(entry.wishes())

    def _use(self) -> None:
        entry = self._selected()
        if entry is not None:
            self._on_use(bundle_folder(entry))

    def _reveal(self) -> None:
        entry = self._selected()
        if entry is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(entry.folder)))

    def _report(self) -> None:
        entry = self._selected()
        if entry is None:
            return

        def take(event: Event) -> None:
            self._take_report(event, report_file(entry))

        self._message.hide()
        self.ui.busyLabel.setText(_("Writing the report of {name}…").format(name=entry.name))
        self._job = CommandJob(report_arguments(entry), take)
        self._job.start()
        self._poller.start()
        self._update_buttons()

    def _take_report(self, event: Event, path: Path) -> None:
        if event["event"] == "done":
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
        elif event["event"] == "error":
            self._on_failure(reported_error(event))
        elif event["event"] != "cancelled":
            return
        self._job = None

    def _delete(self) -> None:
        entry, workspace = self._selected(), self._workspace
        if entry is None or not slicer.util.confirmOkCancelDisplay(
            delete_question(entry), windowTitle=_("Delete a run"), parent=self.widget
        ):
            return
        self._message.hide()
        self.ui.busyLabel.setText(_("Deleting {name}…").format(name=entry.name))
        self._work.start(
            lambda: delete_run(workspace, entry), lambda _result: self.refresh(), self._on_failure
        )
        self._poller.start()
        self._update_buttons()
