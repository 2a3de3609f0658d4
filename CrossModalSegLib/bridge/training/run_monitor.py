"""One training run, watched from outside: found by its folder, whoever started it, and when."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.bridge.training.curves import MAX_POINTS
from CrossModalSegLib.bridge.training.journal_tail import JournalTail
from CrossModalSegLib.bridge.training.run_log import RunLog
from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.errors import CrossModalSegError

RunState = Literal["starting", "running", "paused", "finished", "cancelled", "failed", "killed"]
"""Of a run that has a folder. "killed": its process is gone and the journal does not say why."""

ACTIVE_STATES = frozenset({"starting", "running", "paused"})

LOOK_SECONDS = 1.0
"""Between two looks at whether the process lives and how much memory it has."""

POLL_SECONDS_AT_MOST = 0.02
"""Of the GUI's thread, for one run in one poll."""


@dataclass(frozen=True)
class MemoryUse:
    """What the training has at present; None: not known."""

    process_mib: float | None = None
    gpu_mib: float | None = None


class RunMonitor:
    """Follows a run by its journal and its lock; call `poll` every now and then.

    Args:
        folder: The run's.
        clock: Seconds, for the looks at the process.
        max_points: Of a curve; few where curves are not shown.
    """

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
        max_points: int = MAX_POINTS,
    ) -> None:
        self.folder = folder
        self._max_points = max_points
        self.log = RunLog(max_points)
        self.memory = MemoryUse()
        self.version = 0
        """Goes up when something has changed."""
        self._tail = JournalTail(folder / "journal.jsonl")
        self._clock = clock
        self._next_look = -1.0
        self._restarts = 0
        self._pid: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether a process trains in the folder, by the latest look."""
        return self._pid is not None

    @property
    def state(self) -> RunState:
        """What the run does at present, or how it ended."""
        if self.log.ending == "done":
            return "finished"
        if self.is_alive:
            if self.log.is_paused:
                return "paused"
            return "running" if self.log.total else "starting"
        ended: dict[str | None, RunState] = {"error": "failed", "cancelled": "cancelled"}
        return ended.get(self.log.ending, "killed")

    @property
    def is_active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE_STATES

    @property
    def is_resumable(self) -> bool:
        """Whether it ended before its end and can go on; without a checkpoint, from its start."""
        has_settings = (self.folder / "config.json").is_file()
        return has_settings and self.state in {"cancelled", "failed", "killed"}

    @property
    def has_more(self) -> bool:
        """Whether another `poll` would find more in the journal."""
        return self._tail.has_more

    def poll(self) -> bool:
        """Take in what is new, a bounded amount at a time.

        Returns:
            Whether anything has changed.
        """
        before = self.version
        self._look()
        end = time.perf_counter() + POLL_SECONDS_AT_MOST
        while time.perf_counter() < end:
            events = self._tail.read()
            if self._tail.restarts != self._restarts:
                self._restarts, self.log = self._tail.restarts, RunLog(self._max_points)
            for event in events:
                self.log.take(event)
            self.version += bool(events)
            if not self._tail.has_more:
                break
        return self.version != before

    def ask(self, request: Literal["pause", "resume", "cancel"]) -> None:
        """Leave a request for the process that trains.

        Raises:
            StorageError: The folder cannot be written.
        """
        from CrossModalSegLib.training.run_folder import RunFolder

        RunFolder(self.folder).write_request(request)

    def configuration(self) -> dict[str, Any]:
        """Return the run's settings; empty while it has none."""
        try:
            return read_json(self.folder / "config.json")
        except (CrossModalSegError, OSError):
            return {}

    def _look(self) -> None:
        now = self._clock()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_SECONDS
        pid = living_process(self.folder)
        memory = MemoryUse(_memory_mib(pid), self._gpu_mib())
        if (pid, memory) != (self._pid, self.memory):
            self._pid, self.memory = pid, memory
            self.version += 1

    def _gpu_mib(self) -> float | None:
        curves = self.log.curves
        return curves["gpu_memory_mib"].last if "gpu_memory_mib" in set(curves) else None


def living_process(folder: Path) -> int | None:
    """Return the process that trains in a folder, or None; 0 for one on another computer."""
    try:
        from CrossModalSegLib.training.run_folder import RunFolder
    except ImportError:  # the training packages are not installed: nothing trains here
        return None
    import socket

    holder = RunFolder(folder).lock_holder()
    if holder is None:
        return None
    return int(holder["pid"]) if holder.get("host") == socket.gethostname() else 0


def _memory_mib(pid: int | None) -> float | None:
    """Return the memory of a process and of those that it started."""
    if not pid:
        return None
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return float(sum(member.memory_info().rss for member in family) // 2**20)
    except (psutil.Error, OSError):
        return None


def folder_bytes(folder: Path) -> int:
    """Return the size of a folder on the disk; files that vanish meanwhile count nothing."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
