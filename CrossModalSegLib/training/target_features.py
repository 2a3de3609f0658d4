"""What the trained model sees in the scans that it was adapted to, for the check of new ones."""

from __future__ import annotations

import numpy as np
import torch

from CrossModalSegLib.bundle.feature_statistics import (
    Description,
    FeatureStatistics,
    describe_features,
)
from CrossModalSegLib.bundle.features import FeatureTap, deepest_layer
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_record import CohortCase
from CrossModalSegLib.methods.base import Method

MOST_CASES = 60
"""Of larger cohorts so many are looked at, evenly spread."""

MOST_SLICES = 48
"""Of larger volumes so many, evenly spread."""

_BATCH = 8


def measure_features(method: Method, target: Cohort) -> FeatureStatistics | None:
    """Return the features of a cohort's training and validation cases; labels do not count.

    Args:
        method: Ready to predict, on any device.
        target: The cohort that the method was adapted to.

    Returns:
        None if there are too few cases, or no layer that has features in places.
    """
    matrix = target.preprocessing.matrix
    layer = deepest_layer(method, target.num_channels, matrix)
    if not layer:
        return None
    cases = (*target.in_split("train"), *target.in_split("validation"))
    chosen = [cases[index] for index in _spread(len(cases), MOST_CASES)]
    return describe_features(layer, [_describe(method, layer, target, case) for case in chosen])


@torch.inference_mode()
def _describe(method: Method, layer: str, cohort: Cohort, case: CohortCase) -> Description:
    slices = cohort.channels(case)
    chosen = _spread(len(slices), MOST_SLICES)
    device = next(iter(method.parameters())).device
    tap = FeatureTap(method, layer)
    for start in range(0, len(chosen), _BATCH):
        part = np.ascontiguousarray(slices[chosen[start : start + _BATCH]], np.float32)
        with tap.listening():
            method.predict(torch.from_numpy(part).to(device))
        tap.keep()
    description = tap.description()
    if description is None:
        raise RuntimeError(f"The layer {layer!r} gave nothing out.")
    return description


def _spread(count: int, most: int) -> list[int]:
    """Return at most so many indices, from the first to the last."""
    wanted = np.linspace(0, count - 1, min(count, most))
    return [int(index) for index in np.rint(wanted)]
