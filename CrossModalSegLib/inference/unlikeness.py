"""How much a scan differs from those that a model was made for."""

from __future__ import annotations

from dataclasses import dataclass

UNUSUAL_INTENSITIES = 1.5
"""A scan is unusual from this many times the largest distance within the training target.

Chosen on phantoms of development; docs/prediction.md has what it does on others."""

UNUSUAL_FEATURES = 1.15
"""The same for features."""


@dataclass(frozen=True, kw_only=True)
class Unlikeness:
    """How much a scan differs from the training target.

    Attributes:
        of_images: The distance of the intensities of each image of the case, as a multiple of the
            largest within the training target; None if nothing is known about what is usual.
        features: The same of the network's features; None also where only a part of the scan was
            looked at.
    """

    of_images: tuple[float | None, ...] = ()
    features: float | None = None

    @property
    def intensities(self) -> float | None:
        """The largest of all images."""
        return max((ratio for ratio in self.of_images if ratio is not None), default=None)

    @property
    def score(self) -> float | None:
        """The larger of the two in units of what is unusual: above 1 the scan is warned of."""
        limits = ((self.intensities, UNUSUAL_INTENSITIES), (self.features, UNUSUAL_FEATURES))
        scores = [ratio / limit for ratio, limit in limits if ratio is not None]
        return max(scores, default=None)
