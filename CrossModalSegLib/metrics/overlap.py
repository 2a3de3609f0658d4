"""Overlap of two masks, each from 0 (none) to 1 (identical).

With P and R the voxels of prediction and reference. A metric whose denominator is zero is undefined
and raises `LabelError`; what an empty mask is worth is the caller's policy, not a property of the
formula.
"""

from __future__ import annotations

import numpy as np

from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.metrics.masks import Mask, require_comparable


def dice(prediction: Mask, reference: Mask) -> float:
    """Return 2 |P and R| / (|P| + |R|) (Dice 1945, https://doi.org/10.2307/1932409).

    Raises:
        LabelError: Both masks are empty, or an array is not boolean.
        GeometryError: The shapes differ.
    """
    common = _common(prediction, reference)
    size = np.count_nonzero(prediction) + np.count_nonzero(reference)
    return _ratio(2 * common, size, "Dice of two empty masks")


def jaccard(prediction: Mask, reference: Mask) -> float:
    """Return |P and R| / |P or R| (Jaccard 1912, https://doi.org/10.1111/j.1469-8137.1912.tb05611.x).

    Raises:
        LabelError: Both masks are empty, or an array is not boolean.
        GeometryError: The shapes differ.
    """
    common = _common(prediction, reference)
    union = np.count_nonzero(prediction) + np.count_nonzero(reference) - common
    return _ratio(common, union, "Jaccard index of two empty masks")


def precision(prediction: Mask, reference: Mask) -> float:
    """Return |P and R| / |P|, the share of the prediction that is right.

    Raises:
        LabelError: The prediction is empty, or an array is not boolean.
        GeometryError: The shapes differ.
    """
    common = _common(prediction, reference)
    return _ratio(common, np.count_nonzero(prediction), "precision of an empty prediction")


def recall(prediction: Mask, reference: Mask) -> float:
    """Return |P and R| / |R|, the share of the reference that was found.

    Raises:
        LabelError: The reference is empty, or an array is not boolean.
        GeometryError: The shapes differ.
    """
    common = _common(prediction, reference)
    return _ratio(common, np.count_nonzero(reference), "recall of an empty reference")


def _common(prediction: Mask, reference: Mask) -> int:
    require_comparable(prediction, reference)
    return int(np.count_nonzero(prediction & reference))


def _ratio(numerator: int, denominator: np.integer | int, undefined: str) -> float:
    if denominator == 0:
        raise LabelError(
            f"The {undefined} is undefined; a mask with at least one voxel was expected.",
            hint="Decide what empty masks are worth before measuring.",
        )
    return numerator / int(denominator)
