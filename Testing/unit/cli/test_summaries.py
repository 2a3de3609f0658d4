"""Summaries as people read them."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from CrossModalSegLib.cli.summaries import phrase_seconds, phrase_value, summary_parts


def show(summary: dict[str, object]) -> list[str]:
    console = Console(file=io.StringIO(), width=60, highlight=False)
    for part in summary_parts(summary):
        console.print(part)
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in written.splitlines()]


def test_plain_values_become_lines() -> None:
    assert show({"mean_dice": 0.123456, "labelled": True, "HD95": None}) == [
        "Mean dice: 0.1235",
        "Labelled: yes",
        "HD95: none",
    ]


def test_lists_of_objects_become_tables_whose_rows_may_lack_cells() -> None:
    assert show({"runs": [{"name": "a", "step": 1}, {"name": "[b]"}]}) == [
        "Name  Step",
        "a     1",
        "[b]",
    ]


def test_objects_become_lists() -> None:
    assert show({"cases": {"train": 2, "test": 0}}) == ["Cases:", "  Train  2", "  Test   0"]


def test_empty_lists_are_said_to_be_empty() -> None:
    assert show({"models": []}) == ["Models: none"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7260, "2 h 01 min"),
    ],
)
def test_durations_are_phrased_in_fitting_units(seconds: float, text: str) -> None:
    assert phrase_seconds(seconds) == text


def test_lists_of_values_are_joined() -> None:
    assert phrase_value(("a", 1.5, False)) == "a, 1.5, no"
