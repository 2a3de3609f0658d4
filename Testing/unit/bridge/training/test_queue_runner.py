"""The process that works off the queue: begun when it is needed, once, and given up if it dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from CrossModalSegLib.bridge.training import queue_runner
from CrossModalSegLib.bridge.training.queue_runner import MAX_STARTS, QueueRunner
from CrossModalSegLib.bridge.training.training_request import TrainingRequest
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import RunError

DIES = "import sys; print('no such thing', file=sys.stderr); sys.exit(1)"
NOTES_AND_WAITS = """
import pathlib, sys, time
workspace = pathlib.Path(sys.argv[3])
(workspace / "started.txt").open("a").write(" ".join(sys.argv[1:]) + "\\n")
time.sleep(60)
"""


def make(folder: Path, script: str) -> QueueRunner:
    file = folder / "program.py"
    file.write_text(script, encoding="utf-8")
    times = iter(range(0, 100_000, 10))  # so that every poll looks
    return QueueRunner(
        Workspace(folder / "training"),
        command=[sys.executable, str(file)],
        clock=lambda: float(next(times)),
    )


def request(name: str = "") -> TrainingRequest:
    return TrainingRequest(
        task="cardiac", method="dsan", preset="quick", source=Path("a"), target=Path("b"), name=name
    )


def poll_until(runner: QueueRunner, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        runner.poll()
        time.sleep(0.05)


@pytest.fixture
def lasting(tmp_path: Path) -> QueueRunner:
    return make(tmp_path, NOTES_AND_WAITS)


def said_problem(runner: QueueRunner) -> str:
    return str(runner.problem)


def end(runner: QueueRunner) -> None:
    process = runner._process
    assert process is not None
    process.kill()
    process.wait()


def test_one_process_is_started_for_several_runs(lasting: QueueRunner) -> None:
    name = lasting.add(request())
    assert name == "cardiac_dsan"
    lasting.add(request("second"))
    started = lasting.workspace.folder / "started.txt"
    poll_until(lasting, started.exists)
    for _ in range(5):
        lasting.poll()
    folder = lasting.workspace.folder
    (said,) = started.read_text(encoding="utf-8").splitlines()
    assert said == f"runs work {folder} --progress silent"
    assert [entry.name for entry in lasting.waiting] == [name, "second"]
    assert lasting.is_working
    end(lasting)


def test_it_ends_with_this_program_if_it_shall(lasting: QueueRunner) -> None:
    import os

    lasting.keeps_running = False
    lasting.add(request())
    started = lasting.workspace.folder / "started.txt"
    poll_until(lasting, started.exists)
    assert f"--with-process {os.getpid()}" in started.read_text(encoding="utf-8")
    lasting.keep_running(is_kept=True)
    assert not lasting.queue.companion_file.exists()
    lasting.keep_running(is_kept=False)
    assert lasting.queue.companion_file.exists()
    assert not lasting.queue.is_forsaken()
    end(lasting)


def test_a_process_that_dies_again_and_again_is_given_up_with_its_last_words(
    tmp_path: Path,
) -> None:
    runner = make(tmp_path, DIES)
    runner.add(request())
    poll_until(runner, lambda: said_problem(runner) != "None")
    assert "no such thing" in str(runner.problem)
    assert runner._starts.count(runner.waiting[0].file) == MAX_STARTS
    runner.queue.remove(runner.waiting[0])
    runner.start()
    assert said_problem(runner) == "None"


def test_what_waits_from_before_is_trained_only_when_asked_for(lasting: QueueRunner) -> None:
    lasting.queue.add("old", ["train"])
    lasting.poll()
    assert [entry.name for entry in lasting.waiting] == ["old"]
    working = [lasting.is_working]
    lasting.start()
    working.append(lasting.is_working)
    assert working == [False, True]
    end(lasting)


def test_a_run_that_waits_can_be_withdrawn(lasting: QueueRunner) -> None:
    lasting.queue.add("old", ["train"])
    assert lasting.withdraw("old")
    assert not lasting.withdraw("old")
    lasting.poll()
    assert lasting.waiting == ()


def test_a_taken_name_is_refused(lasting: QueueRunner) -> None:
    lasting.queue.add("old", ["train"])
    with pytest.raises(RunError, match="old-2"):
        lasting.add(request("old"))


def test_a_program_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    runner = QueueRunner(Workspace(tmp_path), command=[str(tmp_path / "nothing")])
    runner.add(request())
    assert "could not be worked off" in str(runner.problem)
    assert queue_runner.LOG_NAME in str(runner.log_file)
