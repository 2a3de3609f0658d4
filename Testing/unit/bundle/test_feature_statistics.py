"""What is usual among the features of cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from CrossModalSegLib.bundle.feature_statistics import (
    FEWEST_CASES,
    FeatureStatistics,
    describe_features,
)
from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError


def cases(number: int, spread: float = 1.0) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.normal(3.0, spread, 40) for _ in range(number)]


def test_distances_are_those_to_the_other_cases() -> None:
    table = cases(8)
    found = describe_features("layer", table)
    assert found is not None
    expected = []
    for index, case in enumerate(table):
        others = np.array(table[:index] + table[index + 1 :])
        deviation = (case - others.mean(axis=0)) / others.std(axis=0, ddof=1)
        expected.append(np.sqrt((deviation**2).mean()))
    assert found.case_distances == pytest.approx(sorted(expected), rel=2e-3)
    assert found.mean == pytest.approx(np.mean(table, axis=0), rel=1e-3)
    assert found.std == pytest.approx(np.std(table, axis=0, ddof=1), rel=1e-3)


def test_what_hardly_varied_may_vary_a_little() -> None:
    table = np.array(cases(10))
    table[:, 0] = 5.0
    found = describe_features("layer", list(table))
    assert found is not None
    assert found.std[0] == pytest.approx(0.2 * np.median(table.std(axis=0, ddof=1)), rel=1e-3)


def test_a_case_far_away_is_far_and_the_mean_is_at_nought() -> None:
    found = describe_features("layer", cases(20))
    assert found is not None
    assert found.distance(np.array(found.mean)) == 0.0
    shifted = np.array(found.mean) + 3 * np.array(found.std)
    assert found.distance(shifted) == pytest.approx(3.0)


def test_of_few_cases_nobody_can_tell() -> None:
    assert describe_features("layer", cases(FEWEST_CASES - 1)) is None
    assert describe_features("layer", cases(FEWEST_CASES)) is not None


def test_it_comes_back_from_json() -> None:
    found = describe_features("encoder.levels.3", cases(7))
    assert from_dict(FeatureStatistics, to_dict(found), "target_features") == found


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (1.0,)},
        {"std": ()},
        {"std": (1.0, 0.0)},
        {"case_distances": ()},
        {"case_distances": (0.0,)},
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(change: dict[str, tuple[float, ...]]) -> None:
    good = FeatureStatistics(layer="x", mean=(1.0, 2.0), std=(1.0, 1.0), case_distances=(0.5,))
    with pytest.raises(ConfigError, match="target_features has"):
        replace(good, **change)  # type: ignore[arg-type]
