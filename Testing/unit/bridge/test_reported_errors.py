"""Errors of another process keep what they say."""

from __future__ import annotations

from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.core.errors import CrossModalSegError


def test_kind_message_and_hint_are_kept() -> None:
    error = reported_error({"kind": "device", "message": "No GPU.", "hint": "Use the CPU."})
    assert isinstance(error, CrossModalSegError)
    assert (error.kind, error.message, error.hint) == ("device", "No GPU.", "Use the CPU.")
    assert CrossModalSegError.kind == "error"


def test_an_event_that_says_little_is_an_error_still() -> None:
    assert reported_error({}).kind == "error"
