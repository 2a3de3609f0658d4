"""Work in small steps, beside the program's own thread where that can be: scene, thread, process.

A job is written as a generator that yields after each step: True if it could go on at once, False
while it waits for a thread or a process. What must look at nodes does so between two yields.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.core.errors import Cancelled, RunError
from CrossModalSegLib.core.events import Event

STEP_SECONDS = 0.02
"""For how long a poll goes on with steps of its own."""

YIELD_SECONDS = 0.005
"""Given to the thread at each poll: inside Slicer, Qt's own loop runs with Python's lock."""

T = TypeVar("T")
Steps = Generator[bool, None, T]
MakeJob = Callable[[Sequence[str], Callable[[Event], None]], CommandJob]


class SteppedJob:
    """Runs one job at a time and tells its end on the thread that polls.

    Args:
        on_stage: Called with what is being done now, for people.
        make_job: Makes the process of a command.
    """

    def __init__(
        self,
        on_stage: Callable[[str], None] = lambda _text: None,
        make_job: MakeJob | None = None,
    ) -> None:
        self.tell = on_stage
        self.log = JobLog()
        self._make_job = make_job or self._command_job
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="CrossModalSeg")
        self._steps: Steps[Any] | None = None
        self._command: CommandJob | None = None
        self._on_result: Callable[[Any], None] = lambda _result: None
        self._on_error: Callable[[Exception], None] = lambda _error: None

    @property
    def is_active(self) -> bool:
        """Whether a job was started and its end was not told yet."""
        return self._steps is not None

    def start(
        self,
        steps: Steps[T],
        on_result: Callable[[T], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Begin; call `poll` until it has ended.

        Args:
            steps: The job; its return value is the result.
            on_result: Called from `poll` with the result.
            on_error: Called from `poll` with what was raised; `Cancelled` after `cancel`.

        Raises:
            RunError: Another job runs.
        """
        if self._steps is not None:
            raise RunError("Something is being computed already.", hint="Wait until it is done.")
        self._steps, self._on_result, self._on_error = steps, on_result, on_error

    def poll(self) -> None:
        """Take some steps."""
        end = time.perf_counter() + STEP_SECONDS
        while self._steps is not None:
            try:
                goes_on = next(self._steps)
            except StopIteration as finish:
                self._steps = None
                self._on_result(finish.value)
                return
            except Exception as error:  # noqa: BLE001  (told to whoever started it)
                self._steps = None
                self._on_error(error)
                return
            if not goes_on or time.perf_counter() >= end:
                return

    def cancel(self) -> None:
        """Stop; a process is asked to end, and a thread's result is not used."""
        steps, self._steps = self._steps, None
        if steps is None:
            return
        if self._command is not None:
            self._command.shutdown(0.0)
            self._command = None
        steps.close()
        self._on_error(Cancelled())

    def shutdown(self) -> None:
        """Stop, tell nobody, and wait until nothing is left half-written."""
        self._on_error = lambda _error: None
        self.cancel()
        self._executor.shutdown(wait=True)

    def in_thread(self, work: Callable[[], T]) -> Steps[T]:
        """Do something that touches neither Qt nor the scene; a part of a job.

        Returns:
            What it returned.
        """
        future = self._executor.submit(work)
        while not future.done():
            yield False
            wait([future], timeout=YIELD_SECONDS)
        return future.result()

    def run(self, arguments: Sequence[str]) -> Steps[Event]:
        """Run a command of the library; a part of a job.

        Returns:
            Its last event, `done`.

        Raises:
            CrossModalSegError: The command failed.
        """
        ends: list[Event] = []

        def listen(event: Event) -> None:
            if event["event"] in {"done", "error", "cancelled"}:
                ends.append(event)

        self._command = self._make_job(arguments, listen)
        self._command.start()
        while not ends:
            yield False
            self._command.poll()
        self._command = None
        if ends[0]["event"] == "error":
            raise reported_error(ends[0])
        if ends[0]["event"] == "cancelled":
            raise Cancelled
        return ends[0]

    def _command_job(self, arguments: Sequence[str], listen: Callable[[Event], None]) -> CommandJob:
        return CommandJob(arguments, listen, log=self.log)
