"""Training runs that wait for their turn: one small file each, so that no two programs write one.

Layout of a workspace: `queue/<time>-<name>.json` are the waiting runs, oldest first,
`queue/failed/<name>.json` those that ended before they had a folder, `runs/<name>/` the runs. What
waits can be added and withdrawn by any process at any time; `queue_work` works it off.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import read_json, write_json
from CrossModalSegLib.core.errors import ConfigError, RunError, storage_errors
from CrossModalSegLib.core.events import Event

QUEUE_VERSION = 1
SUFFIX = ".json"
LOCK_FILE = "work.lock"
COMPANION_FILE = "companion.json"
RESUME = "--resume"

_FILE_NAME = re.compile(r"(?P<time>\d{16})-(?P<name>[a-z0-9][a-z0-9._-]{0,79})\.json")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True)
class QueueEntry:
    """A run that waits.

    Attributes:
        file: Where it is written down.
        name: Of the run; its folder is `runs/<name>`.
        arguments: Of `crossmodalseg`: "train" and its options.
    """

    file: Path
    name: str
    arguments: tuple[str, ...]

    @property
    def is_resumed(self) -> bool:
        """Whether it goes on with a run that has a folder already."""
        return RESUME in self.arguments


@dataclass(frozen=True)
class FailedEntry:
    """A run that ended before it had a folder.

    Attributes:
        name: Of the run.
        arguments: As they were queued.
        error: The event that tells why: `message` and `hint`.
    """

    name: str
    arguments: tuple[str, ...]
    error: Event


class RunQueue:
    """The waiting runs of a workspace.

    Args:
        workspace: Holds `queue` and `runs`; made when something is added.
    """

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / "queue"
        self.failed_folder = self.folder / "failed"
        self.runs = workspace / "runs"
        self.logs = workspace / "logs"
        self.lock_file = self.folder / LOCK_FILE
        self.companion_file = self.folder / COMPANION_FILE

    def entries(self) -> list[QueueEntry]:
        """Return what waits, oldest first; files that are none of ours are left alone."""
        if not self.folder.is_dir():
            return []
        files = sorted(path for path in self.folder.iterdir() if _FILE_NAME.fullmatch(path.name))
        return [entry for entry in map(_read_entry, files) if entry is not None]

    def failed(self) -> list[FailedEntry]:
        """Return the runs that ended before they had a folder, by name."""
        if not self.failed_folder.is_dir():
            return []
        entries = map(_read_failed, sorted(self.failed_folder.glob(f"*{SUFFIX}")))
        return [entry for entry in entries if entry is not None]

    def all_entries(self) -> list[QueueEntry | FailedEntry]:
        """Return those that wait and those that failed."""
        return [*self.entries(), *self.failed()]

    def add(self, name: str, arguments: Sequence[str]) -> QueueEntry:
        """Queue a run; it is there whole or not at all.

        Args:
            name: Of the run.
            arguments: "train" and its options, among them `--run` with the folder `runs/<name>`.

        Raises:
            RunError: The name or the command is none for a queue, or the name waits already.
            StorageError: The disk is full or not writable.
        """
        if not _NAME.fullmatch(name):
            raise RunError(
                f"{name!r} is not a name for a run.",
                hint="Use 1 to 80 lower-case letters, digits, '_', '-' and '.'.",
            )
        _require_training(arguments)
        if name in {entry.name for entry in self.entries()}:
            raise RunError(f"A run {name!r} waits already.", hint="Choose another name.")
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{time.time_ns() // 1000:016d}-{name}{SUFFIX}"
        write_json(file, {"v": QUEUE_VERSION, "name": name, "arguments": list(arguments)})
        self.forget_failed(name)
        return QueueEntry(file, name, tuple(arguments))

    def remove(self, entry: QueueEntry) -> bool:
        """Take an entry out.

        Returns:
            Whether it was still there: two that remove the same one see True once.
        """
        try:
            with storage_errors(entry.file):
                entry.file.unlink()
        except FileNotFoundError:
            return False
        return True

    def note_failed(self, entry: QueueEntry, error: Event) -> None:
        """Keep why a run ended before it had a folder.

        Raises:
            StorageError: The disk is full or not writable.
        """
        with storage_errors(self.failed_folder):
            self.failed_folder.mkdir(parents=True, exist_ok=True)
        content = {"v": QUEUE_VERSION, "name": entry.name, "arguments": list(entry.arguments)}
        write_json(self.failed_folder / f"{entry.name}{SUFFIX}", {**content, "error": error})

    def forget_failed(self, name: str) -> None:
        """Remove what was kept of a run that failed before it had a folder."""
        (self.failed_folder / f"{name}{SUFFIX}").unlink(missing_ok=True)

    def worker(self) -> dict[str, Any] | None:
        """Return process id, host and start time of the process that works it off, or None."""
        from CrossModalSegLib.training.folder_lock import lock_holder

        return lock_holder(self.lock_file)

    def set_companion(self, pid: int | None) -> None:
        """Let the work end together with a process, or go on whoever ends; also while it runs.

        Args:
            pid: Of the process on this computer; None: of nobody.

        Raises:
            RunError: There is no such process.
            StorageError: The disk is full or not writable.
        """
        from CrossModalSegLib.training.folder_lock import describe_process

        if pid is None:
            self.companion_file.unlink(missing_ok=True)
            return
        description = describe_process(pid)
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.companion_file, description)

    def is_forsaken(self) -> bool:
        """Tell whether the work was to end together with a process, and that one is gone."""
        from CrossModalSegLib.training.folder_lock import lock_holder

        return self.companion_file.exists() and lock_holder(self.companion_file) is None


def _read_entry(file: Path) -> QueueEntry | None:
    """Return an entry; None for a file that is gone, damaged or asks for anything else."""
    match = _FILE_NAME.fullmatch(file.name)
    content = _read(file)
    if match is None or content is None:
        return None
    name, arguments = content
    return QueueEntry(file, name, arguments) if name == match["name"] else None


def _read_failed(file: Path) -> FailedEntry | None:
    content = _read(file)
    if content is None or content[0] != file.name.removesuffix(SUFFIX):
        return None
    try:
        error = read_json(file).get("error")
    except ConfigError:
        return None
    return FailedEntry(*content, error) if isinstance(error, dict) else None


def _read(file: Path) -> tuple[str, tuple[str, ...]] | None:
    try:
        content = read_json(file)
        arguments = tuple(content["arguments"])
        _require_training(arguments)
        return str(content["name"]), arguments
    except (ConfigError, RunError, KeyError, TypeError):
        return None


def _require_training(arguments: Sequence[str]) -> None:
    is_text = all(isinstance(argument, str) for argument in arguments)
    if not arguments or arguments[0] != "train" or not is_text:
        raise RunError(
            "Something else than a training was to be queued.",
            hint="Queue the arguments of `crossmodalseg train`.",
        )
