"""Scores of several methods side by side: means, spreads, and the share of the gap closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from CrossModalSegLib.core.errors import CohortError, UnknownNameError
from CrossModalSegLib.evaluation.records import (
    EmptyPolicy,
    ScoreRecord,
    check_unique,
)
from CrossModalSegLib.evaluation.rules import PREDICTION_MISSING
from CrossModalSegLib.evaluation.score_table import (
    ALL_METRICS,
    AUGMENTED,
    LOWER_BOUND,
    METRICS,
    MULTIMODAL_BOUND,
    UPPER_BOUND,
    Cell,
    Metric,
    Row,
    ScoreTable,
)

__all__ = [
    "ALL_METRICS",
    "AUGMENTED",
    "LOWER_BOUND",
    "METRICS",
    "UPPER_BOUND",
    "Cell",
    "Metric",
    "Row",
    "ScoreTable",
    "average_of",
    "build_table",
    "cell_of",
    "comparison_notes",
    "gaps_closed",
    "mean_dice",
    "mean_metric",
    "method_order",
    "require_same_cases",
    "summary_row",
]


def build_table(
    records: Sequence[ScoreRecord],
    metric: str,
    policy: EmptyPolicy,
    *,
    methods: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> ScoreTable:
    """Summarise one metric of all methods over their common cases.

    Args:
        records: Scores of one or more methods on the same cases and regions.
        metric: Name in `ALL_METRICS`.
        policy: The policy for empty masks under which the records were made.
        methods: Rows in order; one without records is shown as not run. Default: source-only
            first, supervised last, the others as they come.
        labels: Names for people; default: the methods' identifiers.

    Raises:
        UnknownNameError: No such metric.
        CohortError: There are no records, or methods were scored on different cases or regions.
    """
    if metric not in ALL_METRICS:
        raise UnknownNameError("metric", metric, ALL_METRICS)
    require_same_cases(records)
    regions = tuple(dict.fromkeys(record.region for record in records))
    order = methods if methods is not None else method_order(records)
    gaps = gaps_closed(records)
    rows = []
    for method in order:
        own = [record for record in records if record.method == method]
        cells = (
            {region: _cell(own, ALL_METRICS[metric], region) for region in regions} if own else {}
        )
        label = (labels or {}).get(method, method)
        rows.append(summary_row(method, label, cells, own, gaps.get(method)))
    return ScoreTable(
        metric=ALL_METRICS[metric],
        regions=regions,
        rows=tuple(rows),
        patients=len({record.case for record in records}),
        policy=policy,
    )


def summary_row(
    method: str,
    label: str,
    cells: Mapping[str, Cell],
    own: Sequence[ScoreRecord],
    gap_closed: float | None,
    *,
    runs: int = 0,
) -> Row:
    """Return a method's row with the counts of its records."""
    return Row(
        method=method,
        label=label,
        cells=cells,
        average=average_of(cells),
        gap_closed=gap_closed,
        empties=Counter(record.empty for record in own if record.empty != "none"),
        missing=sum(bool(record.further.get(PREDICTION_MISSING)) for record in own)
        // max(1, len(cells)),
        runs=runs,
    )


def method_order(records: Iterable[ScoreRecord]) -> tuple[str, ...]:
    """Return the methods as the papers list them: source-only first, supervised last."""
    found = list(dict.fromkeys(record.method for record in records))
    first = [name for name in (LOWER_BOUND, AUGMENTED) if name in found]
    last = [name for name in (UPPER_BOUND, MULTIMODAL_BOUND) if name in found]
    return (*first, *(name for name in found if name not in (*first, *last)), *last)


def mean_dice(records: Sequence[ScoreRecord]) -> dict[str, float | None]:
    """Return each method's mean over the regions of the means over the cases, in percent.

    None where a region has no defined value.
    """
    return mean_metric(records, "dice")


def mean_metric(records: Sequence[ScoreRecord], metric: str) -> dict[str, float | None]:
    """Return each method's mean over the regions of the means over the cases, as it is shown.

    None where a region has no defined value.
    """
    means: dict[str, float | None] = {}
    for method in method_order(records):
        own = [record for record in records if record.method == method]
        regions = dict.fromkeys(record.region for record in own)
        means[method] = average_of(
            {name: _cell(own, ALL_METRICS[metric], name) for name in regions}
        )
    return means


def gaps_closed(records: Sequence[ScoreRecord]) -> dict[str, float]:
    """Return each method's (m - source_only) / (supervised - source_only), in mean Dice.

    The result is empty without both bounds, or when supervised is not above source-only.
    """
    means = mean_dice(records)
    lower, upper = means.get(LOWER_BOUND), means.get(UPPER_BOUND)
    if lower is None or upper is None or upper <= lower:
        return {}
    return {
        method: (mean - lower) / (upper - lower)
        for method, mean in means.items()
        if mean is not None
    }


def comparison_notes(table: ScoreTable) -> tuple[str, ...]:
    """Say which methods do not beat augmentation alone, so that nobody takes it for adaptation.

    Args:
        table: A table of a metric where more is better, e.g. Dice.
    """
    averages = {row.method: row.average for row in table.rows}
    augmented = averages.get(AUGMENTED)
    if augmented is None:
        return ()
    label = {row.method: row.label for row in table.rows}
    unit = table.metric.unit
    return tuple(
        f"{row.label} ({row.average:.1f} {unit}) lies below {label[AUGMENTED]} "
        f"({augmented:.1f} {unit}): here augmentation alone does better than this adaptation."
        for row in table.rows
        if not row.is_bound and row.average is not None and row.average < augmented
    )


def cell_of(values: Sequence[float], metric: Metric, undefined: int) -> Cell:
    """Summarise stored values, of which some more are undefined."""
    shown = np.array(values, dtype=np.float64) * metric.scale
    return Cell(
        mean=float(shown.mean()) if shown.size else None,
        deviation=float(shown.std(ddof=0)) if shown.size else None,
        count=shown.size,
        undefined=undefined,
    )


def _cell(own: Sequence[ScoreRecord], metric: Metric, region: str) -> Cell:
    values = [record.value(metric.name) for record in own if record.region == region]
    defined = [value for value in values if value is not None]
    return cell_of(defined, metric, len(values) - len(defined))


def average_of(cells: Mapping[str, Cell]) -> float | None:
    """Return the mean of the regions' means; None when one of them is undefined."""
    means = [cell.mean for cell in cells.values() if cell.mean is not None]
    return float(np.mean(means)) if means and len(means) == len(cells) else None


def require_same_cases(records: Sequence[ScoreRecord]) -> None:
    """Refuse scores of methods on different cases or regions.

    Raises:
        CohortError: See above, or there are no scores.
        ConfigError: The same thing is scored twice.
    """
    if not records:
        raise CohortError("There are no scores to summarise, expected at least one record.")
    check_unique(records, "The scores")
    scored: dict[str, set[tuple[str, str]]] = {}
    for record in records:
        scored.setdefault(record.method, set()).add((record.case, record.region))
    wanted = set().union(*scored.values())
    for method, pairs in scored.items():
        if missing := sorted(wanted - pairs):
            shown = ", ".join(f"{case} ({region})" for case, region in missing[:5])
            raise CohortError(
                f"{method} has no score for {len(missing)} of {len(wanted)} cases and regions "
                f"that other methods have: {shown}{', ...' if len(missing) > 5 else ''}.",
                hint="Score every method on the same cases.",
            )
