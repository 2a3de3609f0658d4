"""Scans of another modality than the model's, or of something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bundle.feature_statistics import FeatureStatistics
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.inference.modality_check import (
    KIND,
    compare_features,
    compare_intensities,
    warn_of,
)
from CrossModalSegLib.inference.unlikeness import (
    UNUSUAL_FEATURES,
    UNUSUAL_INTENSITIES,
    Unlikeness,
)

Slices = NDArray[np.float32]


def scan(mean: float, seed: int) -> Slices:
    values = np.random.default_rng(seed).normal(mean, 0.2, (4, 1, 24, 24))
    return np.clip(values, -1, 1).astype(np.float32)


@pytest.fixture
def trained(config: BundleConfig) -> BundleConfig:
    """Return a model that learned from scans whose means are -0.1 to 0.1."""
    samples = [sample_intensities(scan(mean, 7)) for mean in np.linspace(-0.1, 0.1, 5)]
    statistics = describe_cohort(samples, samples, 20, None)
    assert statistics.case_distances[-1] == pytest.approx(0.1, abs=0.02)
    return replace(config, target_statistics=statistics)


@pytest.mark.parametrize(("mean", "expected"), [(0.1, 1.0), (-0.1, 1.0), (0.3, 3.0), (-0.5, 5.0)])
def test_intensities_are_compared_with_the_most_unusual_of_training(
    trained: BundleConfig, mean: float, expected: float
) -> None:
    (ratio,) = compare_intensities(scan(mean, 8), trained)
    assert ratio == pytest.approx(expected, abs=0.3)


def test_a_tiny_cohort_does_not_make_every_scan_unusual(config: BundleConfig) -> None:
    samples = [sample_intensities(scan(0.0, 1))]
    single = replace(config, target_statistics=describe_cohort(samples, samples, 4, None))
    (ratio,) = compare_intensities(scan(0.02, 2), single)
    assert ratio is not None
    assert ratio < 1
    (other,) = compare_intensities(scan(0.4, 2), single)
    assert other is not None
    assert other > UNUSUAL_INTENSITIES


def test_the_most_unusual_of_several_images_counts(trained: BundleConfig) -> None:
    t1, t2 = MODALITIES["t1"], MODALITIES["t2"]
    settings, statistics = trained.preprocessing, trained.target_statistics
    assert statistics is not None
    pair = replace(
        trained,
        modalities=Modalities(source=t1, target=t1, inputs=(t1, t2)),
        preprocessing=replace(settings, further_intensities=(settings.intensity,)),
        further_statistics=(statistics,),
    )
    slices = np.concatenate([scan(0.0, 8), scan(0.4, 9)], axis=1)
    ratios = compare_intensities(slices, pair)
    assert ratios[0] is not None
    assert ratios[0] < UNUSUAL_INTENSITIES
    assert ratios[1] == pytest.approx(4.0, abs=0.4)
    found = Unlikeness(of_images=ratios)
    assert found.intensities == ratios[1]
    notice = warn_of(found, pair)
    assert notice is not None
    assert "the intensities of T2 MR differ" in notice.message


def test_features_are_compared_with_the_most_unusual_of_training(config: BundleConfig) -> None:
    usual = FeatureStatistics(
        layer="x", mean=(1.0, -1.0), std=(0.5, 2.0), case_distances=(0.5, 1.0, 2.0)
    )
    known = replace(config, target_features=usual)
    case = np.array([2.0, 3.0])  # two spreads away in both
    assert compare_features(case, known) == pytest.approx(1.0)
    assert compare_features(np.array([1.0, -1.0]), known) == 0.0
    assert compare_features(None, known) is None
    assert compare_features(np.zeros(3), known) is None  # of another layer
    assert compare_features(case, config) is None


def test_without_statistics_nothing_is_known(config: BundleConfig) -> None:
    assert compare_intensities(scan(0.9, 1), config) == (None,)
    assert Unlikeness().score is None
    assert warn_of(Unlikeness(), config) is None


def test_the_score_is_one_where_warnings_begin(config: BundleConfig) -> None:
    usual = Unlikeness(of_images=(UNUSUAL_INTENSITIES,), features=UNUSUAL_FEATURES / 2)
    assert usual.score == 1.0
    assert warn_of(usual, config) is None
    unusual = Unlikeness(of_images=(0.1,), features=UNUSUAL_FEATURES * 2)
    assert unusual.score == 2.0
    notice = warn_of(unusual, config)
    assert notice is not None
    assert notice.kind == KIND
    assert notice.message == (
        "This looks unlike the bSSFP MR scans that this model was adapted to: what the model sees "
        f"in it, and where, differs {2 * UNUSUAL_FEATURES:.1f} times as much as in any of them."
    )
    assert "upside down" in notice.hint


def test_every_reason_is_named(config: BundleConfig) -> None:
    notice = warn_of(Unlikeness(of_images=(3.0,), features=2.0), config)
    assert notice is not None
    assert "intensities differ 3.0 times" in notice.message
    assert "differs 2.0 times" in notice.message
