"""How sure a difference between methods is: paired tests and bootstrap intervals over patients.

Where a method was run several times, each patient's value is the mean over the runs first: runs
are no further patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.evaluation.comparison import Comparison, Direction
from CrossModalSegLib.evaluation.records import ScoreRecord
from CrossModalSegLib.evaluation.score_table import ALL_METRICS

AVERAGE = "average"
"""In place of a region: each patient's mean over the regions."""

RESAMPLES = 10_000
LEVEL = 0.95

EXACT_UP_TO = 50
"""Patients; beyond, the normal approximation is good."""

SAME = 1e-12
"""Differences below this are rounding."""

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The mean of a method over the patients, in the shown unit, with its bootstrap interval."""

    direction: str
    metric: str
    region: str
    method: str
    patients: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Two methods on the same patients.

    Attributes:
        difference: Mean of first - second over the patients, in the shown unit.
        low: Lower end of its bootstrap interval.
        high: Upper end.
        p_value: Two-sided Wilcoxon signed-rank test.
        p_holm: The same, corrected for all tests of the direction and metric.
    """

    direction: str
    metric: str
    region: str
    first: str
    second: str
    patients: int
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float = 1.0


def intervals(comparison: Comparison, metric: str, seed: int = 0) -> tuple[Interval, ...]:
    """Return each method's mean with its interval, for all regions and their average."""
    found = []
    for direction in comparison.directions:
        for region in (*direction.regions, AVERAGE):
            for method in direction.methods:
                values = np.array(list(case_values(direction, method, metric, region).values()))
                if not values.size:
                    continue
                low, high = bootstrap_interval(values, seed)
                found.append(
                    Interval(
                        direction=direction.name,
                        metric=metric,
                        region=region,
                        method=method,
                        patients=values.size,
                        mean=float(values.mean()),
                        low=low,
                        high=high,
                    )
                )
    return tuple(found)


def paired_tests(
    comparison: Comparison, metric: str, *, against: str = "", seed: int = 0
) -> tuple[PairedTest, ...]:
    """Compare methods pair by pair, for all regions and their average.

    Args:
        comparison: The scores.
        metric: Name in `ALL_METRICS`.
        against: Compare every method with this one only; "": all pairs.
        seed: Of the bootstrap.
    """
    corrected: list[PairedTest] = []
    for direction in comparison.directions:
        pairs = [
            (second, first) if first == against else (first, second)
            for first, second in combinations(reversed(direction.methods), 2)
            if against in ("", first, second)
        ]
        tests = [
            test
            for region in (*direction.regions, AVERAGE)
            for first, second in pairs
            for test in _compare(direction, metric, region, (first, second), seed)
        ]
        adjusted = holm([test.p_value for test in tests])
        corrected += [replace(t, p_holm=p) for t, p in zip(tests, adjusted, strict=True)]
    return tuple(corrected)


def case_values(direction: Direction, method: str, metric: str, region: str) -> dict[str, float]:
    """Return the value of each case in the shown unit, mean over the runs, where it is defined.

    The average of a case with an undefined region is undefined too.
    """
    regions = direction.regions if region == AVERAGE else (region,)
    collected: dict[tuple[str, str], list[ScoreRecord]] = {}
    for record in direction.records:
        if record.method == method:
            collected.setdefault((record.case, record.region), []).append(record)
    values: dict[str, float] = {}
    for case in direction.cases:
        found = [_mean(collected.get((case, name), []), metric) for name in regions]
        defined = [value for value in found if value is not None]
        if defined and len(defined) == len(found):
            values[case] = float(np.mean(defined)) * ALL_METRICS[metric].scale
    return values


def wilcoxon_p(differences: Values) -> float:
    """Return the two-sided p-value of the Wilcoxon signed-rank test; 1 without any difference.

    Differences of zero are left out (Wilcoxon 1945, https://doi.org/10.2307/3001968). With up to
    `EXACT_UP_TO` others the distribution is exact, ties included, else normal.
    """
    differing = differences[np.abs(differences) > SAME]
    if not differing.size:
        return 1.0
    if differing.size <= EXACT_UP_TO:
        return _exact_p(differing)
    from scipy.stats import wilcoxon

    return float(wilcoxon(differing, method="approx").pvalue)


def _exact_p(differences: Values) -> float:
    """Count the sign patterns whose sum of positive ranks is at least as far from its middle."""
    from scipy.stats import rankdata

    sizes = np.round(np.abs(differences), 12)  # what differs by rounding alone is tied
    doubled = np.rint(2 * rankdata(sizes)).astype(int)  # mean ranks of ties are halves
    total = int(doubled.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled:  # with or without this rank among the positive ones
        ways[rank:] = ways[rank:] + ways[: total + 1 - rank]
    positive = int(doubled[differences > 0].sum())
    is_as_far = np.abs(2 * np.arange(total + 1) - total) >= abs(2 * positive - total)
    return float(ways[is_as_far].sum() / ways.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979, https://www.jstor.org/stable/4615733).

    The smallest is multiplied by n, the next by n - 1, and so on; none becomes smaller than one
    before it, nor larger than 1.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[int(index)]))
        adjusted[index] = largest
    return [float(p) for p in adjusted]


def bootstrap_interval(
    values: Values, seed: int = 0, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> tuple[float, float]:
    """Return the percentile interval of the mean (Efron 1979, doi:10.1214/aos/1176344552).

    Patients are drawn with replacement. With the few patients of the papers it is too narrow.
    """
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(values.size, np.full(values.size, 1 / values.size), resamples)
    means = counts @ values / values.size
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def smallest_p(patients: int) -> float:
    """Return the smallest p-value that the test can give: all patients differ in one direction."""
    return float(min(1.0, 2.0 ** (1 - patients)))


def _compare(
    direction: Direction, metric: str, region: str, pair: tuple[str, str], seed: int
) -> list[PairedTest]:
    first, second = (case_values(direction, method, metric, region) for method in pair)
    shared = [case for case in first if case in second]
    if not shared:
        return []
    differences = np.array([first[case] - second[case] for case in shared])
    low, high = bootstrap_interval(differences, seed)
    return [
        PairedTest(
            direction=direction.name,
            metric=metric,
            region=region,
            first=pair[0],
            second=pair[1],
            patients=len(shared),
            difference=float(differences.mean()),
            low=low,
            high=high,
            p_value=wilcoxon_p(differences),
        )
    ]


def _mean(records: Sequence[ScoreRecord], metric: str) -> float | None:
    values = [record.value(metric) for record in records]
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def sizes_of(tests: Sequence[PairedTest]) -> Mapping[str, tuple[int, int]]:
    """Return by direction the smallest number of patients of a test, and the number of tests."""
    sizes: dict[str, tuple[int, int]] = {}
    for test in tests:
        fewest, count = sizes.get(test.direction, (test.patients, 0))
        sizes[test.direction] = min(fewest, test.patients), count + 1
    return sizes
