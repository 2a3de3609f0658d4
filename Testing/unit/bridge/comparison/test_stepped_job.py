"""Jobs in steps: on the program's own thread, in another one, in a process."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.comparison.stepped_job import SteppedJob, Steps
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError, RunError
from CrossModalSegLib.core.events import Event

SAY = (
    "import json,sys,time\n"
    "what = sys.argv[1]\n"
    "print(json.dumps({'v': 1, 'job': 'main', 'event': 'stage', 'time': 0, 'stage': 's'}))\n"
    "sys.stdout.flush()\n"
    "time.sleep(60 if what == 'wait' else 0)\n"
    "print(json.dumps({'v': 1, 'job': 'main', 'event': what, 'time': 0, 'kind': 'k',\n"
    "                  'message': 'It broke.', 'hint': 'Mend it.'}))\n"
)


def make_job(arguments: Sequence[str], listen: Callable[[Event], None]) -> CommandJob:
    return CommandJob(arguments, listen, command=[sys.executable, "-c", SAY])


@pytest.fixture
def job() -> Iterator[SteppedJob]:
    job = SteppedJob(make_job=make_job)
    yield job
    job.shutdown()


class Ends:
    """What a job came to."""

    def __init__(self) -> None:
        self.results: list[Any] = []
        self.errors: list[Exception] = []


def finish(job: SteppedJob) -> None:
    end = time.monotonic() + 60
    while job.is_active:
        assert time.monotonic() < end, "the job does not end"
        job.poll()


def test_steps_run_here_and_work_runs_elsewhere(job: SteppedJob) -> None:
    ends, threads = Ends(), []

    def steps() -> Steps[int]:
        for _ in range(3):
            threads.append(threading.get_ident())
            yield True
        other = yield from job.in_thread(threading.get_ident)
        assert other != threading.get_ident()
        event = yield from job.run(["done"])
        assert event["event"] == "done"
        return 7

    job.start(steps(), ends.results.append, ends.errors.append)
    with pytest.raises(RunError):
        job.start(steps(), ends.results.append, ends.errors.append)
    finish(job)
    assert (ends.results, ends.errors) == ([7], [])
    assert set(threads) == {threading.get_ident()}


def test_a_poll_does_not_go_on_for_long(job: SteppedJob) -> None:
    def steps() -> Steps[None]:
        for _ in range(100):
            time.sleep(0.01)
            yield True

    job.start(steps(), print, print)
    begin = time.perf_counter()
    job.poll()
    assert time.perf_counter() - begin < 0.5
    assert job.is_active


def test_errors_of_threads_and_processes_are_told(job: SteppedJob) -> None:
    ends = Ends()

    def fails_in_a_thread() -> Steps[None]:
        yield from job.in_thread(lambda: 1 // 0)

    def fails_in_a_process() -> Steps[None]:
        yield from job.run(["error"])

    for steps in (fails_in_a_thread(), fails_in_a_process()):
        job.start(steps, ends.results.append, ends.errors.append)
        finish(job)
    assert isinstance(ends.errors[0], ZeroDivisionError)
    assert isinstance(ends.errors[1], CrossModalSegError)
    assert str(ends.errors[1]) == "It broke. Mend it."
    assert ends.results == []


def test_a_cancelled_job_ends_its_process_and_cleans_up(job: SteppedJob) -> None:
    ends, cleaned = Ends(), []

    def steps() -> Steps[None]:
        try:
            yield from job.run(["wait"])
        finally:
            cleaned.append(True)

    job.start(steps(), ends.results.append, ends.errors.append)
    for _ in range(10):
        job.poll()
    begin = time.perf_counter()
    job.cancel()
    assert time.perf_counter() - begin < 10  # the process would take 60
    assert not job.is_active
    assert cleaned == [True]
    assert isinstance(ends.errors[0], Cancelled)
    job.cancel()
    assert len(ends.errors) == 1
