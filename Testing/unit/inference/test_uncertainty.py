"""Entropy of probabilities."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import Preprocessing, restore_probabilities
from CrossModalSegLib.inference.uncertainty import normalised_entropy, restore_with_uncertainty

RULE = IntensityRule(kind="window_hu", window_hu=(0.0, 4.0))


def pixel(*shares: float) -> float:
    array = np.array(shares, np.float32).reshape(-1, 1, 1)
    return float(normalised_entropy(array)[0, 0])


def test_certainty_is_zero_and_ignorance_is_one() -> None:
    assert pixel(0, 1, 0) == 0.0
    assert pixel(1 / 3, 1 / 3, 1 / 3) == pytest.approx(1.0)
    assert pixel(0.2, 0.2, 0.2, 0.2, 0.2) == pytest.approx(1.0)


def test_it_is_shannons_entropy_over_that_of_a_fair_draw() -> None:
    assert pixel(0.5, 0.5, 0, 0) == pytest.approx(0.5)  # 1 bit of 2
    expected = -(0.7 * np.log2(0.7) + 0.2 * np.log2(0.2) + 0.1 * np.log2(0.1)) / np.log2(3)
    assert pixel(0.7, 0.2, 0.1) == pytest.approx(expected, rel=1e-5)


def test_where_nothing_was_seen_it_is_zero() -> None:
    assert pixel(0, 0, 0) == 0.0


@pytest.mark.parametrize("spacing_mm", [None, (1.7, 0.8)])
def test_labels_are_those_without_the_map_and_lie_where_it_does(
    spacing_mm: tuple[float, float] | None,
) -> None:
    settings = Preprocessing(
        slicing="sagittal", matrix=(8, 9), intensity=RULE, spacing_mm=spacing_mm
    )
    grid = Volume(np.zeros((6, 7, 5), np.float32), np.diag([-1.0, 1.2, 1.5, 1.0]))
    generator = np.random.default_rng(0)
    scores = generator.dirichlet(np.ones(4), (5, 8, 9)).astype(np.float32)
    probabilities = np.moveaxis(scores, -1, 1)
    labels, uncertainty = restore_with_uncertainty(probabilities, grid, settings)
    expected = restore_probabilities(probabilities, grid, settings)
    assert np.array_equal(labels.array_kji, expected.array_kji)
    assert uncertainty.array_kji.dtype == np.float32
    assert uncertainty.shape_kji == grid.shape_kji
    assert 0.3 < uncertainty.array_kji.mean() < 1.0
    if spacing_mm is None:
        sure = np.zeros((5, 4, 8, 9), np.float32)
        sure[:, 0] = 1.0
        assert not restore_with_uncertainty(sure, grid, settings)[1].array_kji.any()


def test_one_slice_at_a_time_is_in_memory() -> None:
    settings = Preprocessing(slicing="axial", matrix=(64, 64), intensity=RULE)
    grid = Volume(np.broadcast_to(np.uint8(0), (64, 64, 64)), np.diag([-1.0, -1.0, 1.0, 1.0]))

    def slices() -> Iterator[np.ndarray]:
        for _ in range(64):
            yield np.full((8, 64, 64), 1 / 8, np.float32)

    tracemalloc.start()
    restore_with_uncertainty(slices(), grid, settings)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4.5 * 64**3 * 4  # labels and map, in slices and on the grid; all classes are 8
