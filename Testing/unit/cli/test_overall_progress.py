"""One bar over steps of unequal length."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.cli.overall_progress import OverallProgress
from CrossModalSegLib.core.events import Reporter


def bar(heard: Any) -> list[int]:
    return [event["done"] for event in heard.of("progress") if event["stage"] == "all"]


def test_steps_fill_the_bar_by_their_shares(heard: Any, reporter: Reporter) -> None:
    progress = OverallProgress(reporter, "all", {"first": 1.0, "second": 3.0}, 1000)
    progress.begin("first")
    progress.begin("second")
    progress.finish()
    assert bar(heard) == [0, 250, 1000]


def test_a_training_fills_the_share_of_its_step(heard: Any, reporter: Reporter) -> None:
    progress = OverallProgress(reporter, "all", {"first": 1.0, "second": 1.0})
    progress.begin("first")
    progress.steps.progress("train", 1, 4)
    progress.steps.progress("cases", 1, 2)
    progress.begin("second")
    progress.steps.progress("train", 4, 4)
    assert bar(heard) == [0, 12, 50, 100]
    stages = [event["stage"] for event in heard.of("progress") if event["stage"] != "all"]
    assert stages == ["train first", "cases", "train second"]


def test_the_end_of_a_step_is_not_the_end_of_all(heard: Any, reporter: Reporter) -> None:
    progress = OverallProgress(reporter, "all", {"first": 1.0})
    progress.begin("first")
    progress.steps.done([], {})
    progress.steps.warning("kind", "message")
    assert not heard.of("done")
    assert len(heard.of("warning")) == 1


def test_who_cancels_the_whole_cancels_the_steps(reporter: Reporter) -> None:
    progress = OverallProgress(reporter, "all", {"first": 1.0})
    reporter.cancel.set()
    assert progress.steps.cancel.is_set()


def test_nothing_to_do_is_done(heard: Any, reporter: Reporter) -> None:
    OverallProgress(reporter, "all", {}).finish()
    assert bar(heard) == [100]
