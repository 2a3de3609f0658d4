"""Blocks and the two ways of drawing weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from CrossModalSegLib.networks.blocks import (
    ConvolutionBlock,
    ResidualBlock,
    initialise_adversarial,
    initialise_segmenter,
)


@pytest.mark.parametrize(("stride", "size"), [(1, (9, 12)), (2, (5, 6))])
def test_a_convolution_block_divides_the_size_by_its_stride(
    stride: int, size: tuple[int, int]
) -> None:
    assert ConvolutionBlock(2, 3, stride)(torch.rand(1, 2, 9, 12)).shape == (1, 3, *size)


def test_a_convolution_block_does_not_see_contrast_and_brightness() -> None:
    block, x = ConvolutionBlock(1, 4), torch.randn(2, 1, 16, 16)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    torch.testing.assert_close(block(5 * x)[inside], block(x)[inside], rtol=1e-3, atol=1e-3)


def test_a_residual_block_adds_to_its_input() -> None:
    block, x = ResidualBlock(3), torch.randn(2, 3, 8, 8)
    for weight in block.parameters():
        nn.init.zeros_(weight)
    torch.testing.assert_close(block(x), x)


def test_segmenters_start_as_he_says() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(64, 64, 3)
    initialise_segmenter(nn.Sequential(layer))
    expected = math.sqrt(2 / ((1 + 0.1**2) * 64 * 9))
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
    assert layer.bias is not None
    assert not layer.bias.any()


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_adversaries_start_from_a_narrow_normal(
    kind: type[nn.Conv2d | nn.ConvTranspose2d],
) -> None:
    torch.manual_seed(0)
    layer = kind(64, 64, 3)
    initialise_adversarial(nn.Sequential(layer))
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layer.bias is not None
    assert not layer.bias.any()
