"""What a model's own features look like on the scans that it was adapted to.

Intensities alone do not tell a scan that is upside down, or of another part of the body, from a
usual one. The deepest features of the model's network do: averaged over quarters of the slices and
over both halves of the stack, they say what is seen where. A case is a few hundred numbers, and a
bundle keeps their mean and spread over the training target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError

Description = NDArray[np.float64]
"""The features of one case, one number after another."""

FEWEST_CASES = 6
"""Of fewer cases nobody can tell what is usual."""

LEAST_STD = 0.2
"""Share of the median spread: features that hardly varied among few cases may vary that much."""

_DIGITS = 4
"""Significant ones that are stored."""


@dataclass(frozen=True, kw_only=True)
class FeatureStatistics:
    """The features of the training target's cases.

    Attributes:
        layer: Name of the module whose output they are (`torch.nn.Module.named_modules`).
        mean: Over the cases.
        std: Their spread, at least `LEAST_STD` of its median.
        case_distances: Distance of each case to the others (`distance` with statistics without the
            case), rising: what is usual.
    """

    layer: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    case_distances: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse numbers that do not fit together.

        Raises:
            ConfigError: See above.
        """
        is_whole = len(self.mean) == len(self.std) > 0 and bool(self.case_distances)
        if not is_whole or not min(self.std) > 0 or not max(self.case_distances) > 0:
            raise ConfigError(
                f"target_features has {len(self.mean)} means, {len(self.std)} spreads and "
                f"{len(self.case_distances)} distances; expected as many spreads above 0 as means, "
                "and the distance of each case."
            )

    def distance(self, case: Description) -> float:
        """Return the root mean square of a case's deviations in units of the spread."""
        return _distance(case, np.array(self.mean), np.array(self.std))


def describe_features(layer: str, cases: Sequence[Description]) -> FeatureStatistics | None:
    """Return the statistics of cases; None if there are too few to tell what is usual.

    Args:
        layer: Where the features are from.
        cases: Of the training target.
    """
    if len(cases) < FEWEST_CASES:
        return None
    table = np.stack(cases).astype(np.float64)
    distances = []
    for index, case in enumerate(table):
        mean, std = _mean_and_std(np.delete(table, index, axis=0))
        distances.append(_distance(case, mean, std))
    mean, std = _mean_and_std(table)
    return FeatureStatistics(
        layer=layer,
        mean=_rounded(mean),
        std=_rounded(std),
        case_distances=_rounded(np.sort(distances)),
    )


def _mean_and_std(table: NDArray[np.float64]) -> tuple[Description, Description]:
    std = table.std(axis=0, ddof=1)
    least = max(LEAST_STD * float(np.median(std)), 1e-6)
    return table.mean(axis=0), np.maximum(std, least)


def _distance(case: Description, mean: Description, std: Description) -> float:
    return float(np.sqrt(np.mean(((case - mean) / std) ** 2)))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values if math.isfinite(value))
