"""A critic of features that keeps their resolution: one score for each place."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from CrossModalSegLib.core.tensors import FeatureMap, Scores
from CrossModalSegLib.networks.blocks import initialise_adversarial
from CrossModalSegLib.networks.discriminators import CRITIC_LEAK

HALVINGS = 3
"""2048, 1024, 512, 256 channels over ResNet50's features, as in DAST's public code."""


class PixelDiscriminator(nn.Module):
    """Four 3x3 convolutions of stride 1 without normalisation, each halving the channels.

    F. Yu et al., "DAST", AAAI 2021: the "pixel-wise domain discriminator" of GLUA's Sec. III.A.

    Args:
        in_channels: Channels of the features that are judged.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        channels = [max(1, in_channels // 2**halving) for halving in range(HALVINGS + 1)]
        blocks: list[nn.Module] = []
        for before, after in pairwise(channels):
            blocks.append(nn.Conv2d(before, after, kernel_size=3, padding=1))
            blocks.append(nn.LeakyReLU(CRITIC_LEAK, inplace=True))
        blocks.append(nn.Conv2d(channels[-1], 1, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*blocks)
        initialise_adversarial(self)

    def forward(self, features: FeatureMap) -> Scores:
        """Return raw scores of the features' size, no activation."""
        scores: Scores = self.layers(features)
        return scores
