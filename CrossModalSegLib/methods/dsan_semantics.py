"""DSAN's adversarial loss of the semantic space (Sec. III.B.2, Eqs. 9 to 11), both sides of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from CrossModalSegLib.core.tensors import Logits, Losses, Scalar
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.methods.dsan_config import DSANConfig

Levels = tuple[Logits, Logits]
"""Class scores of C_1 and C_2, both at the size of the image."""

Critics = tuple[nn.Module, nn.Module]
"""D_p1 and D_p2."""


@dataclass(frozen=True)
class SemanticGame:
    """Source against target predictions: s and st are positive, t and ts negative (Sec. V.4).

    Attributes:
        config: Weight of the lower level, and what critics see.
        adversarial: Form of the game.
        real: Judge predictions of x_s and x_t.
        generated: Judge predictions of x_st and x_ts; the same but in a row of Table V.
    """

    config: DSANConfig
    adversarial: AdversarialLoss
    real: Critics
    generated: Critics

    @property
    def critics(self) -> tuple[nn.Module, ...]:
        """Every critic once."""
        return tuple(dict.fromkeys((*self.real, *self.generated)))

    def segmenter(self, logits: Mapping[str, Levels]) -> Losses:
        """Return what makes predictions of target content pass for those of source content."""
        losses = {"secadv": self._fool(self.real, logits["t"])}  # Eq. 9
        if _has_generated(logits):
            losses["secadv_generated"] = self._fool(self.generated, logits["ts"])  # Eq. 10
        return losses

    def discriminator(self, logits: Mapping[str, Levels]) -> Scalar:
        """Return what makes the critics tell them apart; all levels count alike."""
        loss = self._tell_apart(self.real, logits["s"], logits["t"])  # Eq. 9
        if _has_generated(logits):
            loss = loss + self._tell_apart(self.generated, logits["st"], logits["ts"])  # Eq. 10
        return loss

    def _fool(self, critics: Critics, levels: Levels) -> Scalar:
        main, low = (
            self.adversarial.generator(critic(self._seen(level)))
            for critic, level in zip(critics, levels, strict=True)
        )
        return main + self.config.lambda_low * low

    def _tell_apart(self, critics: Critics, positive: Levels, negative: Levels) -> Scalar:
        losses = [
            self.adversarial.discriminator(
                real=critic(self._seen(real.detach())), fake=critic(self._seen(fake.detach()))
            )
            for critic, real, fake in zip(critics, positive, negative, strict=True)
        ]
        return torch.stack(losses).sum()

    def _seen(self, logits: Logits) -> Tensor:
        return logits if self.config.critic_p_input == "logits" else logits.softmax(dim=1)


def _has_generated(logits: Mapping[str, Levels]) -> bool:
    """Tell whether both translations were made: Eq. 10 is a game between the two."""
    return {"st", "ts"} <= set(logits)
