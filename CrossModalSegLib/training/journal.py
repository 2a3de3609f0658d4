"""The journal of a run: an event a line, whole or not at all, and room for the last one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from CrossModalSegLib.core.errors import StorageError, storage_errors
from CrossModalSegLib.core.events import Event

RESERVE_FILE = "journal.reserve"
RESERVE_BYTES = 65_536
"""Kept on the disk while a run goes on: what a full disk still has room for."""


class Journal:
    """Appends events to journal.jsonl, one line each.

    A line that finds no room is taken back whole. Beside the journal lies a reserve file;
    `free_reserve` gives its room to the events that say why the run ended.

    Args:
        path: Of the journal; made if it is not there.

    Raises:
        StorageError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name(RESERVE_FILE)
        with storage_errors(path):
            self._stream = path.open("ab", buffering=0)
        try:
            if self._stream.tell() and not _ends_with_newline(path):
                self._append(b"\n")  # a killed process may have left half a line
        except StorageError:
            self._stream.close()
            raise
        self._keep_reserve()

    def __call__(self, event: Event) -> None:
        """Append one event.

        Raises:
            StorageError: The disk is full.
        """
        line = json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n"
        self._append(line.encode("utf-8"))

    def free_reserve(self) -> None:
        """Give the reserve's room to the events that follow."""
        with suppress(OSError):
            self._reserve.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; the reserve is needed no more."""
        self._stream.close()
        self.free_reserve()

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._stream.fileno()).st_size
        try:
            with storage_errors(self._path):
                rest = line
                while rest:
                    rest = rest[self._stream.write(rest) :]
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._stream.fileno(), size)
            raise

    def _keep_reserve(self) -> None:
        """Write the reserve; where there is no room for it, the run will soon say so itself."""
        try:
            with self._reserve.open("wb") as stream:
                stream.write(os.urandom(RESERVE_BYTES))  # zeros would take no room on some disks
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            self.free_reserve()


def read_journal(path: Path) -> Iterator[Event]:
    """Yield the events of a journal, skipping lines that a kill cut short."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) == b"\n"
