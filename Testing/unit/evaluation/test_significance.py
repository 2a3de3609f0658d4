"""Tests and intervals against hand numbers, enumeration and SciPy."""

from __future__ import annotations

from itertools import product
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata, wilcoxon

from CrossModalSegLib.evaluation.comparison import Comparison, Direction
from CrossModalSegLib.evaluation.records import ScoreRecord
from CrossModalSegLib.evaluation.significance import (
    AVERAGE,
    bootstrap_interval,
    case_values,
    holm,
    intervals,
    paired_tests,
    smallest_p,
    wilcoxon_p,
)


def record(method: str, case: str, region: str, dice: float | None) -> ScoreRecord:
    return ScoreRecord(
        method=method,
        case=case,
        region=region,
        dice=dice,
        hd_mm=None,
        hd95_mm=None,
        asd_mm=None,
        assd_mm=None,
        assd_voxels=None,
        volume_ml=1.0,
        reference_volume_ml=1.0,
        empty="none",
    )


def comparison(**dice: list[float]) -> Comparison:
    records = tuple(
        record(method, f"c{index}", region, value)
        for method, values in dice.items()
        for index, value in enumerate(values)
        for region in ("MYO", "AA")
    )
    return Comparison(
        directions=(Direction(name="", runs=(records,)),), across="patients", policy="brats"
    )


def enumerated_p(differences: NDArray[np.float64]) -> float:
    """Try every pattern of signs."""
    ranks = rankdata(np.abs(differences))
    middle = ranks.sum() / 2
    own = abs(ranks[differences > 0].sum() - middle)
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    return float(np.mean([abs(value - middle) >= own - 1e-9 for value in sums]))


@pytest.mark.parametrize("seed", range(8))
def test_the_exact_test_counts_every_pattern_of_signs_with_ties(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-4, 9, size=9).astype(float)
    without_zeros = differences[differences != 0]
    assert wilcoxon_p(differences) == pytest.approx(enumerated_p(without_zeros))


@pytest.mark.parametrize("count", [4, 20, 50, 80])
def test_without_ties_the_p_value_is_scipys(count: int) -> None:
    differences = np.random.default_rng(count).normal(0.3, 1, size=count)
    method: Literal["exact", "approx"] = "exact" if count <= 50 else "approx"
    assert wilcoxon_p(differences) == pytest.approx(wilcoxon(differences, method=method).pvalue)


def test_four_patients_cannot_show_a_difference() -> None:
    assert wilcoxon_p(np.array([1.0, 2.0, 3.0, 4.0])) == smallest_p(4) == 0.125
    assert wilcoxon_p(np.zeros(4)) == 1.0


def test_holm_multiplies_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_interval_is_scipys_and_the_same_at_each_call() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=25)
    found = bootstrap_interval(values, seed=3)
    expected = bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=5)
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=0.03 * width)
    assert bootstrap_interval(values, seed=3) == found
    assert bootstrap_interval(values, seed=4) != found


def test_methods_are_compared_patient_by_patient() -> None:
    better, worse = [0.8, 0.7, 0.9, 0.6, 0.7, 0.8], [0.5, 0.6, 0.7, 0.5, 0.3, 0.7]
    tests = paired_tests(comparison(source_only=worse, dsan=better), "dice")
    assert [test.region for test in tests] == ["MYO", "AA", AVERAGE]
    for test in tests:
        assert (test.first, test.second, test.patients) == ("dsan", "source_only", 6)
        assert test.difference == pytest.approx(100 * np.mean(np.subtract(better, worse)))
        assert test.low < test.difference < test.high
        assert test.p_value == pytest.approx(2 / 64)
        assert test.p_holm == pytest.approx(3 * 2 / 64)


def test_one_method_can_be_the_one_to_compare_with() -> None:
    scores = comparison(a=[0.1, 0.2], b=[0.2, 0.3], c=[0.4, 0.5])
    pairs = {(t.first, t.second) for t in paired_tests(scores, "dice", against="b")}
    assert pairs == {("c", "b"), ("a", "b")}
    assert len({(t.first, t.second) for t in paired_tests(scores, "dice")}) == 3


def test_runs_are_averaged_before_patients_are_compared() -> None:
    runs = tuple(
        tuple(record("dsan", case, "MYO", value) for case in ("a", "b")) for value in (0.4, 0.6)
    )
    values = case_values(Direction(name="", runs=runs), "dsan", "dice", "MYO")
    assert values == pytest.approx({"a": 50.0, "b": 50.0})


def test_a_patient_with_an_undefined_region_has_no_average() -> None:
    records = (record("m", "a", "MYO", 0.5), record("m", "a", "AA", None))
    direction = Direction(name="", runs=(records,))
    assert case_values(direction, "m", "dice", AVERAGE) == {}
    assert case_values(direction, "m", "dice", "MYO") == {"a": 50.0}
    scores = Comparison(directions=(direction,), across="patients", policy="exclude")
    assert [interval.region for interval in intervals(scores, "dice")] == ["MYO"]
