"""BiGL's adversarial consistency of features and attention (Sec. 3.4, Eqs. 6 to 9), both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tensors import Losses
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.networks.dual_attention import Segmented

SMALLEST_MAP = 16
"""Rows of the smallest map: critics halve it three times and normalise over what is left."""


@dataclass(frozen=True)
class Critics:
    """The two critics of one kind of representation.

    Attributes:
        source: D_s: s is real, ts is fake.
        target: D_t: st is real, t is fake.
    """

    source: nn.Module
    target: nn.Module


@dataclass(frozen=True)
class Alignment:
    """Unlabelled images (t, ts) against labelled ones (st, s), within each style.

    Attributes:
        critics: By what they judge: "feature", "position", "channel"; those that are switched on.
        adversarial: Form of the game.
        sees_multiples: Whether attention maps are judged times their width.
    """

    critics: Mapping[str, Critics]
    adversarial: AdversarialLoss
    sees_multiples: bool

    @property
    def networks(self) -> list[nn.Module]:
        """Every critic."""
        return [d for pair in self.critics.values() for d in (pair.source, pair.target)]

    def segmenter(self, found: Mapping[str, Segmented]) -> Losses:
        """Return what makes those of t and ts pass for those of st and s."""
        fool, losses = self.adversarial.generator, Losses()
        for kind, pair in self.critics.items():  # Eqs. 6, 8
            losses[f"{kind}_s"] = fool(pair.source(self._judged(found["ts"], kind)))
            losses[f"{kind}_t"] = fool(pair.target(self._judged(found["t"], kind)))
        return losses

    def discriminator(self, found: Mapping[str, Segmented]) -> Losses:
        """Return what makes the critics tell them apart; no gradient reaches the segmenter."""
        losses: Losses = {}
        for kind, pair in self.critics.items():  # Eqs. 7, 9
            seen = {name: self._judged(each, kind).detach() for name, each in found.items()}
            for style, critic, real, fake in (
                ("s", pair.source, seen["s"], seen["ts"]),
                ("t", pair.target, seen["st"], seen["t"]),
            ):
                losses[f"critic_{kind}_{style}"] = self.adversarial.discriminator(
                    real=critic(real), fake=critic(fake)
                )
        return losses

    def _judged(self, found: Segmented, kind: str) -> Tensor:
        if kind == "feature":
            return found.features
        attention = found.position if kind == "position" else found.channel
        width = attention.shape[-1]
        if width < SMALLEST_MAP:
            raise ConfigError(
                f"The {kind} attention is a map of {width}x{width}, its critics need at least "
                f"{SMALLEST_MAP}x{SMALLEST_MAP}.",
                hint="Use larger slices or fewer levels (places), or a larger width (channels).",
            )
        return attention * width if self.sees_multiples else attention
