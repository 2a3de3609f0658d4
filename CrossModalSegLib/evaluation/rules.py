"""What the definitions of the metrics leave open: empty masks and the tolerance of surfaces.

What happens where a mask holds no voxel, by policy:

- `brats` (default): both empty: ratios (Dice, Jaccard, precision, recall, NSD) 1, distances 0;
  one empty: ratios 0, distances the volume's diagonal (as the BraTS challenge, whose 373.13 mm is
  the diagonal of its volumes).
- `exclude`: distances to or from an empty mask, and the ratios of two, are undefined (null). A
  ratio that is 0 by its formula (Dice with one empty mask) stays.
- `worst`: any empty mask, both included: ratios 0, distances the volume's diagonal.

A prediction that is missing altogether scores as a failure, by `exclude` nothing. A reference that
is missing leaves nothing to score. Both are warned of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias, get_args

import numpy as np

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.evaluation.records import EmptyMasks, EmptyPolicy

Values: TypeAlias = dict[str, float | None]
"""Metrics by name; None where undefined."""

RATIOS = ("dice", "jaccard", "precision", "recall", "nsd")
"""Metrics from 0 to 1, more is better."""

DISTANCES = ("hd_mm", "hd95_mm", "asd_mm", "assd_mm", "assd_voxels", "asd_voxels")

PREDICTION_MISSING = "prediction_missing"
"""In the further metrics of a case without prediction: 1."""

DEFAULT_TOLERANCE_MM = 1.0
"""Of the normalised surface Dice: how far apart two surfaces still count as one. A voxel of the
BraTS data; what is tolerable for an organ is for the study to say."""


@dataclass(frozen=True, kw_only=True)
class ScoringRules:
    """What a definition of a metric leaves open.

    Attributes:
        policy: What empty masks, and missing predictions, score.
        tolerance_mm: Of the normalised surface Dice.
    """

    policy: EmptyPolicy = "brats"
    tolerance_mm: float = DEFAULT_TOLERANCE_MM

    def __post_init__(self) -> None:
        """Refuse what is no rule.

        Raises:
            UnknownNameError: No such policy.
            ConfigError: The tolerance is negative or not finite.
        """
        if self.policy not in get_args(EmptyPolicy):
            raise UnknownNameError("policy for empty masks", self.policy, get_args(EmptyPolicy))
        if not (math.isfinite(self.tolerance_mm) and self.tolerance_mm >= 0):
            raise ConfigError(f"The tolerance is {self.tolerance_mm} mm, expected 0 or more.")


def score_empty(empty: EmptyMasks, grid: Volume, policy: EmptyPolicy) -> Values:
    """Return what the policy gives to a pair of which at least one mask is empty."""
    if policy == "exclude":
        defined: Values = dict.fromkeys((*RATIOS, *DISTANCES))
        if empty != "both":  # these are 0 by their formula, whatever the policy
            defined |= dict.fromkeys(("dice", "jaccard", "nsd"), 0.0)
            defined["precision" if empty == "reference" else "recall"] = 0.0
        return defined
    if policy == "brats" and empty == "both":
        return {**dict.fromkeys(RATIOS, 1.0), **dict.fromkeys(DISTANCES, 0.0)}
    return score_failure(grid)


def score_failure(grid: Volume) -> Values:
    """Return 0 for every ratio and the volume's diagonal for every distance."""
    shape = np.array(grid.shape_ijk)
    diagonals = {
        "mm": float(np.linalg.norm(shape * grid.spacing_mm)),
        "voxels": float(np.linalg.norm(shape)),
    }
    distances = {name: diagonals[name.rpartition("_")[2]] for name in DISTANCES}
    return {**dict.fromkeys(RATIOS, 0.0), **distances}
