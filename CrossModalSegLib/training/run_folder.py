"""The folder of a training run: configuration, journal, control file, lock (CONTRACTS)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.core.config import read_json, write_json
from CrossModalSegLib.core.errors import (
    ConfigError,
    OutputExistsError,
    RunError,
    storage_errors,
)
from CrossModalSegLib.core.events import CancelToken
from CrossModalSegLib.training.folder_lock import lock_holder, locked
from CrossModalSegLib.training.journal import Journal, read_journal

__all__ = (
    "Journal",
    "Request",
    "RunFolder",
    "is_first_process",
    "open_or_create",
    "read_journal",
    "wait_while_paused",
)

RUN_VERSION = 1

FOLDER_WAIT_SECONDS = 60.0

Request = Literal["pause", "resume", "cancel"]


class RunFolder:
    """Paths and small files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / "config.json"
        self.journal_file = path / "journal.jsonl"
        self.control_file = path / "control.json"
        self.lock_file = path / "run.lock"
        self.checkpoints = path / "checkpoints"
        self.last_checkpoint = self.checkpoints / "last.ckpt"
        self.best_checkpoint = self.checkpoints / "best.ckpt"
        self.previews = path / "previews"
        self.bundle = path / "bundle"

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any]) -> RunFolder:
        """Make a new run folder with its configuration.

        Raises:
            OutputExistsError: There is something at `path` already.
            StorageError: The folder cannot be written.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputExistsError(path)
        folder = cls(path)
        with storage_errors(path):
            folder.checkpoints.mkdir(parents=True, exist_ok=True)
            folder.previews.mkdir(exist_ok=True)
        write_json(folder.config_file, {"v": RUN_VERSION, **config})
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run folder.

        Raises:
            RunError: It is not one, or of a version that this program does not know.
        """
        folder = cls(path)
        if not folder.config_file.is_file():
            raise RunError(
                f"{path} is not a run folder: it has no config.json.",
                hint="Give the folder that was passed to `train --run`.",
            )
        if folder.read_config().get("v") != RUN_VERSION:
            raise RunError(f"{path} was written by another version of the program.")
        return folder

    def read_config(self) -> dict[str, Any]:
        """Return the configuration.

        Raises:
            ConfigError: The file is damaged.
        """
        return read_json(self.config_file)

    def read_request(self) -> Request | None:
        """Return what the control file asks for, or None; a half-written file asks for nothing."""
        if not self.control_file.exists():
            return None
        try:
            request = read_json(self.control_file).get("request")
        except ConfigError:
            return None
        return request if request in ("pause", "resume", "cancel") else None

    def write_request(self, request: Request) -> None:
        """Ask the run to pause, go on or stop."""
        write_json(self.control_file, {"v": RUN_VERSION, "request": request})

    def clear_request(self) -> None:
        """Forget earlier requests."""
        self.control_file.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Remove half-written files of a process that was killed; only its successor may."""
        for folder in (self.checkpoints, self.previews):
            for path in folder.glob(".????????.*"):
                path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; a lock whose process is gone is taken over.

        Raises:
            RunError: Another living process trains in this folder.
        """
        with locked(
            self.lock_file,
            f"{self.path} is being trained",
            "Cancel that run first, or choose another folder.",
        ):
            yield

    def lock_holder(self) -> dict[str, Any] | None:
        """Return process id, host and start time of the living process in this folder, or None.

        A process on another host counts as living: only its own host can tell.
        """
        return lock_holder(self.lock_file)


def is_first_process() -> bool:
    """Tell whether this is the only process of the run, or the first of those torchrun started."""
    return int(os.environ.get("RANK", "0")) == 0


def open_or_create(path: Path, config: Mapping[str, Any]) -> RunFolder:
    """Make a new run folder in the first process; wait for it in the others.

    Raises:
        OutputExistsError: There is something at `path` already.
        RunError: The first process did not make the folder in time.
    """
    if is_first_process():
        return RunFolder.create(path, config)
    deadline = time.monotonic() + FOLDER_WAIT_SECONDS
    while not (path / "config.json").is_file():
        if time.monotonic() > deadline:
            raise RunError(f"{path} was not made by the first process.", hint="See its messages.")
        time.sleep(0.1)
    return RunFolder.open(path)


def wait_while_paused(
    folder: RunFolder, cancel: CancelToken, poll_seconds: float = 0.2
) -> Request | None:
    """Block until the control file stops asking for a pause, or a cancel; return its request."""
    while (request := folder.read_request()) == "pause" and not cancel.is_set():
        time.sleep(poll_seconds)
    return request
