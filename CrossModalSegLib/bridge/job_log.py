"""What a process said and what went wrong, for the log panel and for bug reports."""

from __future__ import annotations

import platform
import sys
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from CrossModalSegLib import __version__
from CrossModalSegLib.core.events import Event

MAX_LINES = 2000
MAX_ERRORS = 20
MAX_LINE_LENGTH = 2000
LINES_IN_REPORT = 30


class JobLog:
    """The newest lines and errors, each with its time in seconds since the epoch.

    Args:
        clock: Seconds since the epoch; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.lines: deque[tuple[float, str]] = deque(maxlen=MAX_LINES)
        self.errors: deque[tuple[float, str]] = deque(maxlen=MAX_ERRORS)
        self.count = 0
        """All lines that there ever were, also those that are no longer kept."""
        self._clock = clock

    def add(self, text: str) -> None:
        """Append a line; of several, each one; empty ones are left out."""
        now = self._clock()
        for line in text.splitlines():
            if line.strip():
                self.lines.append((now, line.rstrip()[:MAX_LINE_LENGTH]))
                self.count += 1

    def add_error(self, text: str) -> None:
        """Append a line that is also an error."""
        self.add(text)
        self.errors.append((self._clock(), text.strip()))

    def add_event(self, event: Event) -> None:
        """Append what people want to read of an event."""
        kind, job = event["event"], event["job"]
        said = f"{job}: {event.get('message', '')} {event.get('hint', '')}".rstrip()
        if kind == "error":
            self.add_error(said)
        elif kind == "warning":
            self.add(said)
        elif kind == "stage":
            self.add(f"{job}: {event.get('stage', '')}")
        elif kind in {"done", "cancelled"}:
            self.add(f"{job}: {kind}")

    def lines_since(self, count: int) -> list[tuple[float, str]]:
        """Return the lines that came after the first `count`, as far as they are kept."""
        new = min(max(0, self.count - count), len(self.lines))
        return list(islice(self.lines, len(self.lines) - new, None))

    def tail(self, count: int) -> list[str]:
        """Return the texts of the newest lines."""
        return [text for _, text in islice(self.lines, max(0, len(self.lines) - count), None)]

    def errors_text(self) -> str:
        """Return the recent errors and what a report of them needs: versions, system, last lines.

        It may name files of the user: for them to read before they pass it on.
        """
        parts = [
            f"CrossModalSeg {__version__}",
            f"Python {platform.python_version()}, {platform.platform()}",
            *_slicer_version(),
            "",
            "Recent errors:" if self.errors else "No errors.",
            *(f"{_clock_text(moment)}  {text}" for moment, text in self.errors),
            "",
            "Last lines of the log:",
            *self.tail(LINES_IN_REPORT),
        ]
        return "\n".join(parts) + "\n"


def _slicer_version() -> list[str]:
    """Return Slicer's version if this is Slicer, without importing anything."""
    application = getattr(sys.modules.get("slicer"), "app", None)
    version = getattr(application, "applicationVersion", "")
    return [f"3D Slicer {version}"] if version else []


def _clock_text(moment: float) -> str:
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")
