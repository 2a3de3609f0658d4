"""The networks that methods are built of, by name: paper-size DeepLab-ResNet50 or a small U-Net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from torch import nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.networks.deeplab import (
    AtrousClassifier,
    DeepLabImageDecoder,
    ResNet50Encoder,
)
from CrossModalSegLib.networks.unet import (
    LowClassifier,
    UNetClassifier,
    UNetEncoder,
    UNetImageDecoder,
)

SIZE_RANGES = {"width": (1, 1024), "levels": (2, 12), "in_channels": (1, 16)}
"""Sizes beyond these are a mistake, or an attack on the memory by a foreign bundle."""

BackboneName = Literal["deeplab_resnet50", "unet"]


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """Recipe for an encoder and for what sits on its features.

    Attributes:
        name: "deeplab_resnet50" (the papers') or "unet" (trains in minutes on two CPU cores).
        width: Channels of the U-Net's finest level; ignored by DeepLab.
        levels: Resolutions of the U-Net; ignored by DeepLab.
        in_channels: Modalities that enter together.
        pretrained: File with ImageNet weights of ResNet50 (layer1 to layer4), "" for random ones.
    """

    ranges: ClassVar[Mapping[str, tuple[int, int]]] = SIZE_RANGES

    name: BackboneName = "deeplab_resnet50"
    width: int = 16
    levels: int = 4
    in_channels: int = 1
    pretrained: str = ""

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ConfigError: A size is out of range, or weights are given for the U-Net.
        """
        for name, (least, most) in SIZE_RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"backbone.{name} is {getattr(self, name)}, expected {least} to {most}."
                )
        if self.pretrained and self.name != "deeplab_resnet50":
            raise ConfigError("Only deeplab_resnet50 takes pretrained weights.")

    def encoder(self) -> nn.Module:
        """Build the encoder: Images to Features, finest first."""
        if self.name == "unet":
            return UNetEncoder(width=self.width, levels=self.levels, in_channels=self.in_channels)
        encoder = ResNet50Encoder(in_channels=self.in_channels)
        if self.pretrained:
            encoder.load_pretrained(Path(self.pretrained))
        return encoder

    def classifier(self, num_classes: int) -> nn.Module:
        """Build the pixel classifier of the last features: Features to Logits at image size."""
        if self.name == "unet":
            return UNetClassifier(self.channels, num_classes)
        return AtrousClassifier(num_classes=num_classes, level=-1)

    def classifier_low(self, num_classes: int) -> nn.Module:
        """Build the auxiliary classifier of a lower-resolution or earlier level."""
        if self.name == "unet":
            return LowClassifier(self.channels, num_classes)
        return AtrousClassifier(num_classes=num_classes, level=-2)

    def image_decoder(self) -> nn.Module:
        """Build a decoder from Features to Images in [-1, 1]."""
        if self.name == "unet":
            return UNetImageDecoder(self.channels)
        return DeepLabImageDecoder()

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level, finest first."""
        if self.name == "unet":
            return tuple(self.width * min(2**level, 8) for level in range(self.levels))
        return ResNet50Encoder.channels


PAPER_BACKBONE = Backbone(name="deeplab_resnet50")
"""DSAN, Sec. III.D; GLUA, Sec. 3.3."""
