"""Errors that another process told of, as errors of this one."""

from __future__ import annotations

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event


def reported_error(event: Event) -> CrossModalSegError:
    """Return the error of an error event, with its kind, message and hint."""
    kind = str(event.get("kind") or CrossModalSegError.kind)
    error_class = type("ReportedError", (CrossModalSegError,), {"kind": kind})
    error: CrossModalSegError = error_class(
        str(event.get("message", "")), hint=str(event.get("hint", ""))
    )
    return error
