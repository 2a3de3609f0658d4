"""The loop of a worker: one thread listens, the main thread works; torch is not imported here."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, Sink
from CrossModalSegLib.inference.worker_queue import Job, JobQueue
from CrossModalSegLib.inference.worker_requests import (
    CANCEL,
    QUIT,
    WORKER,
    Request,
    RequestError,
    read_lines,
    read_request,
)

READY = "ready"
"""Stage of the event that says that jobs are taken."""

GRACE_SECONDS = 10.0
"""How long a job may take to stop when the worker is to end; then the process ends anyway."""

_POLL_SECONDS = 0.25
"""How soon a signal is seen while there is nothing to do."""

Run = Callable[[Request, Reporter], None]
"""Does a job and reports `done`."""

Explain = Callable[[Exception], CrossModalSegError]
"""Says in words for users what went wrong."""


class WorkerLoop:
    """Takes jobs from a file descriptor and runs them one after another.

    Every job ends with exactly one of the events done, error and cancelled. A line that is no
    request is an error event and nothing more.

    Args:
        run: Does one job.
        sink: Gets all events, one at a time.
        explain: Called with what a job raised.
        cancel: Asks the whole program to stop.
        give_up: Ends the process when a job does not stop; replaced in tests.
    """

    def __init__(
        self,
        run: Run,
        sink: Sink,
        explain: Explain,
        cancel: CancelToken,
        give_up: Callable[[], None] = lambda: os._exit(0),
    ) -> None:
        self._do = run
        self._sink = _one_at_a_time(sink)
        self._explain = explain
        self._cancel = cancel
        self._give_up = give_up
        self._reporter = Reporter(WORKER, [self._sink], cancel)
        self._queue = JobQueue(on_dropped=lambda job: job.reporter.cancelled())
        self._has_ended = threading.Event()

    def run(self, descriptor: int, grace_seconds: float = GRACE_SECONDS) -> None:
        """Work until the end of the input or the command to quit.

        Args:
            descriptor: Where requests come from.
            grace_seconds: As `GRACE_SECONDS`.

        Raises:
            Cancelled: The program was asked to stop, by a signal for example.
        """
        listener = threading.Thread(
            target=self._listen, args=(descriptor, grace_seconds), name="requests", daemon=True
        )
        listener.start()
        self._reporter.stage(READY)
        try:
            while not self._queue.is_closed:
                self._reporter.check_cancelled()
                job = self._queue.take(_POLL_SECONDS)
                if job is not None:
                    self._run_job(job)
        finally:
            heard_the_end = self._queue.is_closed
            self._queue.close()
            self._has_ended.set()
            if heard_the_end:  # it must not wake up while Python ends
                listener.join()

    def _run_job(self, job: Job) -> None:
        reporter = job.reporter
        try:
            reporter.check_cancelled()
            self._do(job.request, reporter)
        except Cancelled:
            reporter.cancelled()
        except Exception as error:  # noqa: BLE001  (a bad job is not the worker's death)
            reporter.error(self._explain(error))

    def _listen(self, descriptor: int, grace_seconds: float) -> None:
        for line in read_lines(descriptor):
            if line.strip() and not self._obey(line):
                break
        self._queue.close()
        if not self._has_ended.wait(grace_seconds):
            self._give_up()

    def _obey(self, line: bytes) -> bool:
        """Do what a line asks for; return False if it is to quit."""
        try:
            request = read_request(line)
        except RequestError as error:
            job = WORKER if self._queue.holds(error.job) else error.job  # that one goes on
            Reporter(job, [self._sink]).error(error)
            return True
        if request.command == QUIT:
            return False
        if request.command == CANCEL:
            self._queue.cancel(request.job)
        elif not self._queue.add(Job(request, self._sink, self._cancel, self._queue.finish)):
            self._reporter.error(
                RequestError(
                    f"There is a job {request.job!r} already.",
                    hint="Give each job a name of its own.",
                )
            )
        return True


def _one_at_a_time(sink: Sink) -> Sink:
    """Return a sink that several threads may call."""
    lock = threading.Lock()

    def send(event: Event) -> None:
        with lock:
            sink(event)

    return send
