"""Overlap: numbers by hand, MONAI's Dice, and what is undefined."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from monai.metrics.meandice import compute_dice

from CrossModalSegLib.core.errors import GeometryError, LabelError
from CrossModalSegLib.metrics.masks import Mask
from CrossModalSegLib.metrics.overlap import dice, jaccard, precision, recall

METRICS = (dice, jaccard, precision, recall)

EMPTY = np.zeros((2, 3, 4), dtype=bool)


def mask(voxels: int) -> Mask:
    """Return a mask of the first voxels in memory."""
    return np.arange(EMPTY.size).reshape(EMPTY.shape) < voxels


def test_the_numbers_are_those_of_the_hand() -> None:
    prediction, reference = mask(6), mask(8) & ~mask(2)  # 6, 6 and 4 in common
    assert dice(prediction, reference) == pytest.approx(8 / 12)
    assert jaccard(prediction, reference) == pytest.approx(4 / 8)
    assert precision(mask(6), mask(3)) == pytest.approx(3 / 6)
    assert recall(mask(6), mask(3)) == 1
    assert recall(mask(3), mask(6)) == pytest.approx(3 / 6)


@pytest.mark.parametrize("metric", METRICS)
def test_identical_masks_score_one_and_disjoint_masks_zero(
    metric: Callable[[Mask, Mask], float],
) -> None:
    assert metric(mask(5), mask(5)) == 1
    assert metric(mask(5), mask(9) & ~mask(5)) == 0


@pytest.mark.parametrize("seed", range(3))
def test_dice_is_that_of_monai(seed: int) -> None:
    generator = np.random.default_rng(seed)
    prediction, reference = generator.random((2, 5, 6, 7)) < 0.4
    theirs = compute_dice(torch.tensor(prediction)[None, None], torch.tensor(reference)[None, None])
    assert dice(prediction, reference) == pytest.approx(theirs.item(), abs=1e-6)


def test_one_empty_mask_leaves_no_overlap() -> None:
    assert dice(EMPTY, mask(3)) == dice(mask(3), EMPTY) == 0
    assert jaccard(EMPTY, mask(3)) == jaccard(mask(3), EMPTY) == 0
    assert precision(mask(3), EMPTY) == 0
    assert recall(EMPTY, mask(3)) == 0


@pytest.mark.parametrize(
    ("metric", "prediction", "reference"),
    [
        (dice, EMPTY, EMPTY),
        (jaccard, EMPTY, EMPTY),
        (precision, EMPTY, mask(3)),
        (recall, mask(3), EMPTY),
    ],
)
def test_a_share_of_nothing_is_undefined(
    metric: Callable[[Mask, Mask], float], prediction: Mask, reference: Mask
) -> None:
    with pytest.raises(LabelError, match="undefined"):
        metric(prediction, reference)


@pytest.mark.parametrize("metric", METRICS)
def test_masks_of_two_grids_are_refused(metric: Callable[[Mask, Mask], float]) -> None:
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\).*\(2, 3, 3\)"):
        metric(mask(3), mask(3)[..., 1:])
