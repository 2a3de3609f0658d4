"""A segmenter with position and channel attention between its encoder and its classifier.

J. Fu et al., "Dual Attention Network for Scene Segmentation", CVPR 2019,
https://arxiv.org/abs/1809.02983 (DANet): the two modules and their sum, without the convolutions
that it puts before and after them. BiGL, Sec. 3.3, puts the block into a U-Net.

The maps are as large as the block's features: for H x W places and C channels HW x HW and C x C.
With n levels a U-Net's features are a 2^(n-1)th of the slices' size: 8x8 for slices of 64x64 and
four levels, 15x15 (so 225x225) for slices of 240x240 and five.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from CrossModalSegLib.core.tensors import FeatureMap, Images, Logits
from CrossModalSegLib.networks.backbones import Backbone

QUERY_REDUCTION = 8
"""Channels of the features over those of query and key (DANet's public code)."""

AttentionMap: TypeAlias = Float[Tensor, "batch 1 queries keys"]
"""Weights that sum to 1 over the keys, as an image of one channel."""


class Segmented(NamedTuple):
    """What a `DualAttentionSegmenter` finds in images; losses need all of it.

    Attributes:
        logits: Class scores at the images' size.
        features: What left the attention block.
        position: Map of the places, (batch, 1, HW, HW).
        channel: Map of the channels, (batch, 1, C, C).
    """

    logits: Logits
    features: FeatureMap
    position: AttentionMap
    channel: AttentionMap


class PositionAttention(nn.Module):
    """Every place gathers from all places that are like it (DANet, Sec. 3.2; BiGL, Eq. 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // QUERY_REDUCTION)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.zeros(1))
        """alpha."""

    def forward(self, x: FeatureMap) -> tuple[FeatureMap, AttentionMap]:
        """Return alpha times what was gathered plus the features, and the map."""
        query, key, value = (
            layer(x).flatten(2).float() for layer in (self.query, self.key, self.value)
        )
        with _full_precision(x):
            attention = (query.transpose(1, 2) @ key).softmax(dim=2)  # over the keys
            gathered = value @ attention.transpose(1, 2)
        return self.scale * gathered.view_as(x) + x, attention[:, None]


class ChannelAttention(nn.Module):
    """Every channel gathers from all channels, most from those unlike it (DANet, Sec. 3.3)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))
        """alpha; DANet's beta."""

    def forward(self, x: FeatureMap) -> tuple[FeatureMap, AttentionMap]:
        """Return alpha times what was gathered plus the features, and the map."""
        channels = x.flatten(2).float()
        with _full_precision(x):
            energy = channels @ channels.transpose(1, 2)
            attention = (energy.amax(dim=2, keepdim=True) - energy).softmax(dim=2)
            gathered = attention @ channels
        return self.scale * gathered.view_as(x) + x, attention[:, None]


class DualAttentionSegmenter(nn.Module):
    """Encoder, dual attention over its last features, classifier.

    Everything leaves through `forward`, so that wrappers see each use.

    Args:
        backbone: Of encoder and classifier; BiGL's is a U-Net.
        num_classes: Classes, background included.
    """

    def __init__(self, backbone: Backbone, num_classes: int) -> None:
        super().__init__()
        self.encoder = backbone.encoder()
        self.position = PositionAttention(backbone.channels[-1])
        self.channel = ChannelAttention()
        self.classifier = backbone.classifier(num_classes)

    def forward(self, images: Images) -> Segmented:
        """Segment images and return what the attention block made of them, too."""
        *finer, last = self.encoder(images)
        by_position, position = self.position(last)
        by_channel, channel = self.channel(last)
        features = by_position + by_channel  # BiGL: "the aggregation"; DANet: the sum
        return Segmented(self.classifier((*finer, features)), features, position, channel)


def _full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Keep products in float32: bfloat16 rounds the energies of hundreds of places to units."""
    kind = x.device.type
    is_mixed = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if is_mixed else nullcontext()
