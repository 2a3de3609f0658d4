"""The list of runs on the Train page, clicked."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import StorageError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import TASKS, task_to_dict
from CrossModalSegLib.training.run_folder import Journal, RunFolder
from CrossModalSegLib.training.run_queue import RunQueue
from Testing.scene.harness.interaction import GuiClock, click, screenshot, wait_until
from Testing.scene.harness.session import SlicerApplication

UI_FILE = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI" / "TrainRunsPanel.ui"

CONFIG = {
    "method": "dsan",
    "preset": "quick",
    "overrides": ["training.batch_size=8"],
    "task": task_to_dict(TASKS["cardiac"]),
    "settings": {"method": {}, "training": {"batch_size": 8}},
    "cohorts": {"source": {"path": "/data/ct", "hash": "1"}, "target": None},
    "device": "cpu",
    "seed": 0,
    "versions": {},
}

SHORTAGE = {
    "kind": "out_of_memory",
    "message": "The GPU ran out of memory in training with 8 slices of each domain in a batch.",
    "hint": "Close other programs, or go on with a smaller batch.",
}


class OpenPanel:
    """The panel in its own window, over a workspace in a temporary folder."""

    def __init__(
        self,
        workspace: Workspace,
        on_resume: Callable[[str, Sequence[str]], None] | None = None,
    ) -> None:
        import slicer

        from CrossModalSegLib.widget.train_runs_panel import TrainRunsPanel

        self.workspace = workspace
        self.used: list[Path] = []
        self.duplicated: list[Mapping[str, Any]] = []
        self.resumed: list[tuple[str, tuple[str, ...]]] = []
        self.widget = slicer.util.loadUI(str(UI_FILE))
        self.widget.resize(480, 330)
        self.widget.show()
        self.panel = TrainRunsPanel(
            self.widget,
            workspace,
            on_use=self.used.append,
            on_duplicate=self.duplicated.append,
            on_resume=on_resume or self._resume,
        )
        self.ui = self.panel.ui
        self.panel.enter()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table as shown."""
        table = self.ui.runsTable
        columns = range(table.columnCount)
        return [tuple(table.item(r, c).text() for c in columns) for r in range(table.rowCount)]

    @property
    def names(self) -> list[str]:
        """First column of the table."""
        return [row[0] for row in self.rows]

    @property
    def message(self) -> str:
        """What the message area says; "" if it is hidden."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""

    def select(self, name: str) -> None:
        """Select a run that is listed, or will be."""
        wait_until(lambda: name in self.names, what=f"{name} listed")
        self.ui.runsTable.selectRow(self.names.index(name))
        wait_until(lambda: self.panel.selected_name == name)

    def close(self) -> None:
        """Close it, as with the module."""
        self.panel.cleanup()
        self.widget.delete()

    def _resume(self, name: str, options: Sequence[str]) -> None:
        self.resumed.append((name, tuple(options)))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "training")


@pytest.fixture
def opened(
    slicer_application: SlicerApplication,  # noqa: ARG001
    workspace: Workspace,
) -> Iterator[OpenPanel]:
    panel = OpenPanel(workspace)
    yield panel
    panel.close()


def make_run(workspace: Workspace, name: str, **end: Any) -> RunFolder:
    """Make a run that ended somehow; with nothing said, it was killed."""
    run = RunFolder.create(workspace.runs / name, CONFIG)
    with closing(Journal(run.journal_file)) as journal:
        events = Reporter(sinks=[journal])
        events.stage("train", 10)
        events.metrics(5, {"seg": 0.5, "label_free_score": 0.25})
        events.progress("train", 5, 10)
        if end:
            journal({"v": 1, "job": "main", "time": 1.0, **end})
    return run


def test_an_empty_list_says_so_and_nothing_can_be_pressed(opened: OpenPanel) -> None:
    assert "No trainings yet" in opened.ui.emptyLabel.text
    assert not opened.ui.runsTable.visible
    buttons = ("resume", "duplicate", "use", "report", "reveal", "delete")
    assert not any(getattr(opened.ui, f"{name}Button").enabled for name in buttons)


def test_runs_are_listed_with_state_score_and_size(opened: OpenPanel, tmp_path: Path) -> None:
    make_run(opened.workspace, "done", event="done", outputs=[], summary={})
    make_run(opened.workspace, "short", event="error", **SHORTAGE)
    queue = RunQueue(opened.workspace.folder)
    queue.add("waits", ["train", "--method", "bigl"])
    failed = queue.add("bad", ["train", "--method", "glua"])
    queue.note_failed(failed, {"kind": "cohort", "message": "No cohort <x>.", "hint": "Make it."})
    queue.remove(failed)
    opened.panel.refresh()
    wait_until(lambda: len(opened.rows) == 4 and "…" not in {row[4] for row in opened.rows})
    rows = {row[0]: row[1:4] for row in opened.rows}
    assert rows["waits"] == ("Queued", "bigl", "")
    assert rows["bad"] == ("Not started", "glua", "")
    assert rows["done"] == ("Finished", "dsan", "0.250")
    assert rows["short"] == ("Failed, 50 %", "dsan", "0.250")
    assert all(row[4].endswith(" MB") for row in opened.rows if row[0] in {"done", "short"})
    opened.select("bad")
    assert opened.ui.detailsLabel.text == "Failed before it began. No cohort <x>. Make it."
    table = opened.ui.runsTable
    assert "&lt;x&gt;" in table.item(opened.names.index("bad"), 0).toolTip()
    opened.select("short")
    screenshot(opened.widget, tmp_path / "runs.png", width=480)
    assert (tmp_path / "runs.png").stat().st_size > 5_000


def test_a_run_that_ran_out_of_memory_is_resumed_with_half_the_batch(opened: OpenPanel) -> None:
    make_run(opened.workspace, "short", event="error", **SHORTAGE)
    make_run(opened.workspace, "stopped", event="cancelled")
    opened.panel.refresh()
    opened.select("stopped")
    assert opened.ui.batchSpin.value == 8
    opened.select("short")
    assert "ran out of memory" in opened.ui.detailsLabel.text
    assert opened.ui.batchSpin.value == 4
    opened.ui.batchSpin.setValue(3)
    opened.panel.refresh()
    wait_until(lambda: not opened.panel._reading.is_active)
    assert opened.ui.batchSpin.value == 3  # what the user chose stays
    click(opened.ui.resumeButton)
    assert opened.resumed == [("short", ("--device", "cpu", "--batch-size", "3"))]


def test_what_cannot_be_queued_is_told(
    slicer_application: SlicerApplication,  # noqa: ARG001
    workspace: Workspace,
) -> None:
    def fail(_name: str, _options: Sequence[str]) -> None:
        raise StorageError("The queue could not be written: the disk is full.", hint="Free some.")

    make_run(workspace, "run", event="cancelled")
    opened = OpenPanel(workspace, fail)
    opened.select("run")
    click(opened.ui.resumeButton)
    assert opened.message == "The queue could not be written: the disk is full. Free some."
    opened.close()


def test_only_a_finished_run_can_be_used_and_any_be_duplicated(opened: OpenPanel) -> None:
    make_run(opened.workspace, "done", event="done", outputs=[], summary={})
    make_run(opened.workspace, "short", event="error", **SHORTAGE)
    opened.panel.refresh()
    opened.select("short")
    assert not opened.ui.useButton.enabled
    click(opened.ui.duplicateButton)
    assert opened.duplicated[0]["overrides"] == ["training.batch_size=8"]
    opened.select("done")
    assert not opened.ui.resumeButton.enabled
    click(opened.ui.useButton)
    assert opened.used == [opened.workspace.runs / "done" / "bundle"]


def test_deleting_asks_first_and_a_running_run_cannot_be_deleted(
    opened: OpenPanel, slicer_application: SlicerApplication
) -> None:
    make_run(opened.workspace, "old", event="done", outputs=[], summary={})
    run = make_run(opened.workspace, "running")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    started = psutil.Process(process.pid).create_time()
    lock = {"v": 1, "pid": process.pid, "host": socket.gethostname(), "started": started}
    run.lock_file.write_text(json.dumps(lock))
    opened.panel.refresh()
    opened.select("running")
    assert not opened.ui.deleteButton.enabled
    assert "iteration 5 of 10" in opened.ui.detailsLabel.text
    opened.select("old")
    slicer_application.dialogs.answer_message("Cancel", containing="Delete the run old")
    click(opened.ui.deleteButton)
    assert (opened.workspace.runs / "old").is_dir()
    slicer_application.dialogs.answer_message("Ok", containing="cannot be undone")
    click(opened.ui.deleteButton)
    wait_until(lambda: opened.names == ["running"])
    assert [path.name for path in opened.workspace.runs.iterdir()] == ["running"]
    process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    process.wait()
    wait_until(lambda: "Killed" in opened.rows[0][1], what="the death noticed without a click")
    assert "ended from outside after iteration 5 of 10" in opened.ui.detailsLabel.text
    assert opened.ui.resumeButton.enabled
    assert opened.ui.batchSpin.value == 4


def test_the_report_is_written_by_a_process_and_opened(
    opened: OpenPanel, slicer_application: SlicerApplication
) -> None:
    run = make_run(opened.workspace, "done", event="done", outputs=[], summary={})
    opened.panel.refresh()
    opened.select("done")
    with GuiClock() as clock:
        click(opened.ui.reportButton)
        assert opened.ui.busyLabel.text == "Writing the report of done…"
        assert not opened.ui.deleteButton.enabled
        wait_until(lambda: not opened.panel.is_busy, 60.0, what="the report")
    assert opened.message == ""
    assert "Training run done" in (run.path / "report.html").read_text(encoding="utf-8")
    assert [url.endswith("report.html") for url in slicer_application.opened_urls] == [True]
    assert clock.longest_gap_seconds < 0.1


def test_a_report_that_fails_says_why(opened: OpenPanel) -> None:
    run = make_run(opened.workspace, "done", event="done", outputs=[], summary={})
    opened.panel.refresh()
    opened.select("done")
    run.config_file.write_text('{"v": 99}')
    click(opened.ui.reportButton)
    wait_until(lambda: not opened.panel.is_busy, 60.0, what="the report")
    assert "another version of the program" in opened.message


def test_leaving_and_closing_stop_the_looking(opened: OpenPanel) -> None:
    opened.panel.exit()
    wait_until(lambda: not opened.panel._poller._timer.active, what="no more looks")
    make_run(opened.workspace, "run")
    opened.panel.refresh()
    wait_until(lambda: opened.names == ["run"])
    wait_until(lambda: not opened.panel._poller._timer.active, what="no more looks")
