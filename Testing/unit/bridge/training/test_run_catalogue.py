"""The list of runs: what it finds, what it says of each, what can be done with one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from CrossModalSegLib.bridge.training.run_actions import (
    delete_run,
    report_arguments,
    resume_options,
    suggested_batch_size,
)
from CrossModalSegLib.bridge.training.run_catalogue import RunCatalogue
from CrossModalSegLib.bridge.training.run_entry import RunEntry
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.run_folder import Journal, RunFolder
from CrossModalSegLib.training.run_queue import RunQueue

CONFIG = {
    "method": "dsan",
    "preset": "quick",
    "overrides": ["training.batch_size=8", "method.iterations=10"],
    "task": {"name": "cardiac"},
    "settings": {"training": {"batch_size": 8}},
    "cohorts": {"source": {"path": "/data/ct"}, "target": {"path": "/data/mr"}},
    "device": "cpu",
    "seed": 3,
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "training")


@pytest.fixture
def catalogue(workspace: Workspace) -> RunCatalogue:
    return RunCatalogue(workspace)


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def make_run(workspace: Workspace, name: str, end: str = "", **changes: Any) -> RunFolder:
    run = RunFolder.create(workspace.runs / name, {**CONFIG, **changes})
    with closing(Journal(run.journal_file)) as journal:
        events = Reporter(sinks=[journal])
        events.stage("adapt", 10)
        events.stage("train", 10)
        for step, score in ((2, 0.1), (4, 0.4), (6, 0.3)):
            events.metrics(step, {"seg": 1 / step, "label_free_score": score})
            events.progress("train", step, 10)
        if end == "done":
            events.done([run.bundle], {})
        elif end == "cancelled":
            events.cancelled()
        elif end:
            journal({"v": 1, "job": "main", "event": "error", "time": 1.0, "kind": end,
                     "message": "It went wrong.", "hint": "Try again."})  # fmt: skip
    return run


def trained_by(run: RunFolder, process: subprocess.Popen[bytes]) -> None:
    import socket

    started = psutil.Process(process.pid).create_time()
    lock = {"v": 1, "pid": process.pid, "host": socket.gethostname(), "started": started}
    run.lock_file.write_text(json.dumps(lock))


def by_name(entries: tuple[RunEntry, ...]) -> dict[str, RunEntry]:
    return {entry.name: entry for entry in entries}


def test_every_state_is_told_and_what_is_active_comes_first(
    workspace: Workspace, catalogue: RunCatalogue, other_process: subprocess.Popen[bytes]
) -> None:
    make_run(workspace, "finished", "done")
    make_run(workspace, "cancelled", "cancelled")
    make_run(workspace, "failed", "storage")
    make_run(workspace, "killed")
    trained_by(make_run(workspace, "running"), other_process)
    queue = RunQueue(workspace.folder)
    queue.add("waiting", ["train", "--method", "bigl", "--run", "x"])
    bad = queue.add("bad", ["train", "--method=glua", "--source", "nowhere"])
    queue.note_failed(bad, {"kind": "cohort", "message": "No cohort.", "hint": "Prepare it."})
    queue.remove(bad)
    entries = catalogue.read()
    assert {entry.name: entry.state for entry in entries} == {
        "running": "running",
        "waiting": "queued",
        "bad": "not started",
        "finished": "finished",
        "cancelled": "cancelled",
        "failed": "failed",
        "killed": "killed",
    }
    assert [entry.name for entry in entries[:3]] == ["running", "waiting", "bad"]
    named = by_name(entries)
    assert [named[n].method for n in ("running", "waiting", "bad")] == ["dsan", "bigl", "glua"]
    assert named["running"].state_text == "Running, 60 %"
    assert named["finished"].score_text == "0.400"
    assert [n for n, e in named.items() if e.is_resumable] == [
        name for name in named if name in {"cancelled", "failed", "killed"}
    ]
    assert named["bad"].last is not None
    assert named["bad"].last.message == "No cohort."
    assert not named["bad"].has_folder


def test_nothing_at_all_is_an_empty_list(catalogue: RunCatalogue, workspace: Workspace) -> None:
    assert catalogue.measure() == ()
    assert not workspace.folder.exists()


def test_sizes_are_measured_on_demand_and_again_when_the_journal_grew(
    workspace: Workspace, catalogue: RunCatalogue
) -> None:
    run = make_run(workspace, "run", "cancelled")
    (entry,) = catalogue.read()
    assert entry.size_bytes is None
    assert entry.size_text == "…"
    (entry,) = catalogue.measure()
    before = entry.size_bytes
    assert before is not None
    (run.checkpoints / "last.ckpt").write_bytes(b"x" * 3_000_000)
    with closing(Journal(run.journal_file)) as journal:
        Reporter(sinks=[journal]).progress("train", 7, 10)
    (entry,) = catalogue.measure()
    assert entry.size_bytes is not None
    assert entry.size_bytes - before > 3_000_000
    assert entry.size_text.endswith(" MB")
    assert (entry.done, entry.state) == (7, "killed")


def test_a_resumed_run_takes_back_a_better_score_that_it_lost(
    workspace: Workspace, catalogue: RunCatalogue
) -> None:
    run = make_run(workspace, "run")
    with closing(Journal(run.journal_file)) as journal:
        Reporter(sinks=[journal]).metrics(3, {"label_free_score": 0.2})
    (entry,) = catalogue.read()
    assert entry.best_score == 0.2


def test_the_rest_of_a_run_that_waits_is_one_line(
    workspace: Workspace, catalogue: RunCatalogue
) -> None:
    make_run(workspace, "run", "cancelled")
    queue = RunQueue(workspace.folder)
    queue.add("run", ["train", "--run", str(workspace.runs / "run"), "--resume"])
    (entry,) = catalogue.read()
    assert (entry.state, entry.is_resumable, entry.has_folder) == ("queued", False, True)
    delete_run(workspace, entry)
    (entry,) = catalogue.read()
    assert entry.state == "cancelled"
    assert not queue.entries()


def test_what_is_no_run_is_not_listed(workspace: Workspace, catalogue: RunCatalogue) -> None:
    (workspace.runs / ".run.1234.deleted").mkdir(parents=True)
    (workspace.runs / "notes").mkdir()
    make_run(workspace, "run")
    assert [entry.name for entry in catalogue.read()] == ["run"]


@pytest.mark.parametrize(
    ("end", "batch"), [("out_of_memory", 4), ("", 4), ("storage", 8), ("cancelled", 8)]
)
def test_a_smaller_batch_is_suggested_where_memory_was_short(
    workspace: Workspace, catalogue: RunCatalogue, end: str, batch: int
) -> None:
    make_run(workspace, "run", end)
    (entry,) = catalogue.read()
    assert suggested_batch_size(entry) == batch
    assert resume_options(entry, 8) == ("--device", "cpu")
    assert resume_options(entry, 4) == ("--device", "cpu", "--batch-size", "4")


def test_a_duplicate_wishes_for_what_the_run_became(
    workspace: Workspace, catalogue: RunCatalogue, tmp_path: Path
) -> None:
    change = {"setting": "training.batch_size", "before": 8, "after": 2, "iteration": 4}
    make_run(workspace, "run", "done", changes=[change])
    (entry,) = catalogue.read()
    wishes = entry.wishes()
    assert wishes["overrides"] == ["method.iterations=10", "training.batch_size=2"]
    assert (wishes["method"], wishes["task"]["name"]) == ("dsan", "cardiac")
    (tmp_path / "cohort.json").write_text('{"task": {"name": "abdomen"}}')
    waiting = RunEntry(
        name="waits",
        folder=tmp_path,
        state="queued",
        arguments=("train", "--method=bigl", "--preset", "small", "--source", str(tmp_path),
                   "--override", "a.b=1", "--override=c.d=2"),
    )  # fmt: skip
    wishes = waiting.wishes()
    assert (wishes["method"], wishes["preset"]) == ("bigl", "small")
    assert wishes["task"] == {"name": "abdomen"}
    assert wishes["overrides"] == ["a.b=1", "c.d=2"]
    assert wishes["cohorts"] == {"source": {"path": str(tmp_path)}, "target": None}


def test_deleting_removes_the_folder_the_log_and_the_note_of_failure(
    workspace: Workspace, catalogue: RunCatalogue
) -> None:
    make_run(workspace, "run", "done")
    workspace.logs.mkdir()
    (workspace.logs / "run.log").write_text("words")
    (entry,) = catalogue.read()
    delete_run(workspace, entry)
    assert not list(workspace.runs.iterdir())
    assert not list(workspace.logs.iterdir())
    assert catalogue.read() == ()


def test_a_run_that_began_since_it_was_listed_is_not_deleted(
    workspace: Workspace, catalogue: RunCatalogue, other_process: subprocess.Popen[bytes]
) -> None:
    run = make_run(workspace, "run", "cancelled")
    (entry,) = catalogue.read()
    trained_by(run, other_process)
    with pytest.raises(RunError, match=f"being trained by process {other_process.pid}"):
        delete_run(workspace, entry)
    assert run.config_file.is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_elsewhere_is_not_followed(
    workspace: Workspace, catalogue: RunCatalogue, tmp_path: Path
) -> None:
    elsewhere = make_run(Workspace(tmp_path / "elsewhere"), "run", "done")
    workspace.runs.mkdir(parents=True)
    (workspace.runs / "run").symlink_to(elsewhere.path)
    (entry,) = catalogue.read()
    with pytest.raises(RunError, match="link"):
        delete_run(workspace, entry)
    assert elsewhere.config_file.is_file()


def test_the_report_goes_into_the_run(workspace: Workspace, catalogue: RunCatalogue) -> None:
    make_run(workspace, "run")
    (entry,) = catalogue.read()
    folder = str(workspace.runs / "run")
    expected = ("runs", "report", folder, "--output", f"{folder}/report.html", "--overwrite")
    assert report_arguments(entry) == expected
