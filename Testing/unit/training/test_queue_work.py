"""Queues worked off, by small programs in place of the trainer and by the real one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import Cancelled, RunError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.training import queue_work
from CrossModalSegLib.training.queue_work import work_off
from CrossModalSegLib.training.run_folder import RunFolder
from CrossModalSegLib.training.run_queue import RunQueue

TRAINER = """
import json, pathlib, sys, time
options = sys.argv[1:]
run = pathlib.Path(options[options.index("--run") + 1])
kind = options[options.index("--preset") + 1]
def say(event, **more):
    print(json.dumps({"v": 1, "job": "train", "event": event, **more}), flush=True)
print("a remark", file=sys.stderr)
if kind == "bad":
    say("error", message="No labels.", hint="Add some.")
    sys.exit(1)
if kind == "dies":
    sys.exit(3)
if kind == "slow-start":
    time.sleep(60)
run.mkdir(parents=True, exist_ok=True)
(run / "config.json").write_text('{"v": 1}')
end = time.monotonic() + 60
while kind == "long" and time.monotonic() < end:
    control = run / "control.json"
    if control.exists() and "cancel" in control.read_text():
        say("cancelled")
        sys.exit(130)
    time.sleep(0.05)
say("done", outputs=[], summary={})
"""


@pytest.fixture
def queue(tmp_path: Path) -> RunQueue:
    return RunQueue(tmp_path)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    monkeypatch.setattr(queue_work, "LOOK_SECONDS", 0.05)
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER, encoding="utf-8")
    return sys.executable, str(script)


def add(queue: RunQueue, name: str, kind: str, *more: str) -> None:
    queue.add(name, ["train", "--run", str(queue.runs / name), "--preset", kind, *more])


def in_background(queue: RunQueue, reporter: Reporter, command: tuple[str, ...]) -> list[object]:
    """Work in a thread; the list gets the thread first and then how it ended."""
    ends: list[object] = []

    def work() -> None:
        try:
            ends.append(work_off(queue, reporter, command=command))
        except Cancelled as stopped:
            ends.append(stopped)

    thread = threading.Thread(target=work)
    thread.start()
    ends.append(thread)
    return ends


def join(ends: list[object]) -> object:
    thread = ends[0]
    assert isinstance(thread, threading.Thread)
    thread.join(20)
    assert not thread.is_alive()
    return ends[1]


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.02)


def test_runs_are_trained_one_after_another(queue: RunQueue, command: tuple[str, ...]) -> None:
    add(queue, "first", "good")
    add(queue, "second", "good")
    stages = []
    ends = work_off(queue, Reporter(sinks=[lambda e: stages.append(e["stage"])]), command=command)
    assert ends == {"first": "done", "second": "done"}
    assert stages == ["first", "second"]
    assert queue.entries() == []
    assert queue.worker() is None
    assert (queue.logs / "first.log").read_text(encoding="utf-8") == "a remark\n"


@pytest.mark.parametrize(("kind", "message"), [("bad", "No labels."), ("dies", "exit code 3")])
def test_a_run_that_fails_before_it_begins_is_kept_and_the_next_one_trained(
    queue: RunQueue, command: tuple[str, ...], kind: str, message: str
) -> None:
    add(queue, "first", kind)
    add(queue, "second", "good")
    ends = work_off(queue, silent_reporter(), command=command)
    assert ends == {"first": "error", "second": "done"}
    (failed,) = queue.failed()
    assert failed.name == "first"
    assert message in failed.error["message"]


def test_a_cancel_saves_the_present_run_and_leaves_the_others_waiting(
    queue: RunQueue, command: tuple[str, ...]
) -> None:
    add(queue, "first", "long")
    add(queue, "second", "good")
    reporter = Reporter()
    ends = in_background(queue, reporter, command)
    wait_for(queue.runs / "first" / "config.json")
    reporter.cancel.set()
    assert isinstance(join(ends), Cancelled)
    assert [entry.name for entry in queue.entries()] == ["second"]
    assert queue.worker() is None


def test_the_work_ends_with_its_companion(queue: RunQueue, command: tuple[str, ...]) -> None:
    companion = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    queue.set_companion(companion.pid)
    add(queue, "first", "long")
    add(queue, "second", "good")
    ends = in_background(queue, silent_reporter(), command)
    wait_for(queue.runs / "first" / "config.json")
    companion.kill()
    companion.communicate()
    assert join(ends) == {"first": "cancelled"}
    assert [entry.name for entry in queue.entries()] == ["second"]


def test_an_entry_withdrawn_while_it_starts_is_not_trained(
    queue: RunQueue, command: tuple[str, ...]
) -> None:
    add(queue, "first", "slow-start")
    ends = in_background(queue, silent_reporter(), command)
    wait_for(queue.logs / "first.log")
    queue.remove(queue.entries()[0])
    assert join(ends) == {"first": "withdrawn"}
    assert queue.failed() == []


def test_a_resumed_run_may_have_a_folder_and_a_new_one_may_not(
    queue: RunQueue, command: tuple[str, ...]
) -> None:
    for name in ("old", "resumed"):
        RunFolder.create(queue.runs / name, {"method": "dsan"})
    add(queue, "old", "good")
    add(queue, "resumed", "good", "--resume")
    assert work_off(queue, silent_reporter(), command=command) == {
        "old": "error",
        "resumed": "done",
    }
    assert queue.entries() == []


def test_two_do_not_work_off_one_queue(queue: RunQueue, command: tuple[str, ...]) -> None:
    add(queue, "first", "long")
    reporter = Reporter()
    ends = in_background(queue, reporter, command)
    wait_for(queue.runs / "first" / "config.json")
    with pytest.raises(RunError, match="worked off"):
        work_off(queue, silent_reporter(), command=command)
    reporter.cancel.set()
    join(ends)


def test_the_command_trains_what_waits(
    queue: RunQueue, cohorts: dict[str, Path], tiny_settings: tuple[str, ...]
) -> None:
    options = ["--method", "source_only", "--preset", "quick", "--source", str(cohorts["source"])]
    overrides = [each for text in tiny_settings for each in ("--override", text)]
    run = queue.runs / "first"
    queue.add(
        "first",
        ["train", "--run", str(run), *options, "--target", str(cohorts["target"]), *overrides],
    )
    finished = subprocess.run(
        [*queue_work.COMMAND, "runs", "work", str(queue.runs.parent), "--progress", "json"],
        capture_output=True,
        check=True,
    )
    last = json.loads(finished.stdout.splitlines()[-1])
    assert last["summary"]["runs"] == [{"run": "first", "end": "done"}]
    assert (run / "bundle" / "models").is_dir()
