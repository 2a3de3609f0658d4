"""Tables as text: layout, bold values, escapes."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.evaluation.table_formats import (
    escape_latex,
    escape_markdown,
    to_csv,
    to_latex,
    to_markdown,
    to_text,
)
from CrossModalSegLib.evaluation.tables import METRICS, Cell, Row, ScoreTable


def row(method: str, mean: float, gap: float | None, label: str = "") -> Row:
    cell = Cell(mean=mean, deviation=1.25, count=4, undefined=0)
    return Row(
        method=method,
        label=label or method,
        cells={"MYO": cell, "AA": cell},
        average=mean,
        gap_closed=gap,
        empties={"prediction": 2} if method == "source_only" else {},
    )


def table(metric: str = "dice") -> ScoreTable:
    return ScoreTable(
        metric=METRICS[metric],
        regions=("MYO", "AA"),
        rows=(
            row("source_only", 20.0, 0.0, "Source only"),
            row("dsan", 62.0, 0.6, "DSAN | 100 % & more_or_*less*"),
            Row(
                method="bigl",
                label="BiGL",
                cells={},
                average=None,
                gap_closed=None,
                empties={},
            ),
            row("supervised", 90.0, 1.0, "Supervised"),
        ),
        patients=4,
        policy="brats",
    )


def test_plain_text_shows_values_gap_and_empties_without_colour_codes() -> None:
    text = to_text(table())
    source = next(line for line in text.splitlines() if "Source only" in line)
    assert "20.0 ± 1.2" in source
    assert "0 %" in source
    assert source.split("│")[-2].strip() == "2"
    assert "60 %" in text
    assert "not run" in text
    assert "policy 'brats'" in text
    assert "\x1b" not in text


def test_markdown_has_equal_columns_and_bold_best_values() -> None:
    lines = [line for line in to_markdown(table()).splitlines() if line.startswith("|")]
    plain = [line.replace(r"\|", "") for line in lines]
    assert {line.count("|") for line in plain} == {7}
    assert "**62.0 ± 1.2**" in lines[3]
    assert "**90.0" not in lines[5]


def test_markdown_escapes_what_would_be_markup() -> None:
    assert r"DSAN \| 100 % & more\_or\_\*less\*" in to_markdown(table())
    assert escape_markdown("a<b>\n`c`") == r"a\<b\> \`c\`"


def test_latex_has_one_block_a_metric_in_the_layout_of_the_papers() -> None:
    text = to_latex([table(), table("assd_voxels")])
    assert r"\multicolumn{3}{c}{Dice (\%)} & \multicolumn{3}{c}{ASSD (voxel)}" in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text
    assert " & MYO & AA & Average & MYO & AA & Average & " in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    columns = {line.replace(r"\&", "").count("&") for line in rows[1:]}
    assert columns == {7}
    assert r"\textbf{62.00 $\pm$ 1.25}" in text


def test_latex_bolds_nothing_but_the_best_of_each_block() -> None:
    better = replace(table(), rows=(*table().rows, row("bigger", 70.0, 0.7)))
    lines = to_latex([better]).splitlines()
    assert sum(line.count(r"\textbf") for line in lines) == 3
    assert next(line for line in lines if line.startswith("bigger")).count(r"\textbf") == 3


def test_latex_has_a_column_of_the_gap_only_where_there_is_one() -> None:
    without = replace(table(), rows=tuple(replace(r, gap_closed=None) for r in table().rows))
    text = to_latex([without], caption="One scan.\nA second line.")
    assert "Gap closed" in to_latex([table()])
    assert "Gap closed" not in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows[1:]} == {3}
    assert text.endswith("% One scan.\n% A second line.\n")


def test_nothing_is_the_best_of_a_metric_without_a_rank() -> None:
    volume = replace(METRICS["dice"], is_ranked=False)
    assert r"\textbf" not in to_latex([replace(table(), metric=volume)])


def test_latex_escapes_every_special_character() -> None:
    assert r"DSAN | 100 \% \& more\_or\_*less*" in to_latex([table()])
    assert escape_latex("\\{}~^$#") == (
        r"\textbackslash{}\{\}\textasciitilde{}\textasciicircum{}\$\#"
    )


def test_latex_refuses_tables_that_do_not_line_up() -> None:
    with pytest.raises(CohortError):
        to_latex([])
    with pytest.raises(CohortError, match="different methods"):
        to_latex([table(), replace(table("hd_mm"), rows=table().rows[:2])])


def test_csv_is_tidy_with_full_precision() -> None:
    lines = list(csv.DictReader(to_csv([table(), table("hd95_mm")]).splitlines()))
    dsan = [line for line in lines if line["method"] == "dsan" and line["metric"] == "dice"]
    assert [line["region"] for line in dsan] == ["MYO", "AA", "average"]
    assert (dsan[0]["std"], dsan[0]["across"]) == ("1.25", "patients")
    assert [line["gap_closed"] for line in dsan] == ["", "", "0.6"]
    assert not any(line["gap_closed"] for line in lines if line["metric"] == "hd95_mm")
    assert {line["empty_policy"] for line in lines} == {"brats"}
    absent = [line for line in lines if line["method"] == "bigl"]
    assert [(line["region"], line["mean"], line["count"]) for line in absent] == [
        ("average", "", "0")
    ] * 2
