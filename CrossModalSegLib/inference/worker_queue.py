"""The jobs of a worker: one runs, others wait, any can be cancelled, by any thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from CrossModalSegLib.core.events import CancelToken, Event, Reporter, Sink
from CrossModalSegLib.inference.worker_requests import Request

TERMINAL_EVENTS = frozenset({"done", "error", "cancelled"})
"""Each job ends with exactly one of them."""


class LinkedToken(CancelToken):
    """A wish to stop one job, or the whole program."""

    def __init__(self, program: CancelToken) -> None:
        super().__init__()
        self._program = program

    def is_set(self) -> bool:
        """Tell whether the job or the program was asked to stop."""
        return super().is_set() or self._program.is_set()


class Job:
    """A request and where its events go.

    Args:
        request: What is asked for.
        sink: Gets the events.
        program: Asks the whole program to stop.
        on_end: Called before the last event is sent: who hears it may use the name again.
    """

    def __init__(
        self, request: Request, sink: Sink, program: CancelToken, on_end: Callable[[Job], None]
    ) -> None:
        self.request = request
        self._on_end = on_end
        self.reporter = Reporter(request.job, [self._note_end, sink], LinkedToken(program))

    def _note_end(self, event: Event) -> None:
        if event["event"] in TERMINAL_EVENTS:
            self._on_end(self)


class JobQueue:
    """Jobs in the order in which they came.

    Args:
        on_dropped: Called for each job that was cancelled before it began.
    """

    def __init__(self, on_dropped: Callable[[Job], None]) -> None:
        self._on_dropped = on_dropped
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._is_closed = False

    def add(self, job: Job) -> bool:
        """Queue a job; return False if there is one of that name, or if the queue is closed."""
        name = job.request.job
        with self._changed:
            if self._is_closed or self._named(name) is not None:
                return False
            self._waiting.append(job)
            self._changed.notify_all()
        return True

    def take(self, seconds: float) -> Job | None:
        """Return the next job, which runs from now on; None if none comes within a time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed, seconds)
            if not self._waiting:
                return None
            self._running = self._waiting.popleft()
            return self._running

    def finish(self, job: Job) -> None:
        """Note that a job runs no longer."""
        with self._changed:
            if job is self._running:
                self._running = None

    def holds(self, name: str) -> bool:
        """Tell whether a job of that name waits or runs."""
        with self._changed:
            return self._named(name) is not None

    def cancel(self, name: str) -> None:
        """Ask the running job to stop, or drop a waiting one; of others nothing is known."""
        with self._changed:
            job = self._named(name)
            if job is None:
                return
            job.reporter.cancel.set()
            if job is self._running:
                return
            self._waiting.remove(job)
        self._on_dropped(job)

    def close(self) -> None:
        """Cancel everything and take nothing more."""
        with self._changed:
            self._is_closed = True
            if self._running is not None:
                self._running.reporter.cancel.set()
            dropped = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for job in dropped:
            self._on_dropped(job)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come."""
        with self._changed:
            return self._is_closed

    def _named(self, name: str) -> Job | None:
        jobs = [*self._waiting, *([self._running] if self._running else [])]
        return next((job for job in jobs if job.request.job == name), None)
