"""Events as people see them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from CrossModalSegLib.cli.terminal import BarDisplay, LineDisplay
from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.events import Reporter


class Screen:
    """Two consoles on paper, and a clock that tests wind."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        self.written, self.complained = io.StringIO(), io.StringIO()
        self.output = Console(
            file=self.written, width=100, force_terminal=is_terminal, highlight=False
        )
        self.errors = Console(file=self.complained, width=100, highlight=False)
        self.seconds = 0.0

    def clock(self) -> float:
        return self.seconds

    @property
    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()


@pytest.fixture
def screen() -> Screen:
    return Screen()


@pytest.fixture
def reporter(screen: Screen) -> Reporter:
    display = LineDisplay(screen.output, screen.errors, screen.clock)
    return Reporter(sinks=[display], clock=screen.clock)


def test_lines_come_every_ten_seconds_and_at_the_end(screen: Screen, reporter: Reporter) -> None:
    reporter.stage("train", 100)
    for step in range(1, 101):
        screen.seconds += 0.5
        reporter.progress("train", step, 100)
    assert screen.lines == [
        "train 20/100, 40 s left",
        "train 40/100, 30 s left",
        "train 60/100, 20 s left",
        "train 80/100, 10 s left",
        "train 100/100",
    ]


def test_a_stage_that_ends_again_and_again_prints_its_end_once(
    screen: Screen, reporter: Reporter
) -> None:
    for _ in range(5):
        reporter.stage("slices", 2)
        reporter.progress("slices", 1, 2)
        reporter.progress("slices", 2, 2)
    assert screen.lines == ["slices 2/2"]


def test_the_latest_numbers_stand_on_the_next_line(screen: Screen, reporter: Reporter) -> None:
    reporter.stage("train", 2)
    reporter.metrics(1, {"seg": 0.5, "adv": float("nan")})
    reporter.metrics(2, {"seg": 0.25, "adv": float("nan")})
    reporter.progress("train", 2, 2)
    assert screen.lines == ["train 2/2; step 2: seg 0.25, adv undefined"]


def test_a_stage_without_length_is_named(screen: Screen, reporter: Reporter) -> None:
    reporter.stage("paused")
    assert screen.lines == ["paused"]


def test_warnings_errors_and_cancellation_go_to_the_other_stream(
    screen: Screen, reporter: Reporter
) -> None:
    reporter.warning("kind", "It is [bold]odd[/bold].", "Look at it.")
    reporter.error(CohortError("It is empty."))
    reporter.cancelled()
    assert screen.lines == []
    assert screen.complained.getvalue().splitlines() == [
        "Warning: It is [bold]odd[/bold].",
        "Look at it.",
        "Error: It is empty.",
        "Cancelled.",
    ]


def test_results_and_long_paths_are_shown_whole(screen: Screen, reporter: Reporter) -> None:
    path = Path("/" + "long name/" * 20)
    reporter.preview(path, "A picture")
    reporter.done([path], {"cases": 3})
    assert screen.lines == [f"A picture: {path}", "Cases: 3", f"Written: {path}"]


def test_a_long_list_of_outputs_is_cut(screen: Screen, reporter: Reporter) -> None:
    reporter.done([f"{n}" for n in range(25)], {})
    assert screen.lines[-2:] == ["Written: 9", "and 15 more"]


def test_events_of_later_versions_are_passed_over(screen: Screen, reporter: Reporter) -> None:
    reporter.relay({"event": "telepathy"})
    assert screen.lines == []


def test_bars_show_stages_that_make_progress_and_the_latest_numbers() -> None:
    screen = Screen(is_terminal=True)
    with BarDisplay(screen.output, screen.errors) as display:
        reporter = Reporter(sinks=[display], clock=screen.clock)
        reporter.stage("warm up", 5)  # announced, but never heard of again
        reporter.stage("train", 10)
        screen.seconds = 5.0
        reporter.progress("train", 5, 10)
        reporter.metrics(5, {"seg": 0.125})
        reporter.done(["bundle"], {"iterations": 10})
    text = screen.written.getvalue()
    assert "train" in text
    assert "5/10" in text
    assert "5 s left" in text
    assert "seg 0.125" in text
    assert "warm up" not in text
    assert text.index("seg 0.125") < text.index("Iterations") < text.index("bundle")


def test_a_stage_that_begins_again_starts_its_bar_anew() -> None:
    screen = Screen(is_terminal=True)
    with BarDisplay(screen.output, screen.errors) as display:
        reporter = Reporter(sinks=[display])
        for done in (1, 2):
            reporter.stage("slices", done * 10)
            reporter.progress("slices", done * 10, done * 10)
        reporter.cancelled()
    text = screen.written.getvalue()
    assert "20/20" in text
    assert text.splitlines()[-1].count("slices") <= 1
    assert "Cancelled." in screen.complained.getvalue()


def test_a_quick_command_leaves_no_bars() -> None:
    screen = Screen(is_terminal=True)
    with BarDisplay(screen.output, screen.errors) as display:
        Reporter(sinks=[display]).error(CohortError("It is empty."))
    assert screen.written.getvalue() == ""
