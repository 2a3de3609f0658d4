"""What the worker said, for those who want to know or to report a fault."""

from __future__ import annotations

import time
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.jobs import WorkerJobs


class LogPanel:
    """Lines of the worker and of the page.

    Args:
        ui: Widgets of SegmentPage.ui.
        jobs: The worker.
    """

    def __init__(self, ui: Any, jobs: WorkerJobs) -> None:
        self._ui = ui
        self._jobs = jobs
        self._shown = 0
        ui.copyLogButton.clicked.connect(self.copy_errors)
        ui.restartButton.clicked.connect(self._restart)

    def update(self) -> None:
        """Append the lines that came since the last call, if the panel is open."""
        if self._ui.logButton.collapsed:
            return
        for moment, text in self._jobs.log.lines_since(self._shown):
            clock = time.strftime("%H:%M:%S", time.localtime(moment))
            self._ui.logText.appendPlainText(f"{clock}  {text}")
        self._shown = self._jobs.log.count

    def copy_errors(self, *_args: object) -> None:
        """Copy the recent errors, with what a bug report needs."""
        qt.QApplication.clipboard().setText(self._jobs.log.errors_text())
        slicer.util.showStatusMessage(_("The recent errors were copied."), 3000)

    def _restart(self, *_args: object) -> None:
        self._jobs.restart()
