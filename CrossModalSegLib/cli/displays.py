"""What becomes of a command's events: drawn for people, printed as JSON, or dropped."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self, TextIO

from CrossModalSegLib.cli.command import Progress
from CrossModalSegLib.core.events import Event

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2


class Display(Protocol):
    """Shows events while it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the screen and the standard streams as they were."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


def display_for(progress: Progress) -> Display:
    """Return the display of that name."""
    if progress == "json":
        return JsonDisplay()
    if progress == "silent":
        return SilentDisplay()
    from CrossModalSegLib.cli.terminal import terminal_display

    return terminal_display()


class JsonDisplay:
    """Prints each event as one line of JSON, and keeps everything else off standard output.

    While it is entered, what Python code, native libraries or child processes print goes to
    standard error. When nobody reads any more the events are dropped and the work goes on.
    """

    def __enter__(self) -> Self:
        """Take standard output for the events alone."""
        self._stdout = sys.stdout
        self._stdout.flush()
        self._events: TextIO = self._stdout
        self._has_moved_descriptor = self._stdout is sys.__stdout__
        if self._has_moved_descriptor:
            copy = os.dup(STANDARD_OUTPUT)
            os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
            self._events = os.fdopen(
                copy,
                "w",
                encoding="utf-8",
                errors="backslashreplace",  # of a lone surrogate just what JSON calls it
                newline="\n",
            )
        sys.stdout = sys.stderr
        self._is_read = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give standard output back."""
        sys.stdout = self._stdout
        if self._has_moved_descriptor:
            os.dup2(self._events.fileno(), STANDARD_OUTPUT)
            with suppress(OSError):  # what is left in its buffer, nobody wants to read
                self._events.close()

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if not self._is_read:
            return
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            self._events.write(line)
            self._events.flush()
        except (BrokenPipeError, ConnectionError):
            self._is_read = False


class SilentDisplay:
    """Says nothing but why a command failed, on standard error."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing."""

    def __call__(self, event: Event) -> None:
        """Print errors, drop the rest."""
        if event["event"] == "error":
            hint = f"\n{event['hint']}" if event["hint"] else ""
            print(f"Error: {event['message']}{hint}", file=sys.stderr)
