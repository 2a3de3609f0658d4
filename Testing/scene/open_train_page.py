"""The Train page in a window of its own, and what people do there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from CrossModalSegLib.bridge.installation import InstallationState
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.training.run_queue import RunQueue
from Testing.scene.harness.interaction import (
    choose,
    click,
    enter_text,
    process_events,
    wait_until,
)

UI_FOLDER = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI"
PATIENCE_SECONDS = 400.0


class Installed:
    """An installer that has found everything."""

    def check(self) -> InstallationState:
        """Say so."""
        return InstallationState(ready=True, missing=(), torch="ready", explanation="")

    def shutdown(self) -> None:
        """Nothing runs."""


class Jobs:
    """Stands for the worker, which training does not need."""

    def restart(self) -> None:
        """Do nothing."""


class Service:
    """What the page takes of the Segment page's service."""

    jobs = Jobs()


class OpenTrainPage:
    """The page in a window of its own, over a workspace in a temporary folder."""

    def __init__(self, workspace: Workspace) -> None:
        import slicer

        from CrossModalSegLib.widget.train_page import TrainPage

        self.workspace = workspace
        self.used: list[Path] = []
        self.widget = slicer.util.loadUI(str(UI_FOLDER / "TrainPage.ui"))
        self.widget.resize(520, 1200)
        self.widget.show()
        self.page = TrainPage(
            self.widget,
            Service(),  # type: ignore[arg-type]
            lambda name: str(UI_FOLDER / name),
            self.used.append,
            workspace=workspace,
            installer=Installed(),  # type: ignore[arg-type]
        )
        self.page.enter()
        self.method, self.progress = self.page.method.ui, self.page.progress.ui

    @property
    def message(self) -> str:
        """What the message area says; "" if it is hidden."""
        ui = self.page.ui
        return str(ui.messageLabel.text) if ui.messageFrame.visible else ""

    @property
    def state(self) -> str:
        """State of the run that is followed."""
        monitor = self.page.progress.monitor
        return "" if monitor is None else monitor.state

    @property
    def done(self) -> int:
        """Iterations of the run that is followed."""
        monitor = self.page.progress.monitor
        return 0 if monitor is None else monitor.log.done

    def choose_data(self, source: str = "cohort ct", target: str = "cohort mr_bssfp") -> None:
        """Choose two hearts' cohorts of the workspace, and wait for the methods."""
        ui = self.page.data.ui
        choose(ui.taskBox, "Cardiac substructures")
        for role, cohort in (("source", source), ("target", target)):
            choose(getattr(ui, f"{role}KindBox"), "Prepared cohort")
            choose(getattr(ui, f"{role}CohortBox"), cohort)
        click(ui.checkButton)
        wait_until(lambda: not self.page.data.is_busy, PATIENCE_SECONDS, what="data checked")
        wait_until(
            lambda: self.method.methodBox.count, PATIENCE_SECONDS, what="the list of methods"
        )
        process_events(0.1)

    def choose_method(self, method: str, settings: Mapping[str, str]) -> None:
        """Choose a method and change settings of its preset."""
        choose(self.method.methodBox, method)
        self.method.settingsButton.collapsed = False
        for name, value in settings.items():
            self.change(name, value)

    def change(self, name: str, value: str) -> None:
        """Change a setting of the preset."""
        choose(self.method.settingBox, name)
        click(self.method.addSettingButton)
        self.set_value(name, value)

    def set_value(self, name: str, value: str) -> None:
        """Enter the value of a setting that is shown."""
        table = self.method.settingsTable
        names = [table.item(row, 0).text() for row in range(table.rowCount)]
        enter_text(table.cellWidget(names.index(name), 1), value)

    def start(self, name: str) -> None:
        """Start what is chosen."""
        enter_text(self.method.nameEdit, name)
        click(self.method.startButton)

    def wait_for(self, *states: str) -> None:
        """Wait until the run that is followed is in one of some states."""
        wait_until(
            lambda: self.state in states or self.message,
            PATIENCE_SECONDS,
            what=f"{states}, but it is {self.state!r}",
        )
        assert self.state in states, self.message

    def close(self) -> None:
        """Close the page, and end what it has started."""
        self.page.cleanup()
        queue = self.page.runner.queue
        for entry in queue.entries():
            queue.remove(entry)
        for process in queue_processes(self.workspace):
            process.kill()
        wait_until(self._has_ended, PATIENCE_SECONDS, what="the end of the queue's process")

    def _has_ended(self) -> bool:
        self.page.runner.poll()
        return not self.page.runner.is_working


def queue_processes(workspace: Workspace) -> list[psutil.Process]:
    """Return the process that works the queue off and the trainings that it has started."""
    worker = RunQueue(workspace.folder).worker()
    if worker is None:
        return []
    process = psutil.Process(worker["pid"])
    return [process, *process.children(recursive=True)]
