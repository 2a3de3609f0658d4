"""The Train page: data, method, a training that is followed, and the runs that there are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.installation import Installer
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.bridge.training.queue_runner import QueueRunner
from CrossModalSegLib.bridge.training.training_request import TrainingRequest, request_of_config
from CrossModalSegLib.bridge.training.workspace import Workspace, default_workspace
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.polling import Poller
from CrossModalSegLib.widget.train_data_panel import TrainDataPanel
from CrossModalSegLib.widget.train_installation import TrainInstallation
from CrossModalSegLib.widget.train_method_panel import TrainMethodPanel
from CrossModalSegLib.widget.train_progress_panel import TrainProgressPanel
from CrossModalSegLib.widget.train_runs_panel import TrainRunsPanel

POLL_MILLISECONDS = 100
TICKS_PER_PICTURE = 10


class TrainPage:
    """Puts the panels together and sees to what they tell one another.

    Args:
        ui_widget: Made from TrainPage.ui.
        service: Its worker is started again when packages were installed.
        resource: Returns the path of a .ui file by its name.
        on_use: Called with the bundle that the user wants to segment with.
        workspace: By default the user's own.
        installer: Of the packages for training; by default that of this Slicer.
    """

    def __init__(
        self,
        ui_widget: Any,
        service: SegmentService,
        resource: Callable[[str], str],
        on_use: Callable[[Path], None],
        *,
        workspace: Workspace | None = None,
        installer: Installer | None = None,
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self.workspace = workspace or default_workspace()
        self.runner = QueueRunner(self.workspace)
        self._ticks = 0
        self._is_built = self._is_open = False
        self.message = MessageArea(self.ui)
        self.installation = TrainInstallation(
            self.ui, installer or Installer("train"), service.jobs.restart
        )
        ui = self.ui
        self.data = TrainDataPanel(
            self._load(resource("TrainDataPanel.ui"), ui.dataSection),
            self.workspace,
            self._on_data,
        )
        self.progress = TrainProgressPanel(
            self._load(resource("TrainProgressPanel.ui"), ui.progressSection),
            self.runner,
            on_use,
            self._show_error,
            self._on_runs,
        )
        self.method = TrainMethodPanel(
            self._load(resource("TrainMethodPanel.ui"), ui.methodSection),
            self.workspace,
            self.data,
            self._start,
            self._show_error,
        )
        self.runs = TrainRunsPanel(
            self._load(resource("TrainRunsPanel.ui"), ui.runsSection),
            self.workspace,
            on_use=on_use,
            on_duplicate=self._duplicate,
            on_resume=self._resume,
        )
        self.method.ui.keepRunningBox.toggled.connect(self._keep_running)
        self._poller = Poller(self._tick, POLL_MILLISECONDS)
        self._is_built = True

    def enter(self) -> None:
        """The user opened the page: find what runs, whoever started it."""
        self._is_open = True
        self.installation.check()
        self.data.enter()
        self.progress.find_again()
        self.runs.enter()
        self.method.refresh()
        self._poller.start()

    def exit(self) -> None:
        """The user left the page; what runs goes on and is followed further."""
        self._is_open = False
        self.data.exit()
        self.runs.exit()

    def cleanup(self) -> None:
        """Let go of everything; trainings go on or end as the user wished."""
        self._poller.stop()
        self.method.cleanup()
        self.progress.cleanup()
        self.data.cleanup()
        self.runs.cleanup()
        self.installation.cleanup()

    def _tick(self) -> None:
        self.method.poll()
        self.progress.poll()
        self._ticks += 1
        if self._ticks % TICKS_PER_PICTURE == 0:
            self.progress.update_pictures()
        if not (self._is_open or self.progress.is_active or self.method.is_busy):
            self._poller.stop()

    def _start(self, request: TrainingRequest) -> None:
        self.message.hide()
        self.runner.keeps_running = self.method.keeps_running
        try:
            name = self.runner.add(request)
        except CrossModalSegError as error:
            self._show_error(error)
            return
        self.progress.follow_new(name)
        self.ui.progressSection.collapsed = False
        self.runs.refresh()

    def _resume(self, name: str, options: Sequence[str]) -> None:
        self.runner.keeps_running = self.method.keeps_running
        self.runner.add_resumed(name, options)
        self.progress.follow_new(name)

    def _duplicate(self, config: Mapping[str, Any]) -> None:
        """Show a run's choices to be changed."""
        try:
            self.method.set_request(request_of_config(config))
        except CrossModalSegError as error:
            self._show_error(error)
            return
        self.ui.methodSection.collapsed = False
        self.message.show_note(
            _("Method and settings are those of the run; change them and start.")
        )

    def _keep_running(self, is_kept: bool) -> None:  # noqa: FBT001  (what Qt tells)
        try:
            self.runner.keep_running(is_kept=is_kept)
        except CrossModalSegError as error:
            self._show_error(error)

    def _on_data(self) -> None:
        if self._is_built:
            self.method.refresh()

    def _on_runs(self) -> None:
        if self._is_built:
            self.runs.refresh()

    def _show_error(self, error: Exception) -> None:
        if not isinstance(error, CrossModalSegError):
            logging.getLogger(__name__).error("Train page", exc_info=error)
        self.message.show_error(error)

    @staticmethod
    def _load(path: str, section: Any) -> Any:
        widget = slicer.util.loadUI(path)
        section.layout().addWidget(widget)
        return widget
