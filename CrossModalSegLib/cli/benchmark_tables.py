"""The benchmark's tables, written again after every trial from all that is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder
from CrossModalSegLib.cli.benchmark_notes import seed_notes, settings_notes
from CrossModalSegLib.cli.benchmark_results import (
    NOT_RUN,
    Results,
    Summary,
    compare_directions,
    main_rows,
    read_results,
)
from CrossModalSegLib.cli.benchmark_runs import runs_grid
from CrossModalSegLib.cli.benchmark_suite import Suite, SuiteDirection, SuiteRow
from CrossModalSegLib.core.errors import storage_errors
from CrossModalSegLib.evaluation.grids import Grid, GridRow, Head, write_grid
from CrossModalSegLib.evaluation.paper_layouts import paper_tables
from CrossModalSegLib.evaluation.score_table import ALL_METRICS, BOUNDS
from CrossModalSegLib.evaluation.table_formats import percent

UNDEFINED = "-"


def write_tables(folder: BenchmarkFolder, suite: Suite) -> Results:
    """Write all tables, and return what they were made of.

    Raises:
        ConfigError: A file of a trial is damaged.
        StorageError: The disk is full or not writable.
    """
    results = read_results(folder, suite)
    place = _subfolder(folder.results)
    write_grid(place, summary_grid(results))
    write_grid(place, overview_grid(results))
    write_grid(place, runs_grid(results))
    ablations = ablation_grid(results)
    if ablations.rows:
        write_grid(place, ablations)
    for name in dict.fromkeys(direction.group for direction in suite.directions):
        directions = [d for d in suite.directions if d.group == name]
        _write_papers(place / "papers" / name, results, directions)
    return results


def summary_grid(results: Results) -> Grid:
    """Lay out all rows in all directions: mean Dice, share of the gap, gain over augmentation."""
    suite = results.suite
    rows = []
    before: bool | None = None
    for name in main_rows(suite):
        cells = [cell for d in suite.directions for cell in _summary_cells(results, d, name)]
        is_bound = name in BOUNDS
        is_apart = before is not None and before != is_bound
        rows.append(GridRow(cells=(results.labels[name], *cells), is_apart=is_apart))
        before = is_bound
    width = len(_SUMMARY_HEADS)
    return Grid(
        name="summary",
        title=f"{suite.title}: mean Dice over the structures",
        groups=(tuple(Head(direction.title, width) for direction in suite.directions),),
        header=("Method", *[head for _ in suite.directions for head in _SUMMARY_HEADS]),
        rows=tuple(rows),
        notes=(_SUMMARY_NOTE, *seed_notes(results, main_rows(suite)), *settings_notes(results)),
    )


def overview_grid(results: Results) -> Grid:
    """Lay out the same in one column a direction: Dice, and in brackets gap closed and gain."""
    suite = results.suite
    whole = summary_grid(results)
    width = len(_SUMMARY_HEADS)
    rows = []
    for row in whole.rows:
        name, *cells = row.cells
        groups = [cells[start : start + width] for start in range(0, len(cells), width)]
        texts = (_in_brackets(dice, closed, gain) for dice, closed, gain in groups)
        rows.append(GridRow(cells=(name, *texts), is_apart=row.is_apart))
    return Grid(
        name="overview",
        title=f"{whole.title} in %, share of the gap closed, gain over augmentation alone",
        header=("Method", *(direction.title for direction in suite.directions)),
        rows=tuple(rows),
        notes=whole.notes,
    )


def _in_brackets(dice: str, closed: str, gain: str) -> str:
    shown = [text for text in (closed, gain) if text not in {"", UNDEFINED}]
    return f"{dice} ({', '.join(shown)})" if shown else dice


_SUMMARY_HEADS = ("Dice (%)", "Gap closed", "Gain")

_SUMMARY_NOTE = (
    "Dice: mean over the structures of the means over the unseen subjects, ± population standard "
    "deviation across runs where there are several. Gap closed: (method - source only) / "
    "(supervised - source only). Gain: Dice points above the source-only row whose training images "
    "were changed at random in the same way; - where there is none."
)


def ablation_grid(results: Results) -> Grid:
    """Lay out each method and its changed forms: Dice, the change that makes, another metric."""
    suite = results.suite
    changed = [row for row in suite.rows if row.ablation_of]
    directions = [d for d in suite.directions if any(row.runs_on(d) for row in changed)]
    rows: list[GridRow] = []
    for full in dict.fromkeys(row.ablation_of for row in changed):
        for row in suite.rows:
            if full in (row.name, row.ablation_of):
                cells = [c for d in directions for c in _ablation_cells(results, d, row, full)]
                is_apart = row.name == full and bool(rows)
                rows.append(GridRow(cells=(results.labels[row.name], *cells), is_apart=is_apart))
    heads = [_ablation_heads(direction) for direction in directions]
    return Grid(
        name="ablations",
        title=f"{suite.title}: ablations",
        groups=(tuple(Head(d.title, len(h)) for d, h in zip(directions, heads, strict=True)),),
        header=("Method", *[head for group in heads for head in group]),
        rows=tuple(rows),
        notes=(_ABLATION_NOTE, *settings_notes(results)),
    )


_ABLATION_NOTE = (
    "Means over the structures and the unseen subjects, and over the seeds. Change: Dice points "
    "against the whole method, on the seeds that both have."
)


def _other_metric(direction: SuiteDirection) -> str | None:
    return next((metric for metric in direction.metrics if metric != "dice"), None)


def _ablation_heads(direction: SuiteDirection) -> tuple[str, ...]:
    other = _other_metric(direction)
    return ("Dice (%)", "Change", *(() if other is None else (ALL_METRICS[other].title,)))


def _ablation_cells(
    results: Results, direction: SuiteDirection, row: SuiteRow, full: str
) -> tuple[str, ...]:
    heads = _ablation_heads(direction)
    found = results.summary(direction, row.name)
    if found is None:
        first = NOT_RUN if row.runs_on(direction) else UNDEFINED
        return (first, *[""] * (len(heads) - 1))
    change = None if row.name == full else results.change(direction, row.name, full)
    cells = [_with_deviation(found), UNDEFINED if change is None else f"{change:+.1f}"]
    other = _other_metric(direction)
    if other is not None:
        second = results.summary(direction, row.name, other)
        cells.append(UNDEFINED if second is None else _with_deviation(second))
    return tuple(cells)


def _with_deviation(summary: Summary) -> str:
    text = f"{summary.mean:.1f}"
    return text if summary.deviation is None else f"{text} ± {summary.deviation:.1f}"


def _summary_cells(results: Results, direction: SuiteDirection, row: str) -> tuple[str, str, str]:
    found = results.summary(direction, row)
    if found is None:
        return _missing(results, direction, row), "", ""
    gain = results.gain(direction, row)
    gain_text = UNDEFINED if gain is None else f"{gain:+.1f}"
    closed = percent(results.gap_closed(direction, row)) or UNDEFINED
    return _with_deviation(found), closed, gain_text


def _missing(results: Results, direction: SuiteDirection, row: str) -> str:
    """Return what stands where nothing was measured; "-" where the row is no part."""
    is_part = any(entry.name == row for entry in results.suite.rows_of(direction))
    return NOT_RUN if is_part else UNDEFINED


def _write_papers(place: Path, results: Results, directions: Sequence[SuiteDirection]) -> None:
    """Write the papers' layouts, with deviations across patients and, apart, across runs."""
    for across in ("patients", "runs"):
        comparison = compare_directions(results, directions, across, main_rows(results.suite))
        if comparison is not None:
            target = _subfolder(place / f"across_{across}")
            for grid in paper_tables(comparison):
                write_grid(target, grid)


def _subfolder(path: Path) -> Path:
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path
