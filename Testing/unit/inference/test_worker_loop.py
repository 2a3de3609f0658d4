"""The loop of a worker, with jobs that do nothing but wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest

from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError, InputFileError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.inference.worker_loop import WorkerLoop
from CrossModalSegLib.inference.worker_requests import Request, WarmUpArguments

SECONDS = 10.0
TERMINAL = {"done", "error", "cancelled"}


class Worker:
    """A loop in a thread. The model that is asked for says what becomes of a job."""

    def __init__(self, **options: Any) -> None:
        self.events: list[Event] = []
        self.cancel = CancelToken()
        self.raised: list[BaseException] = []
        self.listeners: list[threading.Thread] = []
        """Those that listened still when the loop was over."""
        self.may_go_on = threading.Event()
        self.gave_up = threading.Event()
        self._heard = threading.Condition()
        self._reading, self._writing = os.pipe()
        grace_seconds = options.pop("grace_seconds", SECONDS)
        self._loop = WorkerLoop(
            self._run, self._hear, explain, self.cancel, give_up=self.gave_up.set
        )
        self.thread = threading.Thread(target=self._work, args=(grace_seconds,))

    def __enter__(self) -> Self:
        self.thread.start()
        self.wait_for(lambda event: event["event"] == "stage")
        return self

    def __exit__(self, *_: object) -> None:
        self.may_go_on.set()
        self.end_input()
        self.thread.join(SECONDS)
        os.close(self._reading)
        assert not self.thread.is_alive()

    def end_input(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None  # type: ignore[assignment]

    def send(self, job: str, command: str, model: str = "") -> None:
        arguments = {"model": model} if model else {}
        self.send_line(
            json.dumps({"v": 1, "job": job, "command": command, "arguments": arguments}).encode()
        )

    def send_line(self, line: bytes) -> None:
        os.write(self._writing, line + b"\n")

    def wait_for(self, wanted: Callable[[Event], bool]) -> Event:
        def first() -> Event | None:
            return next(filter(wanted, self.events), None)

        with self._heard:
            event = self._heard.wait_for(first, SECONDS)
        assert event is not None, self.events
        return event

    def end_of(self, job: str) -> Event:
        return self.wait_for(lambda e: e["job"] == job and e["event"] in TERMINAL)

    def ends(self) -> list[tuple[str, str]]:
        return [(e["job"], e["event"]) for e in self.events if e["event"] in TERMINAL]

    def _work(self, grace_seconds: float) -> None:
        try:
            self._loop.run(self._reading, grace_seconds)
        except BaseException as error:  # noqa: BLE001
            self.raised.append(error)
        self.listeners = [t for t in threading.enumerate() if t.name == "requests"]

    def _hear(self, event: Event) -> None:
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()

    def _run(self, request: Request, reporter: Reporter) -> None:
        assert isinstance(request.arguments, WarmUpArguments)
        reporter.stage(request.arguments.model)
        if request.arguments.model == "bad":
            raise InputFileError("It is damaged.", hint="Get it again.")
        if request.arguments.model == "unforeseen":
            raise ZeroDivisionError("by zero")
        while request.arguments.model == "long" and not self.may_go_on.is_set():
            reporter.check_cancelled()
            time.sleep(0.005)
        if request.arguments.model == "deaf":
            self.may_go_on.wait(SECONDS)
        reporter.done([], {})


def explain(error: Exception) -> CrossModalSegError:
    if isinstance(error, CrossModalSegError):
        return error
    return CrossModalSegError(f"{type(error).__name__}: {error}")


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as running:
        yield running


def test_the_first_event_says_that_jobs_are_taken(worker: Worker) -> None:
    first = worker.events[0]
    assert (first["job"], first["event"], first["stage"]) == ("worker", "stage", "ready")
    assert first["total"] is None


def test_jobs_run_one_after_another_and_bad_ones_hurt_no_other(worker: Worker) -> None:
    for job, model in (("a", "quick"), ("b", "bad"), ("c", "unforeseen"), ("d", "quick")):
        worker.send(job, "warm_up", model)
    worker.end_of("d")
    assert worker.ends() == [("a", "done"), ("b", "error"), ("c", "error"), ("d", "done")]
    failed = worker.end_of("b")
    assert (failed["kind"], failed["message"]) == ("input_file", "It is damaged.")
    assert failed["hint"] == "Get it again."
    assert "ZeroDivisionError" in worker.end_of("c")["message"]


def test_a_running_job_is_cancelled_and_the_next_one_runs(worker: Worker) -> None:
    worker.send("a", "warm_up", "long")
    worker.send("b", "warm_up", "quick")
    worker.wait_for(lambda e: e["event"] == "stage" and e["stage"] == "long")
    worker.send("a", "cancel")
    worker.end_of("b")
    assert worker.ends() == [("a", "cancelled"), ("b", "done")]


def test_a_waiting_job_is_cancelled_at_once_and_never_begins(worker: Worker) -> None:
    worker.send("a", "warm_up", "long")
    worker.send("b", "warm_up", "quick")
    worker.send("b", "cancel")
    assert worker.end_of("b")["event"] == "cancelled"
    assert worker.ends() == [("b", "cancelled")]  # while the first one still runs
    worker.may_go_on.set()
    worker.end_of("a")
    assert [e["stage"] for e in worker.events if e["event"] == "stage"] == ["ready", "long"]


def test_cancelling_what_is_not_there_does_nothing(worker: Worker) -> None:
    worker.send("a", "warm_up", "quick")
    worker.end_of("a")
    for job in ("a", "nobody"):
        worker.send(job, "cancel")
    worker.send("b", "warm_up", "quick")
    worker.end_of("b")
    assert worker.ends() == [("a", "done"), ("b", "done")]


def test_nonsense_is_answered_and_the_worker_lives_on(worker: Worker) -> None:
    for line in (b"garbage", b"\xff\xfe", b"", b"  ", b'{"v":1,"job":"x","command":"sing"}'):
        worker.send_line(line)
    worker.send("b", "warm_up", "quick")
    worker.end_of("b")
    assert worker.ends() == [
        ("worker", "error"),
        ("worker", "error"),
        ("x", "error"),
        ("b", "done"),
    ]


def test_a_name_that_is_taken_does_not_end_the_job_that_has_it(worker: Worker) -> None:
    worker.send("a", "warm_up", "long")
    worker.send("a", "warm_up", "quick")
    worker.send("a", "sing")
    worker.wait_for(lambda e: "No command" in e.get("message", ""))
    assert worker.ends() == [("worker", "error"), ("worker", "error")]
    worker.may_go_on.set()
    assert worker.end_of("a")["event"] == "done"


def test_a_name_may_be_used_again_as_soon_as_its_job_has_ended(worker: Worker) -> None:
    for count in range(1, 40):
        worker.send("a", "warm_up", "quick")
        worker.wait_for(lambda _, count=count: len(worker.ends()) == count)  # type: ignore[misc]
    assert set(worker.ends()) == {("a", "done")}


@pytest.mark.parametrize("how", ["quit", "end of input"])
def test_at_the_end_everything_is_cancelled(how: str) -> None:
    with Worker() as worker:
        worker.send("a", "warm_up", "long")
        worker.send("b", "warm_up", "quick")
        worker.wait_for(lambda e: e["event"] == "stage" and e["stage"] == "long")
        if how == "quit":
            worker.send("worker", "quit")
        else:
            worker.end_input()
        worker.thread.join(SECONDS)
        assert not worker.thread.is_alive()
        assert sorted(worker.ends()) == [("a", "cancelled"), ("b", "cancelled")]
        assert worker.raised == []
        assert worker.listeners == []  # one that wakes up while Python ends aborts the process
        assert not worker.gave_up.is_set()


def test_a_job_that_does_not_stop_does_not_outlive_its_time() -> None:
    with Worker(grace_seconds=0.05) as worker:
        worker.send("a", "warm_up", "deaf")
        worker.wait_for(lambda e: e["event"] == "stage" and e["stage"] == "deaf")
        worker.end_input()
        assert worker.gave_up.wait(SECONDS)


def test_a_signal_to_the_program_cancels_the_job_and_ends_the_loop() -> None:
    with Worker() as worker:
        worker.send("a", "warm_up", "long")
        worker.wait_for(lambda e: e["event"] == "stage" and e["stage"] == "long")
        worker.cancel.set()
        worker.thread.join(SECONDS)
        assert worker.ends() == [("a", "cancelled")]
        assert isinstance(worker.raised[0], Cancelled)


def test_the_loop_is_there_before_torch() -> None:
    program = (
        "import sys, CrossModalSegLib.inference.worker_loop as _\n"
        "import CrossModalSegLib.inference.worker_jobs\n"
        "heavy = {'torch', 'SimpleITK', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
