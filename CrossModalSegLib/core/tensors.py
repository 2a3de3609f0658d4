"""Tensor shapes used across the library. The only file of core that imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float, Int
from torch import Tensor

Images: TypeAlias = Float[Tensor, "batch channels height width"]
"""Slices scaled to [-1, 1]."""

Labels: TypeAlias = Int[Tensor, "batch height width"]
"""Class indices; 0 is background."""

Logits: TypeAlias = Float[Tensor, "batch classes height width"]
Probabilities: TypeAlias = Float[Tensor, "batch classes height width"]

FeatureMap: TypeAlias = Float[Tensor, "batch features rows columns"]
Features: TypeAlias = tuple[Tensor, ...]
"""Feature maps of one encoder, finest first; each a `FeatureMap`."""

Scores: TypeAlias = Float[Tensor, "batch 1 rows columns"]
"""Raw discriminator output, one score for each patch, no activation."""

Scalar: TypeAlias = Float[Tensor, ""]

Losses: TypeAlias = dict[str, Tensor]
"""Loss terms by name; each a `Scalar`."""


@dataclass(frozen=True)
class UnpairedBatch:
    """Labelled source slices and unrelated, unlabelled target slices.

    There is no field for target labels: a method cannot leak what it cannot reach.
    """

    x_s: Images
    y_s: Labels
    x_t: Images
