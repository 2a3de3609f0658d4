"""Measurements and progress in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.bridge.training.estimate import EstimateJob, duration_text, estimate_text
from CrossModalSegLib.bridge.training.progress_texts import memory_text, progress_text, queue_text
from CrossModalSegLib.bridge.training.run_list import find_runs
from CrossModalSegLib.bridge.training.run_log import RunLog
from CrossModalSegLib.bridge.training.run_monitor import MemoryUse
from CrossModalSegLib.bridge.training.training_request import TrainingRequest
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError

SUMMARY = {
    "device": "cuda:0",
    "iterations": 1000,
    "measured_iterations": 10,
    "seconds_per_iteration": {"warm_up": 0.25, "adapt": 0.5},
    "total_seconds": 5400,
    "memory_mib": 2048,
    "gpu_memory_mib": 512,
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45, "45 s"), (720, "12 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")],
)
def test_times_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_an_estimate_says_what_was_measured() -> None:
    text = estimate_text(SUMMARY)
    assert text.startswith("About 90 min for 1000 iterations on cuda:0, 2.0 GiB of memory and 0.5")
    assert "Measured over 10 iterations (one takes: warm_up 0.25 s, adapt 0.5 s)" in text
    assert "GPU" not in estimate_text({**SUMMARY, "gpu_memory_mib": None})


class Job:
    """A command of which a test says what it answers."""

    last: Job

    def __init__(self, arguments: list[str], on_event: Any) -> None:
        self.arguments, self.on_event = arguments, on_event
        self.is_running = False
        Job.last = self

    def start(self) -> None:
        """Begin."""
        self.is_running = True

    def cancel(self) -> None:
        """Nothing happens at once."""

    def poll(self) -> None:
        """Nothing happens by itself."""

    def end(self, event: dict[str, Any]) -> None:
        """Tell an end."""
        self.is_running = False
        self.on_event(event)


def test_a_measurement_is_replaced_by_the_next_and_ends_in_words(tmp_path: Path) -> None:
    texts: list[str] = []
    errors: list[CrossModalSegError] = []
    job = EstimateJob(Workspace(tmp_path), texts.append, errors.append, make_job=Job)  # type: ignore[arg-type]
    request = TrainingRequest(task="cardiac", method="dsan", preset="quick", source=tmp_path)
    job.start(request)
    first = Job.last
    assert first.arguments[-1] == "--estimate"
    job.start(request)
    first.end({"event": "cancelled"})
    job.poll()
    assert errors == []
    assert job.is_running
    Job.last.end({"event": "done", "summary": SUMMARY})
    assert texts == [estimate_text(SUMMARY)]
    job.start(request)
    Job.last.end({"event": "error", "message": "No labels.", "hint": ""})
    assert str(errors[0]) == "No labels."
    job.poll()
    assert not job.is_busy


def test_progress_says_iteration_stage_and_time() -> None:
    log = RunLog()
    assert progress_text(log) == ""
    for event in (
        {"event": "stage", "stage": "adapt", "total": 100},
        {"event": "stage", "stage": "train", "total": 100},
        {"event": "progress", "stage": "train", "done": 20, "total": 100, "eta_seconds": 300.0},
    ):
        log.take({"v": 1, "job": "main", "time": 0.0, **event})
    assert progress_text(log) == "Iteration 20 of 100, stage adapt, about 5 min left"
    log.take({"v": 1, "job": "main", "time": 0.0, "event": "done", "outputs": [], "summary": {}})
    assert progress_text(log) == "Iteration 100 of 100"


def test_memory_and_queue_are_said_if_there_is_something_to_say() -> None:
    assert memory_text(MemoryUse()) == ""
    assert memory_text(MemoryUse(1536, 512)) == "Memory: 1.5 GiB, 0.5 GiB on the GPU"
    assert queue_text(0, is_working=True) == ""
    assert queue_text(1, is_working=True) == "1 run waits for the one that is trained."
    assert queue_text(2, is_working=False) == "2 runs wait; nothing is trained."


def test_runs_are_found_newest_first(tmp_path: Path) -> None:
    import os

    assert find_runs(tmp_path / "none") == ()
    for number, name in enumerate(("old", "new", ".aside")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", encoding="utf-8")
        os.utime(tmp_path / name / "config.json", (number, number))
    (tmp_path / "no run").mkdir()
    (tmp_path / "old" / "run.lock").touch()
    assert [(run.name, run.is_locked) for run in find_runs(tmp_path)] == [
        ("new", False),
        ("old", True),
    ]
