"""Tests, intervals and shares of the gap as tables of texts."""

from __future__ import annotations

from collections.abc import Sequence

from CrossModalSegLib.evaluation.comparison import UNDEFINED, Comparison
from CrossModalSegLib.evaluation.grids import Grid, GridRow
from CrossModalSegLib.evaluation.score_table import ALL_METRICS, BOUNDS
from CrossModalSegLib.evaluation.significance import (
    EXACT_UP_TO,
    LEVEL,
    RESAMPLES,
    Interval,
    PairedTest,
    sizes_of,
    smallest_p,
)
from CrossModalSegLib.evaluation.table_formats import percent
from CrossModalSegLib.evaluation.tables import gaps_closed, mean_dice

SIGNIFICANT = 0.05
"""Of a corrected p-value; below it stands in bold."""

_GAP_NOTE = (
    "In mean Dice over the structures: (method - source only) / (supervised - source only). "
    "Supervised bounds differ between studies: compare the share, not the Dice."
)

_TEST_NOTE = (
    "Two-sided Wilcoxon signed-rank test on the patients that both methods have, exact up to "
    f"{EXACT_UP_TO} of them; p (Holm): corrected for all tests of this table and direction; bold "
    f"below {SIGNIFICANT:g}."
)


def tests_grid(comparison: Comparison, tests: Sequence[PairedTest], metric: str) -> Grid:
    """Lay paired tests out, one a line."""
    shown = ALL_METRICS[metric]
    rows = tuple(
        GridRow(
            cells=(
                f"{comparison.label(test.first)} - {comparison.label(test.second)}",
                *_place(comparison, test.direction, test.region),
                str(test.patients),
                f"{test.difference:+.2f}",
                f"{test.low:+.2f} to {test.high:+.2f}",
                f"{test.p_value:.4f}",
                f"{test.p_holm:.4f}",
            ),
            bold=frozenset({_last_column(comparison)})
            if test.p_holm < SIGNIFICANT
            else frozenset(),
        )
        for test in tests
    )
    header = ("Difference", *_place_heads(comparison), "n", f"Mean ({shown.unit})")
    return Grid(
        name=f"tests_{metric}",
        title=f"{shown.title}: pairs of methods on the same patients",
        header=(*header, f"{LEVEL:.0%} interval", "p", "p (Holm)"),
        rows=rows,
        notes=_test_notes(tests),
    )


def intervals_grid(comparison: Comparison, found: Sequence[Interval], metric: str) -> Grid:
    """Lay means with their intervals out, one a line."""
    shown = ALL_METRICS[metric]
    return Grid(
        name=f"intervals_{metric}",
        title=f"{shown.title}: means with bootstrap intervals",
        header=(
            *("Method", *_place_heads(comparison), "n"),
            *(f"Mean ({shown.unit})", f"{LEVEL:.0%} interval"),
        ),
        rows=tuple(
            GridRow(
                cells=(
                    comparison.label(entry.method),
                    *_place(comparison, entry.direction, entry.region),
                    str(entry.patients),
                    f"{entry.mean:.2f}",
                    f"{entry.low:.2f} to {entry.high:.2f}",
                )
            )
            for entry in found
        ),
        notes=(_bootstrap_note(),),
    )


def gap_grid(comparison: Comparison) -> Grid:
    """Lay the share of the gap closed out: lines are methods, columns directions."""
    names = [direction.name or "Gap closed" for direction in comparison.directions]
    gaps = [gaps_closed(direction.records) for direction in comparison.directions]
    means = [mean_dice(direction.records) for direction in comparison.directions]
    rows = []
    for method in comparison.methods:
        cells = []
        for gap, mean in zip(gaps, means, strict=True):
            dice = mean.get(method)
            shown = comparison.absent if dice is None else f"{dice:.2f}"
            cells += [shown, percent(gap.get(method)) or UNDEFINED]
        is_bound = method in BOUNDS
        rows.append(GridRow(cells=(comparison.label(method), *cells), is_apart=is_bound))
    heads = [head for name in names for head in (f"{name}: Dice (%)", f"{name}: closed")]
    if len(names) == 1:
        heads = ["Mean Dice (%)", "Gap closed"]
    return Grid(
        name="gap_closed",
        title="Share of the gap between source-only and supervised that is closed",
        header=("Method", *heads),
        rows=tuple(rows),
        notes=(_GAP_NOTE,),
    )


def _place(comparison: Comparison, direction: str, region: str) -> tuple[str, ...]:
    return (direction, region) if len(comparison.directions) > 1 else (region,)


def _place_heads(comparison: Comparison) -> tuple[str, ...]:
    return ("Direction", "Structure") if len(comparison.directions) > 1 else ("Structure",)


def _last_column(comparison: Comparison) -> int:
    return 5 + len(_place_heads(comparison))


def _test_notes(tests: Sequence[PairedTest]) -> tuple[str, ...]:
    notes = [_TEST_NOTE, _bootstrap_note()]
    for direction, (patients, count) in sizes_of(tests).items():
        possible = min(1.0, count * smallest_p(patients))
        if possible > SIGNIFICANT:
            where = f" of {direction}" if direction else ""
            notes.append(
                f"With {patients} patients and {count} tests{where} no corrected p-value below "
                f"{possible:.2g} is possible; --against METHOD makes fewer tests."
            )
    return tuple(notes)


def _bootstrap_note() -> str:
    return (
        f"Intervals: {LEVEL:.0%} percentile bootstrap over patients ({RESAMPLES} resamples); "
        "with few patients they are too narrow."
    )
