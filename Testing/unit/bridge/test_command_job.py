"""A command of the library, as a real process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.core.events import Event

Poll = Callable[..., float]

COMMAND = """
import json, os, sys, threading, time

def send(event, **fields):
    line = {"v": 1, "job": "main", "event": event, "time": 0.0, **fields}
    print(json.dumps(line), flush=True)

what = sys.argv[1]
if what == "work":
    for done in range(500):
        send("progress", stage="work", done=done, total=500, eta_seconds=None)
    send("done", outputs=[], summary={"arguments": sys.argv[1:]})
elif what == "obey":
    send("stage", stage="work", total=None)
    request = json.loads(sys.stdin.readline())
    send("cancelled")
    sys.exit(130 if request["command"] == "cancel" else 1)
elif what == "deaf":
    send("stage", stage="work", total=None)
    time.sleep(60)
elif what == "linger":
    send("done", outputs=[], summary={})
    time.sleep(60)
elif what == "crash":
    sys.exit("RuntimeError: out of luck")
elif what == "interrupted":
    sys.exit(130)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "command.py"
    script.write_text(COMMAND, encoding="utf-8")
    return [sys.executable, "-u", str(script)]


def test_a_command_tells_progress_and_its_end_after_the_process_has_gone(
    command: list[str], poll_until: Poll
) -> None:
    events: list[Event] = []
    job = CommandJob(["work"], events.append, command=command)
    job.poll()  # before its start nothing happens
    job.start()
    assert job.is_running
    poll_until(job, lambda: not job.is_running)
    assert [event["event"] for event in events].count("done") == 1
    assert events[-1]["summary"]["arguments"] == ["work", "--progress", "json"]
    assert events[-2]["done"] == 499
    assert len(events) < 400


def test_a_command_obeys_cancel(command: list[str], poll_until: Poll) -> None:
    events: list[Event] = []
    job = CommandJob(["obey"], events.append, command=command)
    job.start()
    poll_until(job, lambda: events)
    job.cancel()
    job.cancel()
    assert poll_until(job, lambda: not job.is_running) < 2.0
    assert [event["event"] for event in events] == ["stage", "cancelled"]


@pytest.mark.parametrize(("what", "ending"), [("deaf", "cancelled"), ("linger", "done")])
def test_a_command_that_does_not_end_is_killed(
    command: list[str], poll_until: Poll, what: str, ending: str
) -> None:
    skipped = 0.0
    events: list[Event] = []
    job = CommandJob(
        [what], events.append, command=command, clock=lambda: time.monotonic() + skipped
    )
    job.start()
    poll_until(job, lambda: events or job._end)
    if what == "deaf":
        job.cancel()
    for _ in range(20):
        job.poll()
    assert job.is_running
    skipped = 5.0
    poll_until(job, lambda: not job.is_running)
    assert events[-1]["event"] == ending


@pytest.mark.parametrize(("what", "kind"), [("crash", "error"), ("interrupted", "cancelled")])
def test_a_command_that_ends_without_a_word_still_has_an_end(
    command: list[str], poll_until: Poll, what: str, kind: str
) -> None:
    events: list[Event] = []
    job = CommandJob([what], events.append, command=command)
    job.start()
    poll_until(job, lambda: not job.is_running)
    assert [event["event"] for event in events] == [kind]
    assert what != "crash" or "out of luck" in events[0]["message"]


def test_a_command_that_cannot_be_started_says_so_in_a_poll(tmp_path: Path) -> None:
    events: list[Event] = []
    job = CommandJob(["work"], events.append, command=[str(tmp_path / "nothing")])
    job.start()
    assert events == []
    assert job.is_running
    job.poll()
    assert [event["event"] for event in events] == ["error"]
    assert not job.is_running


def test_shutdown_ends_a_command_that_does_not_listen(command: list[str]) -> None:
    events: list[Event] = []
    job = CommandJob(["deaf"], events.append, command=command)
    job.start()
    job.shutdown(0.3)
    assert not job.is_running
    assert events[-1]["event"] == "cancelled"


def test_a_real_command_of_the_library_runs(poll_until: Poll, tmp_path: Path) -> None:
    events: list[Event] = []
    arguments = ["phantom", "cardiac", "--modality", "ct", "--subjects", "1"]
    arguments += ["--matrix", "8", "8", "8", "--spacing", "20", "20", "20"]
    job = CommandJob([*arguments, "--output", str(tmp_path / "näme")], events.append)
    job.start()
    poll_until(job, lambda: not job.is_running, 60.0)
    assert events[-1]["event"] == "done", json.dumps(events[-1])
    assert list((tmp_path / "näme").glob("*/image.nii.gz"))
