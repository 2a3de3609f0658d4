"""Which of several methods' models ships, decided without a label of the target.

Label-free scores of different methods do not compare: their deployed networks expect images of the
target, of which the source's validation Dice says little, and some are simply more confident. What
compares is what they find. Each method's model segments the target's training subjects, whose
labels nobody opens, and the one that agrees best with the others is taken: methods that go wrong go
wrong each in its own way. Agreement is the mean over the other models and over the structures of
the Dice of all subjects' voxels together; where two models find nothing of a structure, they agree
on nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.uint8]


def mean_agreements(
    subjects: Iterable[Mapping[str, Labels]], values: Iterable[int]
) -> dict[str, float]:
    """Return how well each model agrees with the others, 0 to 1.

    Args:
        subjects: Of each subject the label maps by model; all have the same models.
        values: Of the structures in the label maps.
    """
    structures = list(values)
    overlaps: dict[tuple[str, str], NDArray[np.int64]] = {}
    sizes: dict[str, NDArray[np.int64]] = {}
    for labels in subjects:
        for name, found in labels.items():
            sizes[name] = sizes.get(name, 0) + _counts(found, structures)
        for one, other in combinations(sorted(labels), 2):
            shared = np.where(labels[one] == labels[other], labels[one], 0)
            overlaps[one, other] = overlaps.get((one, other), 0) + _counts(shared, structures)
    dice = {pair: _mean_dice(both, *(sizes[n] for n in pair)) for pair, both in overlaps.items()}
    return {name: fmean(d for pair, d in dice.items() if name in pair) for name in sizes}


def _counts(labels: Labels, structures: list[int]) -> NDArray[np.int64]:
    return np.array([np.count_nonzero(labels == value) for value in structures], dtype=np.int64)


def _mean_dice(
    overlap: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> float:
    return float(np.mean(2 * overlap / np.maximum(first + second, 1)))
