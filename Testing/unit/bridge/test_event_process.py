"""A process that prints events."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from CrossModalSegLib.bridge.event_lines import encode_request
from CrossModalSegLib.bridge.event_process import TORN_SECONDS, EventProcess
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.processes import launch_process, library_environment


def started(command: list[str]) -> tuple[EventProcess, JobLog]:
    log = JobLog()
    return EventProcess(command, library_environment(), launch_process, log), log


def read_until(process: EventProcess, condition: Callable[[list[Any]], bool]) -> list[Any]:
    found: list[Any] = []
    end = time.monotonic() + 10
    while not condition(found):
        assert time.monotonic() < end, found
        found += process.events(0.01)
        time.sleep(0.01)
    return found


def test_a_cancel_is_remembered_until_the_job_has_ended(fake_worker: list[str]) -> None:
    process, _ = started(fake_worker)
    process.send(encode_request("a", "slow"))
    read_until(process, lambda found: any(event["job"] == "a" for event in found))
    process.ask_to_cancel("a", now=100.0)
    assert process.cancels_older_than(0.5, now=100.4) == ()
    assert process.cancels_older_than(0.5, now=100.6) == ("a",)
    found = read_until(process, bool)
    assert found[-1]["event"] == "cancelled"
    assert process.cancels_older_than(0.0, now=200.0) == ()
    process.ask_to_quit()
    read_until(process, lambda _: process.has_ended)
    assert process.exit_code == 0


def test_a_death_names_the_last_lines_and_all_others_are_in_the_log() -> None:
    program = (
        "import sys\nprint(0)\nfor i in range(20): print('e', i, file=sys.stderr)\nsys.exit(5)"
    )
    process, log = started([sys.executable, "-c", program])
    read_until(process, lambda _: process.has_ended)
    death = process.death_of("a")
    assert "exit code 5" in death["message"]
    assert "e 19" in death["message"]
    assert "e 2 " not in death["message"]
    assert log.count == 21


def test_what_a_dead_process_leaves_behind_is_killed_after_a_while() -> None:
    program = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    )
    process, _ = started([sys.executable, "-c", program])
    end = time.monotonic() + 10
    while process.exit_code is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.watch(now=0.0)
    process.watch(now=TORN_SECONDS / 2)
    assert not process.has_ended
    process.watch(now=TORN_SECONDS)
    read_until(process, lambda _: process.has_ended)


def test_events_are_yielded_and_everything_else_is_logged() -> None:
    event = {"v": 1, "job": "a", "event": "stage", "stage": "load", "total": None}
    program = f"print('hello'); print({json.dumps(event)!r})"
    process, log = started([sys.executable, "-c", program])
    assert read_until(process, lambda _: process.has_ended) == [event]
    assert [text for _, text in log.lines] == ["hello"]
