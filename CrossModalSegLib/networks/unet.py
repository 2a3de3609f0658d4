"""A small U-Net, taken apart: encoder, pixel classifiers, image decoder.

O. Ronneberger et al., "U-Net", MICCAI 2015, https://arxiv.org/abs/1505.04597. Upsampling is by
nearest neighbours, which costs little more than half of bilinear on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CrossModalSegLib.core.tensors import Features, Images, Logits
from CrossModalSegLib.networks.blocks import (
    ConvolutionBlock,
    ResidualBlock,
    initialise_adversarial,
    initialise_segmenter,
)


def unet_channels(width: int, levels: int) -> tuple[int, ...]:
    """Return the channels of each level, finest first: doubled up to eight times the width."""
    return tuple(width * min(2**level, 8) for level in range(levels))


class UNetEncoder(nn.Module):
    """Images to one feature map a level; every level halves the resolution of the one before."""

    def __init__(self, width: int = 16, levels: int = 4, in_channels: int = 1) -> None:
        super().__init__()
        self.channels = unet_channels(width, levels)
        inputs = (in_channels, *self.channels[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(
                ConvolutionBlock(before, after, stride=1 if level == 0 else 2),
                ConvolutionBlock(after, after),
            )
            for level, (before, after) in enumerate(zip(inputs, self.channels, strict=True))
        )
        initialise_segmenter(self)

    def forward(self, images: Images) -> Features:
        """Return the feature maps, finest first; level n has size ceil(size / 2^n)."""
        features = []
        x = images
        for level in self.levels:
            x = level(x)
            features.append(x)
        return tuple(features)


class UNetClassifier(nn.Module):
    """Features to class scores at the images' size, through skip connections from every level."""

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                ConvolutionBlock(coarse + fine, fine),
                ConvolutionBlock(fine, fine),
            )
            for fine, coarse in reversed(list(pairwise(channels)))
        )
        self.scores = nn.Conv2d(channels[0], num_classes, kernel_size=1)
        initialise_segmenter(self)

    def forward(self, features: Features) -> Logits:
        """Climb from the coarsest to the finest level."""
        x = features[-1]
        for level, skipped in zip(self.levels, reversed(features[:-1]), strict=True):
            x = level(torch.cat([_enlarge(x, skipped), skipped], dim=1))
        logits: Logits = self.scores(x)
        return logits


class LowClassifier(nn.Module):
    """Coarsest features to class scores, interpolated to the images' size (deep supervision)."""

    def __init__(self, channels: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.scores = nn.Conv2d(channels[-1], num_classes, kernel_size=1)
        initialise_segmenter(self)

    def forward(self, features: Features) -> Logits:
        """Classify the coarsest level."""
        size = features[0].shape[2:]
        return F.interpolate(self.scores(features[-1]), size, mode="bilinear", align_corners=False)


class UNetImageDecoder(nn.Module):
    """Features to images in [-1, 1].

    The finest level is not skipped to: its features hold the input almost unchanged, and a decoder
    that sees them copies instead of translating.
    """

    def __init__(self, channels: Sequence[int], skip_from: int = 1) -> None:
        super().__init__()
        self.skip_from = skip_from
        self.residual = ResidualBlock(channels[-1])
        levels = []
        for level in reversed(range(len(channels) - 1)):
            skipped = channels[level] if level >= skip_from else 0
            levels.append(ConvolutionBlock(channels[level + 1] + skipped, channels[level]))
        self.levels = nn.ModuleList(levels)
        self.image = nn.Conv2d(channels[0], 1, kernel_size=5, padding=2)
        initialise_segmenter(self)
        initialise_adversarial(self.image)

    def forward(self, features: Features) -> Images:
        """Climb from the coarsest to the finest level."""
        x = self.residual(features[-1])
        for step, block in enumerate(self.levels):
            level = len(features) - 2 - step
            x = _enlarge(x, features[level])
            x = block(torch.cat([x, features[level]], dim=1) if level >= self.skip_from else x)
        images: Images = torch.tanh(self.image(x))
        return images


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[2:], mode="nearest")
