"""The lines of tables in the papers' layouts: values, averages, the best of each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from CrossModalSegLib.evaluation.comparison import UNDEFINED, Comparison, Direction
from CrossModalSegLib.evaluation.grids import GridRow
from CrossModalSegLib.evaluation.score_table import (
    ALL_METRICS,
    BOUNDS,
    Cell,
)

_CARDIAC = ("AA", "LAC", "LVC", "MYO")
"""The order of the papers."""

Block = tuple[Direction, str]
"""Columns of one direction and one metric: its regions and their average."""


@dataclass(frozen=True)
class ShownValue:
    """A value as a number, to find the best, and as text."""

    mean: float | None
    text: str


def ordered_regions(direction: Direction) -> tuple[str, ...]:
    """Return the regions in the papers' order where it is known."""
    return _CARDIAC if set(direction.regions) == set(_CARDIAC) else direction.regions


def block_rows(
    comparison: Comparison,
    blocks: Sequence[Block],
    methods: Sequence[str],
    *,
    decimals: int = 2,
    deviations: bool = False,
) -> tuple[GridRow, ...]:
    """Return one line a method with the values of all blocks, each followed by its average."""
    values = {}
    for method in methods:
        shown: list[ShownValue] = []
        for block in blocks:
            cells = cells_of(comparison, block, method)
            means = [cell.mean for cell in cells if cell is not None and cell.mean is not None]
            average = sum(means) / len(means) if len(means) == len(cells) else None
            shown += [
                _cell_value(cell, decimals, comparison.absent, deviations=deviations)
                for cell in cells
            ]
            shown.append(shown_value(average, decimals, comparison.absent))
        values[method] = shown
    better = [ALL_METRICS[b[1]].higher_is_better for b in blocks for _ in range(width_of(b))]
    return grid_rows(comparison, values, better)


def grid_rows(
    comparison: Comparison, values: dict[str, list[ShownValue]], better: Sequence[bool]
) -> tuple[GridRow, ...]:
    """Mark the best of each column, and set the bounds apart from the methods that compete."""
    best: list[float | None] = []
    for column, is_higher_better in enumerate(better):
        means = [v[column].mean for method, v in values.items() if method not in BOUNDS]
        defined = [mean for mean in means if mean is not None]
        choose = max if is_higher_better else min
        best.append(choose(defined) if defined else None)
    rows, before = [], None
    for method, shown in values.items():
        is_bound = method in BOUNDS
        bold = frozenset(
            column + 1
            for column, value in enumerate(shown)
            if not is_bound and value.mean is not None and value.mean == best[column]
        )
        cells = (comparison.label(method), *(value.text for value in shown))
        is_apart = before is None or before != is_bound
        rows.append(GridRow(cells=cells, bold=bold, is_apart=is_apart))
        before = is_bound
    return tuple(rows)


def cells_of(comparison: Comparison, block: Block, method: str) -> list[Cell | None]:
    """Return a method's cell of each region; None where it was not run."""
    direction, metric = block
    row = next((r for r in comparison.table(direction, metric).rows if r.method == method), None)
    cells = row.cells if row is not None else {}
    return [cells.get(region) for region in ordered_regions(direction)]


def mean_of(
    comparison: Comparison, direction: Direction, method: str, metric: str, region: str
) -> float | None:
    """Return a method's mean on one region; None where it was not run."""
    cells = dict(
        zip(
            ordered_regions(direction),
            cells_of(comparison, (direction, metric), method),
            strict=True,
        )
    )
    cell = cells[region]
    return None if cell is None else cell.mean


def _cell_value(cell: Cell | None, decimals: int, absent: str, *, deviations: bool) -> ShownValue:
    if cell is None or cell.mean is None:
        return ShownValue(None, absent if cell is None else UNDEFINED)
    text = f"{cell.mean:.{decimals}f}"
    if deviations and cell.deviation is not None:
        text += f"±{cell.deviation:.{decimals}f}"
    return ShownValue(cell.mean, text)


def shown_value(mean: float | None, decimals: int, absent: str) -> ShownValue:
    """Return a mean as number and text."""
    return ShownValue(mean, absent if mean is None else f"{mean:.{decimals}f}")


def width_of(block: Block) -> int:
    """Return the number of columns of a block."""
    return len(block[0].regions) + 1
