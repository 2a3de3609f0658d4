"""The log of jobs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from CrossModalSegLib import __version__
from CrossModalSegLib.bridge.job_log import MAX_ERRORS, MAX_LINES, JobLog


def test_only_the_newest_lines_and_errors_are_kept_but_all_are_counted() -> None:
    log = JobLog(clock=lambda: 5.0)
    for number in range(MAX_LINES + 10):
        log.add(f"line {number}")
    for number in range(MAX_ERRORS + 3):
        log.add_error(f"error {number}")
    assert len(log.lines) == MAX_LINES
    assert log.lines[-1] == (5.0, f"error {MAX_ERRORS + 2}")
    assert log.count == MAX_LINES + 10 + MAX_ERRORS + 3
    assert len(log.errors) == MAX_ERRORS
    assert log.errors[0] == (5.0, "error 3")


def test_lines_since_a_count_are_those_that_came_after_it() -> None:
    log = JobLog()
    log.add("a\n\nb\n")
    seen = log.count
    assert seen == 2
    assert log.lines_since(seen) == []
    log.add("c")
    assert [text for _, text in log.lines_since(seen)] == ["c"]
    assert [text for _, text in log.lines_since(0)] == ["a", "b", "c"]
    for number in range(MAX_LINES):
        log.add(str(number))
    assert len(log.lines_since(seen)) == MAX_LINES


def test_endless_lines_are_cut() -> None:
    log = JobLog()
    log.add("x" * 100_000)
    assert len(log.lines[0][1]) == 2000


def test_the_text_for_a_report_has_versions_errors_and_the_last_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slicer = SimpleNamespace(app=SimpleNamespace(applicationVersion="5.12.0"))
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    log = JobLog()
    assert "No errors." in log.errors_text()
    log.add("before")
    log.add_event({"event": "error", "job": "segment-1", "message": "No GPU.", "hint": "Try."})
    text = log.errors_text()
    assert f"CrossModalSeg {__version__}" in text
    assert "3D Slicer 5.12.0" in text
    assert "segment-1: No GPU. Try." in text
    assert "before" in text


def test_of_events_only_what_people_want_to_read_is_logged() -> None:
    log = JobLog()
    log.add_event({"event": "progress", "job": "a", "stage": "load", "done": 1, "total": 2})
    log.add_event({"event": "stage", "job": "a", "stage": "load", "total": 2})
    log.add_event({"event": "warning", "job": "a", "kind": "k", "message": "Odd.", "hint": ""})
    log.add_event({"event": "done", "job": "a", "outputs": [], "summary": {}})
    assert [text for _, text in log.lines] == ["a: load", "a: Odd.", "a: done"]
    assert not log.errors
