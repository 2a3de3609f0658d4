"""Adversarial losses in their two forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from CrossModalSegLib.core.tensors import Scalar, Scores

AdversarialKind = Literal["least_squares", "cross_entropy"]


@dataclass(frozen=True)
class AdversarialLoss:
    """Both sides of the game, on raw scores; computed in float32.

    "least_squares": Mao et al. 2017, https://arxiv.org/abs/1611.04076, Eq. 9 with a = 0, b = c = 1.
    "cross_entropy": Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661, Eq. 1, with the
    generator's side in its non-saturating form, -log D (Sec. 3).
    """

    kind: AdversarialKind = "least_squares"

    def generator(self, fake: Scores) -> Scalar:
        """Push the scores of fakes towards "real"."""
        return self.towards(fake, 1.0)

    def discriminator(self, *, real: Scores, fake: Scores) -> Scalar:
        """Push the scores of reals towards "real", of fakes towards "fake"; the mean of both."""
        return 0.5 * (self.towards(real, 1.0) + self.towards(fake, 0.0))

    def towards(self, scores: Scores, goal: float) -> Scalar:
        """Push scores towards 1 ("real") or 0 ("fake")."""
        scores = scores.float()
        target: Tensor = torch.full_like(scores, goal)
        if self.kind == "least_squares":
            return F.mse_loss(scores, target)
        return F.binary_cross_entropy_with_logits(scores, target)
