"""One command of the library in a process of its own, driven from any event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from CrossModalSegLib.bridge.event_lines import (
    WORKER_DIED,
    cancelled_event,
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
READ_SECONDS = 0.01

OBEY_SECONDS = 5.0
"""A command that goes on for so long after it was asked to stop, or said its end, is killed."""

CANCELLED_EXIT_CODE = 130

COMMAND = "main"
"""The job in a command's events."""


class CommandJob:
    """Runs a command and tells its events, the last of which is `done`, `error` or `cancelled`.

    Call `poll` every 20 to 50 ms: nothing is told at any other time. The end is told when the
    process has exited, so that its files are free then.

    Args:
        arguments: The command and its options.
        on_event: Called from `poll` with each event.
        command: What they are given to; by default this library.
        environment: Of the process; by default this process's, so that it finds the library.
        launch: Starts a process.
        log: Gets what the process says beside its events.
        clock: Seconds, for time limits.
    """

    def __init__(  # noqa: PLR0913  (what tests replace, all with defaults)
        self,
        arguments: Sequence[str],
        on_event: Callable[[Event], None],
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        launch: Launch = launch_process,
        log: JobLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log = log or JobLog()
        self._command = [*(command or library_command()), *arguments, "--progress", "json"]
        self._environment = environment
        self._launch = launch
        self._on_event = on_event
        self._clock = clock
        self._process: EventProcess | None = None
        self._end: Event | None = None
        self._end_seen = 0.0
        self._was_cancelled = False

    @property
    def is_running(self) -> bool:
        """Whether it was started and its end was not told yet."""
        return self._process is not None or self._end is not None

    def start(self) -> None:
        """Start the process; if that fails, the next `poll` tells why."""
        environment = self._environment or library_environment()
        try:
            self._process = EventProcess(self._command, environment, self._launch, self.log)
        except OSError as error:
            message = f"The command could not be started: {error}."
            self._end = error_event(COMMAND, WORKER_DIED, message, "Reinstall the extension.")

    def cancel(self) -> None:
        """Ask for its end at the next safe point; one that does not obey is killed."""
        if self._process is None or self._was_cancelled:
            return
        self._was_cancelled = True
        self._process.ask_to_cancel(COMMAND, self._clock())

    def poll(self) -> None:
        """Tell what has happened since the last call."""
        process = self._process
        if process is None:
            self._tell_end()
            return
        time.sleep(YIELD_SECONDS)
        self._read(process)
        now = self._clock()
        if process.has_ended:
            self._end = self._end or self._unsaid_end(process)
            process.kill()  # what it may have left behind
            self._process = None
            self._tell_end()
        elif self._is_overdue(process, now):
            self.log.add_error("The command did not end and was stopped.")
            process.kill()
        else:
            process.watch(now)

    def shutdown(self, seconds: float = 3.0) -> None:
        """Ask for its end, wait for it, kill it if need be, and tell its end.

        Args:
            seconds: How long it may take.
        """
        self.cancel()
        end = time.perf_counter() + seconds
        while self._process is not None and time.perf_counter() < end:
            self.poll()
        if self._process is not None:
            self._process.kill(seconds=1.0)
        end = time.perf_counter() + 1.0
        while self.is_running and time.perf_counter() < end:
            self.poll()

    def _read(self, process: EventProcess) -> None:
        waiting: list[Event] = []
        for event in process.events(READ_SECONDS):
            if is_terminal(event):
                self._end = self._end or event
                self._end_seen = self._clock()
            else:
                if waiting and is_update_of(event, waiting[-1]):
                    waiting.pop()
                waiting.append(event)
        for event in waiting:
            self._tell(event)

    def _is_overdue(self, process: EventProcess, now: float) -> bool:
        if process.exit_code is not None:
            return False
        has_said_so = self._end is not None and now - self._end_seen >= OBEY_SECONDS
        return has_said_so or bool(process.cancels_older_than(OBEY_SECONDS, now))

    def _unsaid_end(self, process: EventProcess) -> Event:
        """Return the end of a command that has ended without a word of it."""
        if self._was_cancelled or process.exit_code == CANCELLED_EXIT_CODE:
            return cancelled_event(COMMAND)
        return process.death_of(COMMAND)

    def _tell_end(self) -> None:
        event, self._end = self._end, None
        if event is not None:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        self.log.add_event(event)
        self._on_event(event)
