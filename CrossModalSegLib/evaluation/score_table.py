"""What a score table is: metrics as they are shown, cells, rows, captions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from CrossModalSegLib.evaluation.records import EmptyMasks, EmptyPolicy

LOWER_BOUND, UPPER_BOUND = "source_only", "supervised"
"""The methods between which the gap lies."""

MULTIMODAL_BOUND = "supervised_multimodal"
"""Supervised with all modalities of the target's patients as channels: BiGL's upper bound."""

BOUNDS = (LOWER_BOUND, UPPER_BOUND, MULTIMODAL_BOUND)
"""Rows that do not compete."""

Across = Literal["patients", "runs"]
"""What a standard deviation tells of."""

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
    is_ranked: bool = True
    """Whether one value is better than another; of a volume, say, none is."""

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
    """Population standard deviation across patients (the convention of SIFA's line of papers) or
    across runs, as the table says; None for a single run."""
    count: int
    """Patients, or runs, with a defined value."""
    undefined: int
    """Patients, or runs, left out of mean and deviation because their value is undefined."""


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
    runs: int = 0
    """Repeated runs that the cells summarise; 0 if they summarise patients."""

    @property
    def is_bound(self) -> bool:
        """Whether the row is a bound rather than a method that competes."""
        return self.method in BOUNDS


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """One metric of several methods on the same cases."""

    metric: Metric
    regions: tuple[str, ...]
    rows: tuple[Row, ...]
    patients: int
    policy: EmptyPolicy
    across: Across = "patients"

    def caption(self, *, with_deviations: bool = True) -> str:
        """Say what the numbers are: statistic, number of patients, policy and count of empties."""
        spread = "± population standard deviation across" if with_deviations else "over"
        patients = f"n = {self.patients}"
        if self.across == "runs":
            runs = ", ".join(f"{row.label} {row.runs}" for row in self.rows if row.runs)
            patients = f"{runs}; each run is the mean over {self.patients} patients"
        text = (
            f"{self.metric.title}: mean {spread} {self.across} "
            f"({patients}); average: mean over the structures. "
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
        if not defined or not self.metric.is_ranked:
            return frozenset()
        choose = max if self.metric.higher_is_better else min
        best = choose(defined.values())
        return frozenset(method for method, mean in defined.items() if mean == best)

    def _count_empties(self) -> str:
        counts = [
            f"{row.label}: {_phrase_empties(row.empties)}" for row in self.rows if row.empties
        ]
        return "; ".join(counts) or "none"


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
