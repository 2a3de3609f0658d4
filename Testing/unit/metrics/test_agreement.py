"""All metrics on 1,000 pairs of masks: against slow second implementations, and against MONAI."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics.confusion_matrix import compute_confusion_matrix_metric, get_confusion_matrix
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.meandice import compute_dice
from monai.metrics.meaniou import compute_iou
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.evaluation.rules import DISTANCES, RATIOS
from CrossModalSegLib.evaluation.scores import CaseLabels, score_case
from CrossModalSegLib.metrics.masks import Mask
from Testing.benchmarks.mask_pairs import MaskPair, mask_pairs

PAIRS = 1_000
MONAI_PAIRS = 120
"""The benchmark metric_agreement.py compares all of them."""

TOLERANCE_MM = 1.0
EXACT = 1e-9
SINGLE = 1e-5
"""MONAI interpolates in single precision."""


def scored(pair: MaskPair) -> dict[str, float]:
    """Score a pair through the library, from label maps to records."""
    affine = np.diag([*pair.spacing_kji[::-1], 1.0])
    labels = CaseLabels(
        case="a",
        prediction=Volume(pair.prediction.astype(np.uint8), affine),
        reference=Volume(pair.reference.astype(np.uint8), affine),
    )
    task = TASKS["whole_tumour"]
    (record,) = score_case(labels, task, method="m", tolerance_mm=TOLERANCE_MM)
    values = {name: record.value(name) for name in (*RATIOS, *DISTANCES)}
    return {name: value for name, value in values.items() if value is not None}


def slow_scores(pair: MaskPair) -> dict[str, float]:
    """Compute everything from sets of voxels and from all distances between surface voxels."""
    predicted = set(map(tuple, np.argwhere(pair.prediction).tolist()))
    expected = set(map(tuple, np.argwhere(pair.reference).tolist()))
    right, wrong, lost = (
        len(predicted & expected),
        len(predicted - expected),
        len(expected - predicted),
    )
    first, second = slow_surface(pair.prediction), slow_surface(pair.reference)
    there_mm, back_mm = slow_distances(first, second, pair.spacing_kji)
    there, back = slow_distances(first, second, (1.0, 1.0, 1.0))
    within = sum(d <= TOLERANCE_MM for d in there_mm) + sum(d <= TOLERANCE_MM for d in back_mm)
    return {
        "dice": 2 * right / (2 * right + wrong + lost),
        "jaccard": right / (right + wrong + lost),
        "precision": right / (right + wrong),
        "recall": right / (right + lost),
        "nsd": within / (len(there_mm) + len(back_mm)),
        "hd_mm": max(*there_mm, *back_mm),
        "hd95_mm": max(slow_percentile(there_mm), slow_percentile(back_mm)),
        "asd_mm": sum(there_mm) / len(there_mm),
        "assd_mm": (sum(there_mm) / len(there_mm) + sum(back_mm) / len(back_mm)) / 2,
        "asd_voxels": sum(there) / len(there),
        "assd_voxels": (sum(there) / len(there) + sum(back) / len(back)) / 2,
    }


def slow_surface(mask: Mask) -> NDArray[np.intp]:
    """Return the voxels that an erosion by the six neighbours takes away."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask, border_value=0))


def slow_distances(
    first: NDArray[np.intp], second: NDArray[np.intp], spacing: tuple[float, float, float]
) -> tuple[list[float], list[float]]:
    """Return the smallest of all distances, for each voxel of either surface."""
    between = np.sqrt((((first[:, None] - second[None]) * np.array(spacing)) ** 2).sum(axis=2))
    return between.min(axis=1).tolist(), between.min(axis=0).tolist()


def slow_percentile(values: list[float], share: float = 0.95) -> float:
    """Interpolate between the two neighbours in the sorted list."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def test_a_thousand_pairs_score_as_the_definitions_say() -> None:
    kinds = set()
    for index, pair in enumerate(mask_pairs(PAIRS)):
        kinds.add(pair.kind)
        found, expected = scored(pair), slow_scores(pair)
        assert found == pytest.approx(expected, rel=EXACT, abs=EXACT), (index, pair.kind)
    assert len(kinds) == 16


def monai_scores(pair: MaskPair) -> dict[str, float]:
    """Ask MONAI; it has no symmetric mean of ours, nor a larger of two directed percentiles."""
    prediction, reference = (
        torch.tensor(mask.copy())[None, None].float() for mask in (pair.prediction, pair.reference)
    )
    there, back = (prediction, reference), (reference, prediction)
    both: dict[str, Any] = {"include_background": True, "spacing": list(pair.spacing_kji)}

    def hausdorff(percentile: float | None) -> float:
        return max(
            float(compute_hausdorff_distance(*way, percentile=percentile, directed=True, **both))
            for way in (there, back)
        )

    one_way, other_way = (
        float(compute_average_surface_distance(*way, **both)) for way in (there, back)
    )
    confusion = get_confusion_matrix(prediction, reference, include_background=True)
    return {
        "dice": float(compute_dice(prediction, reference)),
        "jaccard": float(compute_iou(prediction, reference)),
        "precision": float(compute_confusion_matrix_metric("precision", confusion)),
        "recall": float(compute_confusion_matrix_metric("recall", confusion)),
        "nsd": float(compute_surface_dice(*there, class_thresholds=[TOLERANCE_MM], **both)),
        "hd_mm": hausdorff(None),
        "hd95_mm": hausdorff(95),
        "asd_mm": one_way,
        "assd_mm": (one_way + other_way) / 2,
    }


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI's own call
def test_every_metric_that_monai_has_is_monais() -> None:
    for index, pair in enumerate(islice(mask_pairs(PAIRS), MONAI_PAIRS)):
        found, expected = scored(pair), monai_scores(pair)
        shared = {name: found[name] for name in expected}
        assert shared == pytest.approx(expected, rel=SINGLE, abs=SINGLE), (index, pair.kind)


def test_pairs_are_the_same_at_each_call() -> None:
    first, second = (list(mask_pairs(80)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.prediction, other.prediction)
