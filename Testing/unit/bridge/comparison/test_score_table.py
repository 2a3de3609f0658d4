"""Rows of scores: what is shown of them, and in which order."""

from __future__ import annotations

from dataclasses import replace

from CrossModalSegLib.bridge.comparison.score_table import (
    COLUMNS,
    ScoreRow,
    columns_for,
    sorted_rows,
)

ROW = ScoreRow(
    case="one",
    scan="One",
    method="dsan",
    label="DSAN",
    structure="LVC",
    structure_label="Left ventricle",
    volume_ml=10.0,
    dice=0.875,
    hd95_mm=2.5,
    assd_mm=0.5,
    reference_volume_ml=11.0,
)
BY_NAME = {column.name: column for column in COLUMNS}


def test_numbers_are_shown_in_their_units() -> None:
    texts = [column.text(ROW) for column in COLUMNS]
    assert texts == ["One", "DSAN", "Left ventricle", "87.5", "2.50", "0.50", "10.00", "11.00"]
    assert BY_NAME["dice"].text(replace(ROW, dice=None)) == ""


def test_columns_that_say_nothing_are_left_out() -> None:
    bare = replace(ROW, dice=None, hd95_mm=None, assd_mm=None, reference_volume_ml=None)
    assert [c.name for c in columns_for([bare])] == ["method", "structure", "volume_ml"]
    several = [bare, replace(ROW, case="two")]
    assert [c.name for c in columns_for(several)] == list(BY_NAME)


def test_undefined_values_come_last_in_both_directions() -> None:
    rows = [replace(ROW, hd95_mm=value, method=str(value)) for value in (None, 10.0, 9.0, None)]
    up = sorted_rows(rows, BY_NAME["hd95_mm"])
    assert [row.hd95_mm for row in up] == [9.0, 10.0, None, None]
    down = sorted_rows(rows, BY_NAME["hd95_mm"], descending=True)
    assert [row.hd95_mm for row in down] == [10.0, 9.0, None, None]


def test_texts_are_sorted_without_regard_to_capitals_and_equal_ones_stay() -> None:
    rows = [replace(ROW, label=label, volume_ml=n) for n, label in enumerate("bAaB")]
    found = sorted_rows(rows, BY_NAME["method"])
    assert [(row.label, row.volume_ml) for row in found] == [("A", 1), ("a", 2), ("b", 0), ("B", 3)]
