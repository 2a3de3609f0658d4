"""The small blocks that the networks are made of."""

from __future__ import annotations

from torch import Tensor, nn

LEAK = 0.1
"""Slope of the leaky rectifiers of segmenters; critics use .2."""


class ConvolutionBlock(nn.Sequential):
    """3x3 convolution, affine instance normalisation, leaky rectifier."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.InstanceNorm2d(out_channels, affine=True),
            nn.LeakyReLU(LEAK, inplace=True),
        )


class ResidualBlock(nn.Module):
    """x + f(x) with two convolution blocks, (batch, channels, rows, columns) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvolutionBlock(channels, channels), ConvolutionBlock(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the blocks' output to their input."""
        residual: Tensor = x + self.blocks(x)
        return residual


def initialise_segmenter(network: nn.Module) -> None:
    """Draw convolution weights as He et al. 2015, https://arxiv.org/abs/1502.01852."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, a=LEAK, nonlinearity="leaky_relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def initialise_adversarial(network: nn.Module) -> None:
    """Draw convolution weights from N(0, .02), as Radford et al. 2015, Sec. 4 (DCGAN)."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
