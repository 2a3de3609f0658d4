"""Scans of another modality than the model's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.inference.modality_check import KIND, check_modality

Slices = NDArray[np.float32]


def scan(mean: float, seed: int) -> Slices:
    values = np.random.default_rng(seed).normal(mean, 0.2, (4, 24, 24))
    return np.clip(values, -1, 1).astype(np.float32)


@pytest.fixture
def trained(config: BundleConfig) -> BundleConfig:
    """Return a model that learned from scans whose means are -0.1 to 0.1."""
    samples = [sample_intensities(scan(mean, 7)) for mean in np.linspace(-0.1, 0.1, 5)]
    statistics = describe_cohort(samples, samples, 20, None)
    assert statistics.case_distances[-1] == pytest.approx(0.1, abs=0.02)
    return replace(config, target_statistics=statistics)


@pytest.mark.parametrize("mean", [-0.15, 0.0, 0.1])
def test_a_scan_like_the_others_is_no_news(trained: BundleConfig, mean: float) -> None:
    assert check_modality(scan(mean, 8), trained) is None


@pytest.mark.parametrize("mean", [-0.5, 0.3])
def test_a_scan_unlike_the_others_is_warned_of(trained: BundleConfig, mean: float) -> None:
    notice = check_modality(scan(mean, 8), trained)
    assert notice is not None
    assert notice.kind == KIND
    assert "does not look like the bSSFP MR images" in notice.message
    assert "field of view" in notice.hint


def test_a_tiny_cohort_does_not_make_every_scan_unusual(config: BundleConfig) -> None:
    samples = [sample_intensities(scan(0.0, 1))]
    single = replace(config, target_statistics=describe_cohort(samples, samples, 4, None))
    assert check_modality(scan(0.02, 2), single) is None
    assert check_modality(scan(0.4, 2), single) is not None


def test_without_statistics_nothing_is_said(config: BundleConfig) -> None:
    assert check_modality(scan(0.9, 1), config) is None
