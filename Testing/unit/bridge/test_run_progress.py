"""One bar over all stages that never goes back."""

from __future__ import annotations

import pytest

from CrossModalSegLib.bridge.run_progress import STAGES, ProgressBar


def test_stages_follow_each_other_without_gaps() -> None:
    ends = [0.0, *(span.end for span in STAGES.values())]
    assert [span.start for span in STAGES.values()] == ends[:-1]
    assert ends[-1] == 1.0


def test_progress_within_a_stage_is_a_share_of_its_part() -> None:
    bar = ProgressBar()
    start, end = STAGES["slices"].start, STAGES["slices"].end
    progress = bar.of_event({"event": "progress", "stage": "slices", "done": 5, "total": 20})
    assert progress is not None
    assert progress.fraction == pytest.approx(start + (end - start) / 4)
    assert (progress.stage, progress.message) == ("slices", STAGES["slices"].message)


def test_the_bar_never_goes_back() -> None:
    bar = ProgressBar()
    reached = bar.at("slices", 0.5).fraction
    assert bar.at("read", 0.1).fraction == reached
    assert bar.at("slices", 0.2).fraction == reached


def test_unknown_stages_are_named_and_move_nothing() -> None:
    bar = ProgressBar()
    before = bar.at("read", 1.0).fraction
    progress = bar.of_event({"event": "stage", "stage": "polishing", "total": 3})
    assert progress is not None
    assert (progress.fraction, progress.message) == (before, "Polishing")


def test_time_of_later_stages_is_added() -> None:
    span = STAGES["slices"]
    halfway = (span.start + span.end) / 2
    progress = ProgressBar().at("slices", 0.5, eta_seconds=10.0)
    assert progress.eta_seconds == pytest.approx(10.0 * (1 - halfway) / (span.end - halfway))
    assert ProgressBar().at("slices", 1.0, eta_seconds=0.0).eta_seconds is None


def test_odd_numbers_do_no_harm() -> None:
    bar = ProgressBar()
    for event in (
        {"event": "progress", "stage": "slices", "done": 9, "total": 3},
        {"event": "progress", "stage": "slices", "done": 1, "total": None},
        {"event": "progress", "stage": "slices", "done": None, "total": 0},
    ):
        progress = bar.of_event(event)
        assert progress is not None
        assert 0.0 <= progress.fraction <= STAGES["slices"].end


def test_other_events_are_no_progress() -> None:
    assert ProgressBar().of_event({"event": "warning", "message": "odd"}) is None
