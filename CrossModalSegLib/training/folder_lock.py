"""A folder that one process works in at a time; a lock whose process is gone is taken over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from CrossModalSegLib.core.config import read_json, write_json
from CrossModalSegLib.core.errors import ConfigError, RunError

LOCK_VERSION = 1


@contextmanager
def locked(file: Path, doing: str, hint: str) -> Iterator[None]:
    """Hold a lock for this process.

    Args:
        file: The lock: process id, host and start time.
        doing: What the process does, for the message of others: "OUT is being trained".
        hint: What those others can do.

    Raises:
        RunError: Another living process holds it.
    """
    holder = lock_holder(file)
    if holder is not None:
        raise RunError(f"{doing} by process {holder['pid']} on {holder['host']}.", hint=hint)
    write_json(file, describe_process(psutil.Process().pid))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def describe_process(pid: int) -> dict[str, Any]:
    """Return what a lock says of a process: its id, host and start time.

    Raises:
        RunError: There is no such process on this computer.
    """
    try:
        started = psutil.Process(pid).create_time()
    except psutil.Error as error:
        raise RunError(
            f"There is no process {pid} on this computer.", hint="Give the id of one that runs."
        ) from error
    return {"v": LOCK_VERSION, "pid": pid, "host": socket.gethostname(), "started": started}


def lock_holder(file: Path) -> dict[str, Any] | None:
    """Return process id, host and start time of the living process that holds it, or None.

    A process on another host counts as living: only its own host can tell.
    """
    if not file.exists():
        return None
    try:
        lock = read_json(file)
    except ConfigError:
        return None
    if lock.get("host") != socket.gethostname():
        return lock
    try:
        process = psutil.Process(int(lock["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:  # ended; its parent has not noticed yet
            return None
        started = process.create_time()
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return lock if abs(started - lock.get("started", 0)) < 2 else None
