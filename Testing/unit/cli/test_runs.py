"""Runs that some other process trains."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.cli.runs import FollowRun, ListRuns, PlotRuns
from CrossModalSegLib.core.errors import Cancelled, ConfigError, OutputExistsError, RunError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.run_folder import Journal, RunFolder


def make_run(path: Path, last_event: str = "") -> RunFolder:
    run = RunFolder.create(path, {"method": "dsan", "preset": "quick"})
    with closing(Journal(run.journal_file)) as journal:
        events = Reporter(sinks=[journal])
        events.stage("train", 10)
        for step in (2, 4):
            events.metrics(step, {"seg": 1 / step})
            events.progress("train", step, 10)
        if last_event == "done":
            events.done([run.bundle], {})
        if last_event == "cancelled":
            events.cancelled()
    return run


def states(heard: Any) -> dict[str, str]:
    return {Path(row["run"]).name: row["state"] for row in heard.summary["runs"]}


def test_runs_are_found_and_their_states_told(
    tmp_path: Path, reporter: Reporter, heard: Any
) -> None:
    make_run(tmp_path / "finished", "done")
    make_run(tmp_path / "group" / "cancelled", "cancelled")
    make_run(tmp_path / "killed")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text('{"v": 1, "editor": true}')
    with make_run(tmp_path / "running").locked():
        ListRuns(folder=tmp_path).run(reporter)
    assert states(heard) == {
        "finished": "finished",
        "cancelled": "cancelled",
        "killed": "stopped",
        "running": "running",
    }
    assert {row["iterations"] for row in heard.summary["runs"]} == {"4/10"}


def test_a_single_run_can_be_listed(tmp_path: Path, reporter: Reporter, heard: Any) -> None:
    make_run(tmp_path / "run")
    ListRuns(folder=tmp_path / "run").run(reporter)
    assert states(heard) == {"run": "stopped"}


def test_a_finished_run_is_replayed(tmp_path: Path, reporter: Reporter, heard: Any) -> None:
    run = make_run(tmp_path / "run", "done")
    FollowRun(folder=run.path).run(reporter)
    journal = [json.loads(line) for line in run.journal_file.read_text().splitlines()]
    assert heard.events == journal


def test_events_are_relayed_while_they_are_written(
    tmp_path: Path, reporter: Reporter, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("CrossModalSegLib.cli.runs.POLL_SECONDS", 0.01)
    run = make_run(tmp_path / "run")

    def train() -> None:
        with run.journal_file.open("a") as stream:
            for piece in ('{"event": "sta', 'ge", "stage": "late"}\n', '{"event": "cancelled"}\n'):
                stream.write(piece)
                stream.flush()
                time.sleep(0.05)

    with run.locked():
        thread = threading.Thread(target=train)
        thread.start()
        FollowRun(folder=run.path).run(reporter)
        thread.join()
    assert heard.events[-2:] == [{"event": "stage", "stage": "late"}, {"event": "cancelled"}]


def test_a_run_that_nobody_trains_is_not_waited_for(tmp_path: Path, reporter: Reporter) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(RunError, match="No process trains"):
        FollowRun(folder=run.path).run(reporter)


def test_watching_can_be_stopped(tmp_path: Path, reporter: Reporter) -> None:
    run = make_run(tmp_path / "run")
    reporter.cancel.set()
    with run.locked(), pytest.raises(Cancelled):
        FollowRun(folder=run.path).run(reporter)


def test_curves_are_drawn(tmp_path: Path, reporter: Reporter) -> None:
    folders = tuple(make_run(tmp_path / name).path for name in "ab")
    output = tmp_path / "curves.png"
    PlotRuns(folders=folders, output=output).run(reporter)
    assert output.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OutputExistsError):
        PlotRuns(folders=folders, output=output).run(reporter)
    with pytest.raises(ConfigError, match=r"\.png"):
        PlotRuns(folders=folders, output=tmp_path / "curves.jpg").run(reporter)
