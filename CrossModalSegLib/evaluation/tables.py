"""Scores of several methods side by side: means, spreads, and the share of the gap closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from CrossModalSegLib.core.errors import CohortError, UnknownNameError
from CrossModalSegLib.evaluation.records import (
    EmptyMasks,
    EmptyPolicy,
    ScoreRecord,
    check_unique,
)
from CrossModalSegLib.evaluation.rules import PREDICTION_MISSING

LOWER_BOUND, UPPER_BOUND = "source_only", "supervised"
"""The methods between which the gap lies."""

AUGMENTED = "source_only_augmented"
"""Source-only with the augmentation of the adapted methods: what adaptation must beat."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric is shown."""

    name: str
    label: str
    unit: str
    scale: float = 1.0
    """Shown value = stored value times this."""
    higher_is_better: bool = False

    @property
    def title(self) -> str:
        """Label with unit, as in the papers' table heads."""
        return f"{self.label} ({self.unit})"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="dice", label="Dice", unit="%", scale=100.0, higher_is_better=True),
        Metric(name="hd_mm", label="HD", unit="mm"),
        Metric(name="hd95_mm", label="HD95", unit="mm"),
        Metric(name="asd_mm", label="ASD", unit="mm"),
        Metric(name="assd_mm", label="ASSD", unit="mm"),
        Metric(name="assd_voxels", label="ASSD", unit="voxel"),
    )
}


FURTHER_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="asd_voxels", label="ASD", unit="voxel"),
        Metric(name="jaccard", label="Jaccard", unit="%", scale=100.0, higher_is_better=True),
        Metric(name="precision", label="Precision", unit="%", scale=100.0, higher_is_better=True),
        Metric(name="recall", label="Recall", unit="%", scale=100.0, higher_is_better=True),
        Metric(name="nsd", label="NSD", unit="%", scale=100.0, higher_is_better=True),
        Metric(name="absolute_volume_difference_ml", label="|Volume difference|", unit="mL"),
    )
}
"""Metrics that stand in `ScoreRecord.further`; records of other programs may lack them."""

ALL_METRICS = METRICS | FURTHER_METRICS


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method on one region, in the metric's shown unit; None where nothing is defined."""

    mean: float | None
    deviation: float | None
    """Population standard deviation across patients (the convention of SIFA's line of papers)."""
    count: int
    """Patients with a defined value."""
    undefined: int
    """Patients left out of mean and deviation because their value is undefined."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method.

    Attributes:
        cells: By region; empty when the method was not run.
        average: Mean of the regions' means; None when one of them is undefined.
        gap_closed: Share of the gap between source-only and supervised that is closed, in mean
            Dice; None where there is no gap to speak of.
        empties: How many pairs of masks had no voxel, by which of the two.
        missing: How many cases had no prediction at all; their masks count as empty too.
    """

    method: str
    label: str
    cells: Mapping[str, Cell]
    average: float | None
    gap_closed: float | None
    empties: Mapping[EmptyMasks, int]
    missing: int = 0

    @property
    def is_bound(self) -> bool:
        """Whether the row is a bound rather than a method that competes."""
        return self.method in (LOWER_BOUND, UPPER_BOUND)


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """One metric of several methods on the same cases."""

    metric: Metric
    regions: tuple[str, ...]
    rows: tuple[Row, ...]
    patients: int
    policy: EmptyPolicy

    def caption(self) -> str:
        """Say what the numbers are: statistic, number of patients, policy and count of empties."""
        text = (
            f"{self.metric.title}: mean ± population standard deviation across patients "
            f"(n = {self.patients}); average: mean over the structures. "
            f"Empty masks (policy '{self.policy}'): {self._count_empties()}."
        )
        missing = [f"{row.label}: {row.missing}" for row in self.rows if row.missing]
        if missing:
            text += f" Cases without a prediction: {'; '.join(missing)}."
        undefined = sum(cell.undefined for row in self.rows for cell in row.cells.values())
        if undefined:
            text += f" {undefined} undefined values are left out of means and deviations."
        return text

    def best(self, region: str | None) -> frozenset[str]:
        """Return the methods with the best mean on a region (None: average), bounds left out."""
        means = {row.method: _mean(row, region) for row in self.rows if not row.is_bound}
        defined = {method: mean for method, mean in means.items() if mean is not None}
        if not defined:
            return frozenset()
        choose = max if self.metric.higher_is_better else min
        best = choose(defined.values())
        return frozenset(method for method, mean in defined.items() if mean == best)

    def _count_empties(self) -> str:
        counts = [
            f"{row.label}: {_phrase_empties(row.empties)}" for row in self.rows if row.empties
        ]
        return "; ".join(counts) or "none"


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
    _require_same_cases(records)
    regions = tuple(dict.fromkeys(record.region for record in records))
    order = methods if methods is not None else method_order(records)
    gaps = gaps_closed(records)
    rows = []
    for method in order:
        own = [record for record in records if record.method == method]
        cells = (
            {region: _cell(own, ALL_METRICS[metric], region) for region in regions} if own else {}
        )
        row = Row(
            method=method,
            label=(labels or {}).get(method, method),
            cells=cells,
            average=_average(cells),
            gap_closed=gaps.get(method),
            empties=Counter(record.empty for record in own if record.empty != "none"),
            missing=len({r.case for r in own if r.further.get(PREDICTION_MISSING)}),
        )
        rows.append(row)
    return ScoreTable(
        metric=ALL_METRICS[metric],
        regions=regions,
        rows=tuple(rows),
        patients=len({record.case for record in records}),
        policy=policy,
    )


def method_order(records: Iterable[ScoreRecord]) -> tuple[str, ...]:
    """Return the methods as the papers list them: source-only first, supervised last."""
    found = list(dict.fromkeys(record.method for record in records))
    first = [name for name in (LOWER_BOUND, AUGMENTED) if name in found]
    last = [name for name in (UPPER_BOUND,) if name in found]
    return (*first, *(name for name in found if name not in (*first, *last)), *last)


def mean_dice(records: Sequence[ScoreRecord]) -> dict[str, float | None]:
    """Return each method's mean over the regions of the means over the cases, in percent.

    None where a region has no defined value.
    """
    means: dict[str, float | None] = {}
    for method in method_order(records):
        own = [record for record in records if record.method == method]
        regions = dict.fromkeys(record.region for record in own)
        means[method] = _average({name: _cell(own, METRICS["dice"], name) for name in regions})
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


def _cell(own: Sequence[ScoreRecord], metric: Metric, region: str) -> Cell:
    values = [record.value(metric.name) for record in own if record.region == region]
    defined = np.array([value for value in values if value is not None]) * metric.scale
    return Cell(
        mean=float(defined.mean()) if defined.size else None,
        deviation=float(defined.std(ddof=0)) if defined.size else None,
        count=defined.size,
        undefined=len(values) - defined.size,
    )


def _average(cells: Mapping[str, Cell]) -> float | None:
    means = [cell.mean for cell in cells.values() if cell.mean is not None]
    return float(np.mean(means)) if means and len(means) == len(cells) else None


def _mean(row: Row, region: str | None) -> float | None:
    if region is None:
        return row.average
    return row.cells[region].mean if row.cells else None


def _phrase_empties(empties: Mapping[EmptyMasks, int]) -> str:
    words: dict[EmptyMasks, str] = {
        "prediction": "empty prediction",
        "reference": "empty reference",
        "both": "both empty",
    }
    return ", ".join(
        f"{empties[kind]} x {word}" for kind, word in words.items() if empties.get(kind)
    )


def _require_same_cases(records: Sequence[ScoreRecord]) -> None:
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
