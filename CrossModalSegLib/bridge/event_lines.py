"""Events as a process prints them, and those that are made up when it can say no more."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from CrossModalSegLib.core.events import EVENT_VERSION, Event

TERMINAL_EVENTS = frozenset({"done", "error", "cancelled"})
"""Each job ends with exactly one of them."""

WORKER_DIED = "WorkerDied"

KILLED = -9
OUT_OF_MEMORY_ON_WINDOWS = 0xC0000017

MEMORY_HINT = (
    "Usually the system ends a process when memory runs out: close other programs, or choose a "
    "region of interest; then start again."
)
PACKAGES_HINT = "A Python package is missing or damaged: install the packages again."
GENERAL_HINT = "Start again; if it comes back, copy the recent errors from the log and report it."


def decode_event(line: bytes) -> Event | None:
    """Return the event of a line, or None if it is none."""
    try:
        event = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    has_names = isinstance(event.get("job"), str) and isinstance(event.get("event"), str)
    return event if has_names else None


def encode_request(job: str, command: str, arguments: dict[str, Any] | None = None) -> bytes:
    """Return a request as a line of the worker's input.

    Raises:
        TypeError: An argument is nothing that JSON knows.
        ValueError: A number is not finite.
    """
    request = {"v": EVENT_VERSION, "job": job, "command": command, "arguments": arguments or {}}
    return (json.dumps(request, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def is_terminal(event: Event) -> bool:
    """Tell whether a job ends with this event."""
    return event["event"] in TERMINAL_EVENTS


def is_update_of(event: Event, former: Event) -> bool:
    """Tell whether an event makes the one before it superfluous: newer progress of a stage."""
    same = all(event.get(key) == former.get(key) for key in ("job", "stage"))
    return same and event["event"] == former["event"] == "progress"


def cancelled_event(job: str) -> Event:
    """Return the end of a job that was asked to stop."""
    return _event(job, "cancelled")


def error_event(job: str, kind: str, message: str, hint: str = "") -> Event:
    """Return the end of a job that failed."""
    return _event(job, "error", kind=kind, message=message, hint=hint)


def died_event(job: str, exit_code: int | None, last_words: Sequence[str]) -> Event:
    """Return the end of a job whose process ended before it.

    Args:
        job: Its identifier.
        exit_code: Of the process; negative: the signal that ended it.
        last_words: The last lines of its standard error.
    """
    said = " ".join(last_words).strip()
    detail = f" It said last: {said}" if said else " It said nothing."
    message = f"The process that computes ended by itself (exit code {exit_code}).{detail}"
    return error_event(job, WORKER_DIED, message, _hint(exit_code, said))


def _hint(exit_code: int | None, said: str) -> str:
    if exit_code in {KILLED, OUT_OF_MEMORY_ON_WINDOWS} or "MemoryError" in said:
        return MEMORY_HINT
    if "ModuleNotFoundError" in said or "ImportError" in said or "No module named" in said:
        return PACKAGES_HINT
    return GENERAL_HINT


def _event(job: str, event: str, **fields: Any) -> Event:
    return {"v": EVENT_VERSION, "job": job, "event": event, "time": time.time(), **fields}
