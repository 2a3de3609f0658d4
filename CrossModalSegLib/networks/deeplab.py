"""DeepLab v2 on ResNet50, taken apart: encoder, pixel classifier, image decoder.

L.-C. Chen et al., "DeepLab", TPAMI 2018, https://arxiv.org/abs/1606.00915; K. He et al., "Deep
Residual Learning", CVPR 2016, https://arxiv.org/abs/1512.03385. As AdaptSegNet (Tsai et al. 2018)
uses it: output stride 8, layer3 and layer4 dilated by 2 and 4. The parameters of layer1 to layer4
have torchvision's names, so that ImageNet weights fit.
"""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError, InputFileError
from CrossModalSegLib.core.tensors import Features, Images, Logits
from CrossModalSegLib.networks.blocks import initialise_adversarial

EXPANSION = 4
"""Channels that leave a bottleneck, per channel inside it (He et al., Table 1)."""

OUTPUT_STRIDE = 8
"""Image size over the size of the last features."""

DILATIONS = (6, 12, 18, 24)
"""Of the classifier's parallel convolutions (DeepLab, Sec. 4.1.2, "ASPP-L")."""


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut (He et al., Fig. 5)."""

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        out_channels = width * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features; the resolution falls by the stride."""
        inner = F.relu(self.bn1(self.conv1(x)), inplace=True)
        inner = F.relu(self.bn2(self.conv2(inner)), inplace=True)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(inner)) + shortcut, inplace=True)


class ResNet50Encoder(nn.Module):
    """Images to the features of the stem and of layer1 to layer4, at strides 2, 4, 8, 8, 8."""

    channels: ClassVar[tuple[int, ...]] = (64, 256, 512, 1024, 2048)

    def __init__(self, in_channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _layer(64, 64, blocks=3)
        self.layer2 = _layer(256, 128, blocks=4, stride=2)
        self.layer3 = _layer(512, 256, blocks=6, dilation=2)
        self.layer4 = _layer(1024, 512, blocks=3, dilation=4)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Images) -> Features:
        """Return the feature maps, finest first.

        Raises:
            ConfigError: Height or width is no multiple of 8.
        """
        rows, columns = images.shape[2:]
        if rows % OUTPUT_STRIDE or columns % OUTPUT_STRIDE:
            raise ConfigError(
                f"Slices of {rows}x{columns} were given, deeplab_resnet50 needs multiples of "
                f"{OUTPUT_STRIDE}.",
                hint="Prepare the cohort with another --matrix.",
            )
        stem = F.relu(self.bn1(self.conv1(images)), inplace=True)
        layer1 = self.layer1(F.max_pool2d(stem, 3, stride=2, padding=1))
        layer2 = self.layer2(layer1)
        layer3 = self.layer3(layer2)
        return stem, layer1, layer2, layer3, self.layer4(layer3)

    def load_pretrained(self, path: Path) -> None:
        """Load layer1 to layer4 of a ResNet50 trained on ImageNet (DSAN, Sec. V.1).

        The stem stays as it is: its input has one channel.

        Args:
            path: `.safetensors`, or a `.pth` of tensors alone, with torchvision's names.

        Raises:
            InputFileError: The file cannot be read, or lacks weights of these layers.
        """
        weights = _of_layers(_read_weights(path))
        expected = set(_of_layers(self.state_dict()))
        if set(weights) != expected:
            example = min(expected ^ set(weights))
            raise InputFileError(
                f"{path} does not hold the weights of ResNet50's layer1 to layer4: "
                f"{example!r} is missing or unexpected.",
                hint="Give a state dictionary with torchvision's names.",
            )
        try:
            self.load_state_dict(weights, strict=False)
        except RuntimeError as error:
            raise InputFileError(f"{path} holds weights of other shapes: {error}") from error


class AtrousClassifier(nn.Module):
    """The sum of four dilated 3x3 convolutions, interpolated to the images' size.

    All four branches are used. (AdaptSegNet's public code returns after two of them.)

    Args:
        num_classes: Classes, background included.
        level: Index of the encoder's features that are classified, -1 or -2.
    """

    def __init__(self, num_classes: int, level: int = -1) -> None:
        super().__init__()
        self.level = level
        branches = [
            nn.Conv2d(ResNet50Encoder.channels[level], num_classes, 3, padding=rate, dilation=rate)
            for rate in DILATIONS
        ]
        for branch in branches:
            nn.init.normal_(branch.weight, 0.0, 0.01)  # as AdaptSegNet
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Features) -> Logits:
        """Classify one level of the features."""
        chosen = features[self.level]
        scores: Tensor = self.branches[0](chosen)
        for branch in self.branches[1:]:
            scores = scores + branch(chosen)
        return F.interpolate(
            scores, scale_factor=OUTPUT_STRIDE, mode="bilinear", align_corners=False
        )


class DeepLabImageDecoder(nn.Module):
    """layer4's features to images: three residual blocks, three deconvolutions (DSAN, Sec. III.D).

    Widths are not given; they are halved at each deconvolution, from 256.
    """

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.entry = nn.Sequential(
            nn.Conv2d(ResNet50Encoder.channels[-1], width, 1, bias=False),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(inplace=True),
        )
        self.residual = nn.ModuleList(_residual(width) for _ in range(3))
        self.enlarge = nn.Sequential(
            _deconvolution(width, width // 2),
            _deconvolution(width // 2, width // 4),
            nn.ConvTranspose2d(width // 4, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        initialise_adversarial(self)

    def forward(self, features: Features) -> Images:
        """Return images in [-1, 1], eight times the size of the features."""
        x = self.entry(features[-1])
        for block in self.residual:
            x = x + block(x)
        images: Images = self.enlarge(x)
        return images


def _layer(
    in_channels: int, width: int, *, blocks: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    first = Bottleneck(in_channels, width, stride, dilation)
    others = (Bottleneck(width * EXPANSION, width, 1, dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.InstanceNorm2d(width, affine=True),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.InstanceNorm2d(width, affine=True),
    )


def _deconvolution(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False),
        nn.InstanceNorm2d(after, affine=True),
        nn.ReLU(inplace=True),
    )


def _of_layers(weights: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of layer1 to layer4, without batch norm's counters.

    Files from before torch 0.4.1, torchvision's among them, have no counters.
    """
    return {
        name: value
        for name, value in weights.items()
        if name.startswith("layer") and not name.endswith("num_batches_tracked")
    }


def _read_weights(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    unreadable = (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError)
    # What torch's restricted unpickler lets through from damaged files.
    damaged = (ValueError, LookupError, struct.error)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (*unreadable, *damaged) as error:
        reason = str(error).partition("\n")[0]
        raise InputFileError(
            f"{path} could not be read as network weights: {reason}",
            hint="Give a .safetensors file, or a .pth that holds a state dictionary.",
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise InputFileError(f"{path} holds a {type(weights).__name__}, expected named weights.")
    return weights
