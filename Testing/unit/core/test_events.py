"""The stream of events of a job."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import Cancelled, ConfigError, UnknownNameError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def reporter(events: list[Event]) -> Reporter:
    seconds = itertools.count(100.0)
    return Reporter(job="job-1", sinks=[events.append], clock=lambda: next(seconds))


def test_each_event_carries_version_job_and_time(reporter: Reporter, events: list[Event]) -> None:
    reporter.stage("train", 10)
    reporter.metrics(3, {"seg": 0.5})
    reporter.preview(Path("a.png"), "first")
    reporter.warning("device", "slow", "buy a GPU")
    reporter.error(ConfigError("bad", hint="mend it"))
    reporter.cancelled()
    reporter.done([Path("out")], {"cases": 2})
    kinds = [event["event"] for event in events]
    assert kinds == ["stage", "metrics", "preview", "warning", "error", "cancelled", "done"]
    assert all((e["v"], e["job"]) == (1, "job-1") for e in events)
    assert all(isinstance(event["time"], float) for event in events)
    json.dumps(events, allow_nan=False)
    assert events[4]["kind"] == "config"
    assert events[4]["hint"] == "mend it"


def test_the_remaining_time_follows_from_the_pace(reporter: Reporter, events: list[Event]) -> None:
    reporter.stage("train", 10)  # the clock ticks one second a call
    reporter.progress("train", 2, 10)
    began, now = events[0]["time"], events[1]["time"]
    assert events[1]["eta_seconds"] == pytest.approx((now - began) / 2 * 8, abs=4)
    reporter.progress("train", 10, 10)
    assert events[2]["eta_seconds"] == 0


def test_a_resumed_stage_estimates_from_where_it_resumed(
    reporter: Reporter, events: list[Event]
) -> None:
    reporter.progress("train", 900, 1000)
    assert events[0]["eta_seconds"] is None
    reporter.progress("train", 901, 1000)
    assert 0 < events[1]["eta_seconds"] < 1000


def test_numbers_that_json_does_not_know_become_null(
    reporter: Reporter, events: list[Event]
) -> None:
    reporter.metrics(1, {"a": float("nan"), "b": float("inf"), "c": 1.0})
    assert events[0]["values"] == {"a": None, "b": None, "c": 1.0}


def test_a_cancelled_job_stops_between_two_items(events: list[Event]) -> None:
    cancel = CancelToken()
    reporter = Reporter(sinks=[events.append], cancel=cancel)
    items = reporter.track([1, 2, 3], "read")
    assert next(items) == 1
    cancel.set()
    with pytest.raises(Cancelled):
        next(items)


def test_an_error_shows_message_and_hint_in_one_line() -> None:
    error = UnknownNameError("method", "dsann", ["dsan", "bigl"])
    assert str(error) == "No method 'dsann'. Did you mean 'dsan'? Choose one of: bigl, dsan."
