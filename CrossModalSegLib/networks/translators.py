"""Image-to-image generators by name: CycleGAN's residual generator or a small skip U-Net.

J.-Y. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, https://arxiv.org/abs/1703.10593.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tensors import Images
from CrossModalSegLib.networks.blocks import initialise_adversarial
from CrossModalSegLib.networks.unet import UNetEncoder, UNetImageDecoder

REDUCTION = 4
"""Image size over the size of the residual blocks' features (Zhu et al., appendix 7.2)."""

SIZE_RANGES = {"width": (1, 1024), "blocks": (1, 64), "levels": (2, 12), "skip_from": (0, 11)}
"""Sizes beyond these are a mistake, or an attack on the memory by a foreign bundle."""

TranslatorName = Literal["resnet", "unet"]


@dataclass(frozen=True, kw_only=True)
class Translator:
    """Recipe for a generator of images in one modality's style from images of the other.

    Attributes:
        name: "resnet" (CycleGAN's) or "unet" (trains in minutes on two CPU cores).
        width: Channels at full resolution; CycleGAN: 64.
        blocks: Residual blocks of "resnet"; CycleGAN: 9 from 256x256 on, 6 below.
        levels: Resolutions of "unet".
        skip_from: Finest level of "unet" that is skipped to; from level 0 on it tends to copy.
    """

    name: TranslatorName = "resnet"
    width: int = 64
    blocks: int = 9
    levels: int = 3
    skip_from: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ConfigError: A size is out of range.
        """
        for name, (least, most) in SIZE_RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"translator.{name} is {getattr(self, name)}, expected {least} to {most}."
                )

    def network(self) -> nn.Module:
        """Build the generator: Images to Images in [-1, 1], of the same size."""
        if self.name == "unet":
            return SkipTranslator(self.width, self.levels, self.skip_from)
        return ResNetTranslator(self.width, self.blocks)


class SkipTranslator(nn.Module):
    """A small U-Net from images to images, without the skip that would let it copy its input."""

    def __init__(self, width: int = 12, levels: int = 3, skip_from: int = 1) -> None:
        super().__init__()
        self.encoder = UNetEncoder(width, levels)
        self.decoder = UNetImageDecoder(self.encoder.channels, skip_from)

    def forward(self, images: Images) -> Images:
        """Return the images in the other style."""
        translated: Images = self.decoder(self.encoder(images))
        return translated


class ResNetTranslator(nn.Module):
    """CycleGAN's generator: c7s1-w, d2w, d4w, R4w..., u2w, uw, c7s1-1 (Zhu et al., appendix 7.2).

    Our reading: instance normalisation learns a scale and a shift, as elsewhere in this library.

    Args:
        width: w, channels at full resolution.
        blocks: Residual blocks.
    """

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_normalised(nn.Conv2d(1, width, 7, bias=False)),
            *_normalised(_halving(width, 2 * width)),
            *_normalised(_halving(2 * width, 4 * width)),
            *(ReflectedResidualBlock(4 * width) for _ in range(blocks)),
            *_normalised(_doubling(4 * width, 2 * width)),
            *_normalised(_doubling(2 * width, width)),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 1, 7),
            nn.Tanh(),
        )
        initialise_adversarial(self)

    def forward(self, images: Images) -> Images:
        """Return the images in the other style.

        Raises:
            ConfigError: Height or width is no multiple of 4.
        """
        rows, columns = images.shape[2:]
        if rows % REDUCTION or columns % REDUCTION:
            raise ConfigError(
                f"Slices of {rows}x{columns} were given, the ResNet translator needs multiples "
                f"of {REDUCTION}.",
                hint="Prepare the cohort with another --matrix.",
            )
        translated: Images = self.layers(images)
        return translated


class ReflectedResidualBlock(nn.Module):
    """x + f(x), two 3x3 convolutions with reflected borders, no rectifier after the second."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normalised(nn.Conv2d(channels, channels, 3, bias=False)),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the layers' output to their input."""
        return torch.add(x, self.layers(x))


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    norm = nn.InstanceNorm2d(convolution.out_channels, affine=True)
    return convolution, norm, nn.ReLU(inplace=True)


def _halving(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)


def _doubling(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=False)
