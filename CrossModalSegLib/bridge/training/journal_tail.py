"""What is new in a run's journal: each line is read once, however long the journal is."""

from __future__ import annotations

import os
from pathlib import Path

from CrossModalSegLib.bridge.event_lines import decode_event
from CrossModalSegLib.core.events import Event

READ_BYTES = 262_144
"""At most so much is read in one go: some 2,000 lines, a few milliseconds."""

MAX_LINE_BYTES = 1_000_000
"""Longer ones are no events and are skipped."""

Identity = tuple[int, int]


class JournalTail:
    """Follows a file to which another process appends lines.

    A line without its end waits for the rest. A file that was replaced, or became shorter, is read
    from its beginning; `restarts` then counts one up, and what was made of earlier events is to be
    thrown away.

    Args:
        path: Of the journal; it need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.restarts = 0
        self._identity: Identity | None = None
        self._position = 0
        self._rest = b""
        self._is_skipping = False

    def read(self, limit_bytes: int = READ_BYTES) -> list[Event]:
        """Return the next events, in order; none if nothing was added.

        Args:
            limit_bytes: How much to read at most; call again while `has_more`.
        """
        try:
            with self.path.open("rb") as stream:
                self._watch_for_replacement(stream.fileno())
                stream.seek(self._position)
                chunk = stream.read(limit_bytes)
        except OSError:  # not there yet, or gone
            return []
        self._position += len(chunk)
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        if self._is_skipping and lines:
            del lines[0]  # the end of a line that was too long
            self._is_skipping = False
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest, self._is_skipping = b"", True
        events = (decode_event(line) for line in lines)
        return [event for event in events if event is not None]

    @property
    def has_more(self) -> bool:
        """Whether the file holds more than was read."""
        try:
            return self.path.stat().st_size > self._position
        except OSError:
            return False

    def _watch_for_replacement(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        identity = status.st_dev, status.st_ino
        is_same = self._identity in {None, identity} and status.st_size >= self._position
        if not is_same:
            self.restarts += 1
            self._position, self._rest, self._is_skipping = 0, b"", False
        self._identity = identity
