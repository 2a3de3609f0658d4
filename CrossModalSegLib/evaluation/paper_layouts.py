"""Score tables in the layouts of the papers, with our numbers.

| layout | as in | columns | cells | order of rows |
|---|---|---|---|---|
| `bigl_1`, `bigl_2` | BiGL, Tables 1 and 2 | regions, average; Dice, HD95 | mean±std | A |
| `bigl_6`, `bigl_7` | BiGL, Tables 6 and 7 | directions x regions; Dice, ASD | means | A |
| `dsan_2` | DSAN, Table II | Dice, ASD x regions; a block of rows a direction | means | B |
| `dsan_3` | DSAN, Table III | Dice, HD x directions, for one region | means | B |
| `glua_1` | GLUA, Tables I and II | directions x (Dice, ASD) x regions | means, std row | B |

Order A begins with source-only and ends with supervised; order B begins with supervised and
source-only. What the papers call ASD is the average symmetric surface distance in voxels
(SIFA's line of papers). The best value of a column is bold; the bounds do not compete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from CrossModalSegLib.evaluation.comparison import UNDEFINED, Comparison, Direction
from CrossModalSegLib.evaluation.grids import Grid, GridRow, Head
from CrossModalSegLib.evaluation.paper_cells import (
    Block,
    ShownValue,
    block_rows,
    cells_of,
    grid_rows,
    mean_of,
    ordered_regions,
    shown_value,
    width_of,
)
from CrossModalSegLib.evaluation.score_table import (
    ALL_METRICS,
    AUGMENTED,
    LOWER_BOUND,
    MULTIMODAL_BOUND,
    UPPER_BOUND,
)

ASD = "assd_voxels"


def paper_tables(comparison: Comparison) -> tuple[Grid, ...]:
    """Return every layout that the scores can fill."""
    builders: list[Callable[[], Grid | None]] = []
    for direction in comparison.directions:
        builders += [
            partial(_one_direction, comparison, direction, "bigl_1", "dice"),
            partial(_one_direction, comparison, direction, "bigl_2", "hd95_mm"),
        ]
    builders += [
        partial(_directions_side_by_side, comparison, "bigl_6", "dice"),
        partial(_directions_side_by_side, comparison, "bigl_7", ASD),
        partial(_metrics_side_by_side, comparison),
        partial(_one_region, comparison),
        partial(_everything_side_by_side, comparison),
    ]
    return tuple(grid for build in builders if (grid := build()) is not None)


def rows_from_source(methods: Sequence[str]) -> tuple[str, ...]:
    """Order A: source-only first, supervised last."""
    first = [name for name in (LOWER_BOUND, AUGMENTED) if name in methods]
    last = [name for name in (UPPER_BOUND, MULTIMODAL_BOUND) if name in methods]
    return (*first, *(name for name in methods if name not in (*first, *last)), *last)


def rows_from_supervised(methods: Sequence[str]) -> tuple[str, ...]:
    """Order B: supervised first, source-only second."""
    order = (MULTIMODAL_BOUND, UPPER_BOUND, LOWER_BOUND, AUGMENTED)
    first = [name for name in order if name in methods]
    return (*first, *(name for name in methods if name not in first))


def _one_direction(comparison: Comparison, direction: Direction, layout: str, metric: str) -> Grid:
    """BiGL, Tables 1 and 2: mean±std of one metric."""
    blocks = [(direction, metric)]
    methods = rows_from_source(comparison.rows_of(direction))
    rows = block_rows(comparison, blocks, methods, deviations=True)
    name = "_".join(filter(None, (layout, _file_name(comparison, direction))))
    where = f", {direction.name}" if direction.name else ""
    return Grid(
        name=name,
        title=f"{ALL_METRICS[metric].title}{where} (layout of BiGL, Table {layout[-1]})",
        header=("Method", *_columns(blocks, "Average")),
        rows=rows,
        notes=_notes(comparison, blocks, with_deviations=True),
    )


def _directions_side_by_side(comparison: Comparison, layout: str, metric: str) -> Grid | None:
    """BiGL, Tables 6 and 7: means of one metric, the directions side by side."""
    if len(comparison.directions) < 2:
        return None
    blocks = [(direction, metric) for direction in comparison.directions]
    return Grid(
        name=layout,
        title=f"{ALL_METRICS[metric].title} (layout of BiGL, Table {layout[-1]})",
        groups=(tuple(Head(d.name, len(d.regions) + 1) for d, _ in blocks),),
        header=("Method", *_columns(blocks, "Avg.")),
        rows=block_rows(comparison, blocks, rows_from_source(comparison.methods), decimals=1),
        notes=_notes(comparison, blocks),
    )


def _metrics_side_by_side(comparison: Comparison) -> Grid | None:
    """DSAN, Table II: Dice and ASD side by side, a block of rows for each direction."""
    regions = {direction.regions for direction in comparison.directions}
    if len(regions) > 1:
        return None
    rows: list[GridRow] = []
    for direction in comparison.directions:
        blocks = [(direction, "dice"), (direction, ASD)]
        if direction.name:
            width = sum(width_of(block) for block in blocks)
            rows.append(GridRow(cells=(direction.name, *[""] * width), is_apart=True))
        rows += block_rows(comparison, blocks, rows_from_supervised(comparison.rows_of(direction)))
    blocks = [(comparison.directions[0], "dice"), (comparison.directions[0], ASD)]
    return Grid(
        name="dsan_2",
        title="Dice and average surface distance (layout of DSAN, Table II)",
        groups=(tuple(Head(_paper_title(block[1]), width_of(block)) for block in blocks),),
        header=("Method", *_columns(blocks, "Average")),
        rows=tuple(rows),
        notes=_notes(comparison, [(d, m) for d in comparison.directions for m in ("dice", ASD)]),
    )


def _one_region(comparison: Comparison) -> Grid | None:
    """DSAN, Table III: one region, the directions (there: target modalities) as columns."""
    region = "WT"
    directions = comparison.directions
    if len(directions) < 2 or any(region not in d.regions for d in directions):
        return None
    metrics = ("dice", "hd_mm")
    values: dict[str, list[ShownValue]] = {}
    for method in rows_from_supervised(comparison.methods):
        shown: list[ShownValue] = []
        for metric in metrics:
            means = [mean_of(comparison, d, method, metric, region) for d in directions]
            defined = [mean for mean in means if mean is not None]
            is_whole = len(defined) == len(means)
            average = sum(defined) / len(defined) if is_whole else None
            shown += [shown_value(mean, 2, comparison.absent) for mean in (*means, average)]
        values[method] = shown
    better = [ALL_METRICS[m].higher_is_better for m in metrics for _ in range(len(directions) + 1)]
    names = [direction.name for direction in directions]
    return Grid(
        name="dsan_3",
        title=f"{region} in each direction (layout of DSAN, Table III)",
        groups=(tuple(Head(ALL_METRICS[m].title, len(directions) + 1) for m in metrics),),
        header=("Method", *[*names, "Average"] * len(metrics)),
        rows=grid_rows(comparison, values, better),
        notes=_notes(comparison, [(d, m) for d in directions for m in metrics]),
    )


def _everything_side_by_side(comparison: Comparison) -> Grid:
    """GLUA, Tables I and II: directions and metrics side by side, deviations in a row below."""
    metrics = ("dice", ASD)
    blocks = [(d, metric) for d in comparison.directions for metric in metrics]
    outer = tuple(
        Head(d.name, sum(width_of((d, m)) for m in metrics)) for d in comparison.directions
    )
    inner = tuple(
        Head(
            f"{_paper_title(m)} {'↑' if ALL_METRICS[m].higher_is_better else '↓'}", width_of((d, m))
        )
        for d, m in blocks
    )
    methods = rows_from_supervised(comparison.methods)
    rows = list(block_rows(comparison, blocks, methods))
    if comparison.across == "runs":
        rows = _with_deviations(comparison, blocks, methods, rows)
    return Grid(
        name="glua_1",
        title="Dice and average surface distance (layout of GLUA, Tables I and II)",
        groups=(outer, inner) if any(d.name for d in comparison.directions) else (inner,),
        header=("Method", *_columns(blocks, "Avg")),
        rows=tuple(rows),
        notes=_notes(comparison, blocks),
    )


def _with_deviations(
    comparison: Comparison, blocks: Sequence[Block], methods: Sequence[str], rows: list[GridRow]
) -> list[GridRow]:
    """Put a row of standard deviations below each method that was run several times."""
    result = []
    for method, row in zip(methods, rows, strict=True):
        cells = [cells_of(comparison, block, method) for block in blocks]
        deviations = [
            "" if cell is None or cell.deviation is None else f"{cell.deviation:.2f}"
            for by_region in cells
            for cell in (*by_region, None)
        ]
        if not any(deviations):
            result.append(row)
            continue
        result.append(
            GridRow(
                cells=(f"{row.cells[0]} (Avg)", *row.cells[1:]),
                bold=row.bold,
                is_apart=row.is_apart,
            )
        )
        cells_below = (d or UNDEFINED for d in deviations)
        result.append(GridRow(cells=("Standard deviation", *cells_below)))
    return result


def _columns(blocks: Sequence[Block], average: str) -> list[str]:
    return [name for d, _ in blocks for name in (*ordered_regions(d), average)]


def _paper_title(metric: str) -> str:
    """Return the papers' word for the metric."""
    return "ASD (voxel)" if metric == ASD else ALL_METRICS[metric].title


def _notes(
    comparison: Comparison, blocks: Sequence[Block], *, with_deviations: bool = False
) -> tuple[str, ...]:
    notes = []
    for direction, metric in blocks:
        if not direction.runs:
            continue
        where = f"{direction.name}: " if direction.name else ""
        caption = comparison.table(direction, metric).caption(with_deviations=with_deviations)
        notes.append(f"{where}{caption}")
    if any(metric == ASD for _, metric in blocks):
        notes.append(
            "ASD (voxel): average symmetric surface distance, as in SIFA's line of papers."
        )
    return tuple(dict.fromkeys(notes))


def _file_name(comparison: Comparison, direction: Direction) -> str:
    if len(comparison.directions) == 1:
        return ""
    text = "".join(c if c.isalnum() else "_" for c in direction.name.lower())
    return text or str(comparison.directions.index(direction) + 1)
