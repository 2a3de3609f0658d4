"""Intensity and class statistics."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.data.statistics import (
    CohortStatistics,
    count_slice_classes,
    describe_cohort,
    describe_intensities,
    histogram_distance,
    sample_intensities,
)


def test_moments_are_exact_over_cases_of_different_size() -> None:
    generator = np.random.default_rng(0)
    arrays = [generator.normal(m, 2, n).astype(np.float32) for m, n in ((0, 50_000), (9, 500))]
    pooled = np.concatenate(arrays).astype(np.float64)
    found = describe_intensities([sample_intensities(array) for array in arrays])
    assert found.mean == pytest.approx(pooled.mean(), rel=1e-6)
    assert found.std == pytest.approx(pooled.std(), rel=1e-6)
    assert (found.minimum, found.maximum) == (pooled.min(), pooled.max())


def test_percentiles_weigh_cases_by_their_size() -> None:
    arrays = [np.zeros(90_000, np.float32), np.ones(10_000, np.float32)]
    found = describe_intensities([sample_intensities(array) for array in arrays])
    assert (found.percentiles["75"], found.percentiles["95"]) == (0.0, 1.0)


def test_percentiles_of_small_arrays_are_those_of_all_voxels() -> None:
    values = np.arange(1, 1001, dtype=np.float32)
    found = describe_intensities([sample_intensities(values)])
    assert found.percentiles["50"] == 500.0
    assert found.percentiles["0.5"] == 5.0


def test_the_histogram_holds_all_voxels() -> None:
    values = np.array([-1.0, -1.0, 0.01, 1.0], np.float32)
    found = describe_intensities([sample_intensities(values)], (-1.0, 1.0))
    assert sum(found.histogram) == pytest.approx(1.0)
    assert (found.histogram[0], found.histogram[32], found.histogram[-1]) == (0.5, 0.25, 0.25)


def test_the_range_of_raw_intensities_ignores_outliers() -> None:
    values = np.append(np.linspace(0, 100, 9999), 1e6).astype(np.float32)
    low, high = describe_intensities([sample_intensities(values)]).histogram_range
    assert low < 1
    assert 99 < high <= 100


def test_the_distance_of_two_histograms_is_how_far_intensities_moved() -> None:
    values = np.random.default_rng(0).uniform(-0.9, 0, 10_000).astype(np.float32)
    first = describe_intensities([sample_intensities(values)], (-1.0, 1.0))
    second = describe_intensities([sample_intensities(values + 0.5)], (-1.0, 1.0))
    assert histogram_distance(first, second) == pytest.approx(0.5, abs=0.01)
    assert histogram_distance(first, first) == 0


def test_slices_count_each_class() -> None:
    labels = np.zeros((2, 2, 3), np.uint8)
    labels[1, 0] = [2, 2, 1]
    assert count_slice_classes(labels, 4).tolist() == [[6, 0, 0, 0], [3, 1, 2, 0]]


def test_cohort_statistics_round_trip_as_plain_values() -> None:
    samples = [sample_intensities(np.full((2, 3), v, np.float32)) for v in (-0.5, 0.5)]
    found = describe_cohort(samples, samples, 4, [(5, 1), (6, 0)])
    assert found.class_voxels == (11, 1)
    assert found.case_distances == pytest.approx((0.5, 0.5))
    assert from_dict(CohortStatistics, to_dict(found), "test") == found
