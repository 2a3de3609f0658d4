"""One training followed while it runs, whoever started it: state, curves, pictures, log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.progress_texts import (
    memory_text,
    progress_text,
    queue_text,
    state_text,
)
from CrossModalSegLib.bridge.training.queue_runner import QueueRunner
from CrossModalSegLib.bridge.training.run_list import find_runs
from CrossModalSegLib.bridge.training.run_monitor import ACTIVE_STATES, RunMonitor
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.shown_values import ShownValues
from CrossModalSegLib.widget.train_curves import TrainCurves
from CrossModalSegLib.widget.train_log import TrainLog
from CrossModalSegLib.widget.train_previews import TrainPreviews


class TrainProgressPanel:
    """Shows a run and lets it pause, go on and stop.

    Args:
        ui_widget: Made from TrainProgressPanel.ui.
        runner: Queue of the workspace.
        on_use: Called with the bundle of a run that the user wants to segment with.
        on_error: Called with what went wrong.
        on_changed: Called when a run came, went or changed its state.
    """

    def __init__(
        self,
        ui_widget: Any,
        runner: QueueRunner,
        on_use: Callable[[Path], None],
        on_error: Callable[[Exception], None],
        on_changed: Callable[[], None],
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self._runner = runner
        self._on_use, self._on_error, self._on_changed = on_use, on_error, on_changed
        self.monitor: RunMonitor | None = None
        self._shown = ShownValues(self.ui)
        self._followed = ""
        self._listed: list[tuple[str, str]] = []
        self._states: tuple[Any, ...] = ()
        self._told_problem: CrossModalSegError | None = None
        self._run = Choices(self.ui.runBox, self.follow)
        self.curves = TrainCurves(self.ui)
        self.previews = TrainPreviews(self.ui)
        self.log = TrainLog(self.ui)
        self.ui.pauseButton.clicked.connect(self._pause_or_go_on)
        self.ui.cancelButton.clicked.connect(self._cancel)
        self.ui.resumeButton.clicked.connect(self._resume)
        self.ui.useButton.clicked.connect(self._use)
        self.ui.startQueueButton.clicked.connect(lambda *_args: self._runner.start())
        self._update()

    @property
    def followed(self) -> str:
        """Name of the run that is shown; "" for none."""
        return self._followed

    @property
    def is_active(self) -> bool:
        """Whether something is trained or waits, so that there is something to look at."""
        is_training = self.monitor is not None and self.monitor.is_active
        return is_training or self._runner.is_working or bool(self._runner.waiting)

    def follow(self, name: str) -> None:
        """Show a run of the workspace, also one that waits still."""
        if name != self._followed:
            self._followed = name
            self.monitor = None
            self.curves.set_run(name)
            self.previews.clear()
            self.log.set_file(self._runner.workspace.logs / f"{name}.log")
        self.poll()
        self._update()

    def follow_new(self, name: str) -> None:
        """Show a run that was queued just now, unless the one that is shown is still trained."""
        is_training = self.monitor is not None and self.monitor.is_active
        self.follow(self._followed if is_training else name)
        self._list_runs()

    def find_again(self) -> None:
        """Follow the run that is trained at present, if none is followed; else the newest."""
        self._runner.poll()
        runs = find_runs(self._runner.workspace.runs)
        names = [run.name for run in runs]
        if self._followed in {*names, *self._waiting()}:
            return
        active = next((run.name for run in runs if run.is_locked), "")
        self.follow(active or next(iter((*names, *self._waiting())), ""))

    def poll(self) -> None:
        """Take in what is new; call it every now and then."""
        has_looked = self._runner.poll()
        self._tell_problem()
        folder = self._runner.workspace.runs / self._followed
        if self.monitor is None and self._followed and (folder / "config.json").is_file():
            self.monitor = RunMonitor(folder)
        has_news = self.monitor is not None and self.monitor.poll()
        if has_looked:
            self._list_runs()
        if has_looked or has_news:
            self._update()
            self._tell_states()

    def update_pictures(self) -> None:
        """Draw curves, pictures and log anew if they have changed; costs some milliseconds."""
        if self.monitor is not None:
            self.curves.update(self.monitor.log.curves)
            self.previews.update(tuple(self.monitor.log.previews))
        self.log.update(self.monitor.log if self.monitor is not None else None)

    def cleanup(self) -> None:
        """Let go of the scene; what is trained goes on, or not, as the user wanted."""
        self.curves.cleanup()

    def _waiting(self) -> tuple[str, ...]:
        return tuple(entry.name for entry in self._runner.waiting)

    def _is_waiting(self) -> bool:
        is_trained = self.monitor is not None and self.monitor.is_active
        return self._followed in self._waiting() and not is_trained

    def _list_runs(self) -> None:
        names = [run.name for run in find_runs(self._runner.workspace.runs)]
        waiting = self._waiting()
        listed = [*(n for n in waiting if n not in names), *names]
        texts = {name: f"{name} ({_('waits')})" for name in waiting}
        if self._followed not in listed:
            self._followed, self.monitor = "", None
        entries = [(name, texts.get(name, name)) for name in listed]
        if entries != self._listed:
            self._listed = entries
            self._run.fill(entries, self._followed)
        elif self._run.current != self._followed:
            self._run.choose(self._followed)

    def _update(self) -> None:
        show, monitor = self._shown.call, self.monitor
        log = monitor.log if monitor is not None else None
        is_active = monitor is not None and monitor.is_active
        memory = memory_text(monitor.memory) if monitor is not None and is_active else ""
        others = len([name for name in self._waiting() if name != self._followed])
        show("stateLabel", "setText", self._state())
        show("detailLabel", "setText", progress_text(log) if log is not None else "")
        show("detailLabel", "setVisible", bool(log is not None and log.total))
        show("progressBar", "setVisible", monitor is not None)
        show("progressBar", "setMaximum", max(1, log.total) if log is not None else 1)
        show("progressBar", "setValue", log.done if log is not None else 0)
        show("memoryLabel", "setText", memory)
        show("memoryLabel", "setVisible", bool(memory))
        queue = queue_text(others, is_working=self._runner.is_working)
        show("queueLabel", "setText", queue)
        show("queueLabel", "setVisible", bool(queue))
        self._update_buttons()
        for name in ("curvesButton", "previewButton", "logButton"):
            show(name, "setVisible", bool(self._followed))

    def _update_buttons(self) -> None:
        show, monitor = self._shown.call, self.monitor
        state = monitor.state if monitor is not None else ""
        is_waiting = self._is_waiting()
        can_resume = monitor is not None and monitor.is_resumable and not is_waiting
        is_idle = bool(self._runner.waiting) and not self._runner.is_working
        show("pauseButton", "setVisible", state in {"running", "paused"})
        show("pauseButton", "setText", _("Go on") if state == "paused" else _("Pause"))
        show("cancelButton", "setVisible", state in ACTIVE_STATES or is_waiting)
        show("cancelButton", "setText", _("Take out of the queue") if is_waiting else _("Cancel"))
        show("resumeButton", "setVisible", can_resume)
        show("useButton", "setVisible", state == "finished" and self.bundle is not None)
        show("startQueueButton", "setVisible", is_idle)

    @property
    def bundle(self) -> Path | None:
        """The model that the followed run has made, if it has."""
        folder = self._runner.workspace.runs / self._followed / "bundle"
        return folder if self._followed and folder.is_dir() else None

    def _state(self) -> str:
        if not self._followed:
            return str(_("No training was started yet."))
        if self._is_waiting():
            return str(_("It waits for its turn."))
        if self.monitor is None:
            failed = {entry.name: entry.error for entry in self._runner.failed}
            error = failed.get(self._followed)
            if error is None:
                return str(_("It is being started…"))
            return f"{error.get('message', '')} {error.get('hint', '')}".strip()
        return state_text(self.monitor)

    def _tell_states(self) -> None:
        state = self.monitor.state if self.monitor is not None else ""
        states = (self._followed, state, self._waiting(), len(self._runner.failed))
        if states != self._states:
            self._states = states
            self._on_changed()

    def _tell_problem(self) -> None:
        problem = self._runner.problem
        if problem is not None and problem is not self._told_problem:
            self._on_error(problem)
        self._told_problem = problem

    # What the user presses

    def _pause_or_go_on(self, *_args: object) -> None:
        is_paused = self.monitor is not None and self.monitor.state == "paused"
        self._ask("resume" if is_paused else "pause")

    def _cancel(self, *_args: object) -> None:
        if self._is_waiting():
            self._runner.withdraw(self._followed)
            self.poll()
        else:
            self._ask("cancel")

    def _ask(self, request: Literal["pause", "resume", "cancel"]) -> None:
        try:
            if self.monitor is not None:
                self.monitor.ask(request)
        except CrossModalSegError as error:
            self._on_error(error)

    def _resume(self, *_args: object) -> None:
        try:
            self._runner.add_resumed(self._followed)
        except CrossModalSegError as error:
            self._on_error(error)
        self.poll()
        self._update()

    def _use(self, *_args: object) -> None:
        if self.bundle is not None:
            self._on_use(self.bundle)
