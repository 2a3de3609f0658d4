"""A process that prints events, and what is expected of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from CrossModalSegLib.bridge.event_lines import (
    decode_event,
    died_event,
    encode_request,
    is_terminal,
)
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.piped_process import PipedProcess
from CrossModalSegLib.bridge.processes import Launch
from CrossModalSegLib.core.events import Event

TORN_SECONDS = 2.0
"""How long a process may have exited and still have its output open, or the reverse."""

MAX_LINES = 1000
MAX_LAST_WORDS = 6


class EventProcess:
    """Reads events, keeps everything else for the log, and knows which cancels it was asked for.

    Args:
        command: What to run.
        environment: Its environment.
        launch: Starts it.
        log: Gets every line that is no event.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        launch: Launch,
        log: JobLog,
    ) -> None:
        self._pipe = PipedProcess(launch(command, environment))
        self._log = log
        self._cancels: dict[str, float] = {}
        self._last_words: deque[str] = deque(maxlen=MAX_LAST_WORDS)
        self._torn_since: float | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started, which may be a launcher."""
        return self._pipe.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._pipe.exit_code

    @property
    def is_alive(self) -> bool:
        """Whether it runs and can still say something."""
        return self._pipe.exit_code is None and not self._pipe.is_torn

    @property
    def has_ended(self) -> bool:
        """Whether it has exited and all that it said was read."""
        return self._pipe.has_ended

    def send(self, line: bytes) -> None:
        """Write a request, soon."""
        self._pipe.send(line)

    def ask_to_cancel(self, job: str, now: float) -> None:
        """Request the end of a job."""
        self._cancels[job] = now
        self._pipe.send(encode_request(job, "cancel"))

    def ask_to_quit(self) -> None:
        """Request its end, and say no more."""
        self._pipe.send(encode_request("worker", "quit"))
        self._pipe.close_input()

    def cancels_older_than(self, seconds: float, now: float) -> tuple[str, ...]:
        """Return the jobs that it was asked to cancel so long ago and has not ended since."""
        return tuple(job for job, asked in self._cancels.items() if now - asked >= seconds)

    def events(self, seconds: float) -> Iterator[Event]:
        """Yield the events that wait, as far as they can be read in that time."""
        for stream, line in self._pipe.take(MAX_LINES, seconds):
            event = decode_event(line) if stream == "stdout" else None
            if event is None:
                self._keep(line, is_error=stream == "stderr")
                continue
            if is_terminal(event):
                self._cancels.pop(event["job"], None)
            yield event

    def watch(self, now: float) -> None:
        """Kill what is left of it when one half of it has been gone for a while."""
        if not self._pipe.is_torn:
            self._torn_since = None
        elif self._torn_since is None:
            self._torn_since = now
        elif now - self._torn_since >= TORN_SECONDS:
            self._pipe.kill()

    def kill(self, seconds: float = 0.0) -> None:
        """Kill it with its descendants.

        Args:
            seconds: How long to wait for its end.
        """
        self._cancels.clear()
        self._pipe.kill(seconds)

    def death_of(self, job: str) -> Event:
        """Return the end of a job that this process leaves undone."""
        return died_event(job, self.exit_code, self._last_words)

    def _keep(self, line: bytes, *, is_error: bool) -> None:
        text = line.decode("utf-8", errors="replace").strip()
        self._log.add(text)
        if is_error and text:
            self._last_words.append(text)
