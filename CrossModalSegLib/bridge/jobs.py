"""Jobs of the library's worker: a process that keeps models warm, driven from any event loop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.bridge.event_lines import (
    WORKER_DIED,
    cancelled_event,
    encode_request,
    error_event,
    is_terminal,
    is_update_of,
)
from CrossModalSegLib.bridge.event_process import EventProcess
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.processes import (
    Launch,
    launch_process,
    library_command,
    library_environment,
)
from CrossModalSegLib.core.events import Event

YIELD_SECONDS = 0.001
"""Given to the reader threads at each poll: inside Slicer, Qt's loop runs with Python's lock."""

READ_SECONDS = 0.01
TELL_SECONDS = 0.01
"""Longest time of a poll for either; the rest waits for the next one."""

CANCEL_ANSWER_SECONDS = 0.6
"""A job whose worker has not confirmed by then is told to be cancelled all the same."""

CANCEL_OBEY_SECONDS = 5.0
"""A worker that has not confirmed by then is stuck, and killed."""

MAX_TIMES_SENT = 2

STOPPED = "The worker was stopped while this job waited, as another one could not be cancelled."

OnEvent = Callable[[Event], None]


@dataclass(eq=False)
class _Job:
    """One job from its submission until its end was told.

    Attributes:
        name: Its identifier.
        line: The request.
        on_event: Who wants to know.
        worker: Who was asked last.
        times_sent: To how many workers.
        is_cancelled: Whether it is to end with `cancelled`, whatever the worker says.
        has_ended: Whether its end is known; it may not have been told yet.
    """

    name: str
    line: bytes
    on_event: OnEvent
    worker: EventProcess | None = None
    times_sent: int = 0
    is_cancelled: bool = False
    has_ended: bool = False


class WorkerJobs:
    """Runs the library's worker and hands its events to whoever asked.

    Call `poll` every 20 to 50 ms: nothing is told at any other time. Each job ends with exactly
    one of `done`, `error` and `cancelled`, also if the worker dies.

    Args:
        command: Starts the worker; by default that of this library.
        environment: Of the worker; by default this process's, so that it finds the library.
        launch: Starts a process.
        clock: Seconds, for time limits.
    """

    def __init__(
        self,
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        launch: Launch = launch_process,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = JobLog()
        self._command = command
        self._environment = environment
        self._launch = launch
        self._clock = clock
        self._count = 0
        self._jobs: dict[str, _Job] = {}
        self._worker: EventProcess | None = None
        self._workers: list[EventProcess] = []
        """The present one and those that were dismissed and are not gone yet."""
        self._events: deque[tuple[_Job, Event]] = deque()

    @property
    def active_jobs(self) -> tuple[str, ...]:
        """Jobs whose end was not told yet, in order."""
        return tuple(self._jobs)

    @property
    def is_running(self) -> bool:
        """Whether there is a worker."""
        return self._worker is not None and self._worker.is_alive

    def submit(self, command: str, arguments: Mapping[str, Any], on_event: OnEvent) -> str:
        """Queue a job, start a worker if there is none, and return the job's identifier at once.

        Args:
            command: What the worker is to do.
            arguments: Its arguments, as JSON knows them.
            on_event: Called from `poll` with each event of the job.

        Raises:
            TypeError: An argument is nothing that JSON knows.
            ValueError: A number is not finite.
        """
        name = f"{command}-{self._count + 1}"
        job = _Job(name, encode_request(name, command, dict(arguments)), on_event)
        self._count += 1
        self._jobs[name] = job
        self._send(job)
        return name

    def cancel(self, job: str) -> None:
        """Ask for the end of a job; a later `poll` tells it. A job that has ended stays so."""
        found = self._jobs.get(job)
        if found is None or found.is_cancelled:
            return
        found.is_cancelled = True
        self.log.add(f"{job}: cancel")
        if found.worker is not None and not found.has_ended:
            found.worker.ask_to_cancel(job, self._clock())

    def poll(self) -> None:
        """Tell what has happened since the last call, for some 20 ms at most."""
        if not self._jobs and not self._workers:
            return
        time.sleep(YIELD_SECONDS)
        for worker in list(self._workers):
            self._read(worker)
            self._watch(worker)
        self._tell(TELL_SECONDS)

    def restart(self) -> None:
        """Kill the worker; its jobs end as cancelled, and the next job starts a new one."""
        self._cancel_all()
        if self._worker is not None:
            self.log.add("The worker was stopped; the next job starts a new one.")
            self._dismiss(self._worker)

    def shutdown(self, seconds: float = 3.0) -> None:
        """End everything: jobs are told to be cancelled, the worker quits or else is killed.

        Args:
            seconds: How long the worker may take.
        """
        self._cancel_all()
        self._tell(float("inf"))
        if self._worker is not None:
            self._worker.ask_to_quit()
            self._worker = None
        self._wait_for_workers(seconds)
        for worker in self._workers:
            worker.kill(seconds=1.0)
        self._wait_for_workers(1.0)
        self._workers.clear()

    def _send(self, job: _Job) -> None:
        try:
            job.worker = self._present_worker()
        except OSError as error:
            message = f"The worker could not be started: {error}."
            hint = "Install the packages again, or reinstall the extension."
            self._end(job, error_event(job.name, WORKER_DIED, message, hint))
            return
        job.times_sent += 1
        job.worker.send(job.line)

    def _present_worker(self) -> EventProcess:
        """Return the worker, a new one if there is none or it has died."""
        if self._worker is None or not self._worker.is_alive:
            command = self._command or library_command("worker")
            environment = self._environment or library_environment()
            self._worker = EventProcess(command, environment, self._launch, self.log)
            self._workers.append(self._worker)
            self.log.add(f"A worker was started (process {self._worker.pid}).")
        return self._worker

    def _read(self, worker: EventProcess) -> None:
        """Queue events for their jobs; those that nobody waits for any more are dropped."""
        for event in worker.events(READ_SECONDS):
            job = self._jobs.get(event["job"])
            if job is None:
                self.log.add_event(event)
            elif job.worker is worker and not job.has_ended:
                self._queue(job, event)

    def _queue(self, job: _Job, event: Event) -> None:
        job.has_ended = is_terminal(event)
        if self._events and is_update_of(event, self._events[-1][1]):
            self._events.pop()
        self._events.append((job, event))

    def _end(self, job: _Job, event: Event) -> None:
        if not job.has_ended:
            self._queue(job, event)

    def _cancel_all(self) -> None:
        for job in list(self._jobs.values()):
            job.is_cancelled = True
            self._end(job, cancelled_event(job.name))

    def _tell(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while self._events and time.perf_counter() < end:
            job, event = self._events.popleft()
            if is_terminal(event):
                self._jobs.pop(job.name, None)
                if job.is_cancelled:
                    event = cancelled_event(job.name)
            elif job.is_cancelled:
                continue
            self.log.add_event(event)
            try:
                job.on_event(event)
            except Exception as error:  # noqa: BLE001  (one listener's fault is not another's)
                self.log.add_error(f"{job.name}: {type(error).__name__}: {error}")

    def _watch(self, worker: EventProcess) -> None:
        """See to it that what was asked for happens in time, and that a death is noticed."""
        now = self._clock()
        for name in worker.cancels_older_than(CANCEL_ANSWER_SECONDS, now):
            if job := self._jobs.get(name):
                self._end(job, cancelled_event(name))
        if worker.has_ended:
            self._bury(worker)
        elif worker.cancels_older_than(CANCEL_OBEY_SECONDS, now):
            self.log.add_error("The worker did not obey and was stopped.")
            self._replace(worker)
        else:
            worker.watch(now)

    def _replace(self, worker: EventProcess) -> None:
        """Kill a worker and give its other jobs to a new one, once."""
        self._dismiss(worker)
        for job in self._jobs_of(worker):
            if job.is_cancelled or job.times_sent >= MAX_TIMES_SENT:
                self._end(job, error_event(job.name, WORKER_DIED, STOPPED, "Start it again."))
            else:
                self._send(job)

    def _dismiss(self, worker: EventProcess) -> None:
        worker.kill()
        if self._worker is worker:
            self._worker = None

    def _bury(self, worker: EventProcess) -> None:
        """Let go of a worker that has ended, and of what it may have left behind."""
        worker.kill()
        self._workers.remove(worker)
        if self._worker is worker:
            self._worker = None
            self.log.add(f"The worker has ended (exit code {worker.exit_code}).")
        for job in self._jobs_of(worker):
            self._end(job, worker.death_of(job.name))

    def _jobs_of(self, worker: EventProcess) -> list[_Job]:
        return [job for job in self._jobs.values() if job.worker is worker and not job.has_ended]

    def _wait_for_workers(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while self._workers and time.perf_counter() < end:
            time.sleep(YIELD_SECONDS)
            for worker in list(self._workers):
                self._read(worker)
                if worker.has_ended:
                    self._bury(worker)
                elif worker.exit_code is not None:
                    worker.kill()  # what it left behind holds its output open
