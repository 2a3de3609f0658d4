"""Translators: CycleGAN's sizes, a second implementation of it, and what the U-Net cannot copy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.networks.translators import (
    ResNetTranslator,
    SkipTranslator,
    Translator,
)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def randomised(network: nn.Module) -> nn.Module:
    """Draw every weight anew, scales and shifts of the normalisation too."""
    torch.manual_seed(1)
    for weight in network.parameters():
        nn.init.normal_(weight, 0.0, 0.4)
    return network


def test_the_default_is_cyclegans_generator_of_nine_blocks() -> None:
    with torch.device("meta"):
        network = Translator().network()
        assert isinstance(network, ResNetTranslator)
        assert network(torch.empty(2, 1, 240, 240)).shape == (2, 1, 240, 240)
    entry = 49 * 64 + 9 * 64 * 128 + 9 * 128 * 256
    blocks = 9 * 2 * (9 * 256 * 256)
    leaving = 9 * 256 * 128 + 9 * 128 * 64 + (49 * 64 + 1)
    norms = 2 * (64 + 128 + 256 + 9 * 2 * 256 + 128 + 64)
    assert count(network) == entry + blocks + leaving + norms


def written_out(network: ResNetTranslator, images: Tensor) -> Tensor:
    """Return the translation from the weights alone, in the order of appendix 7.2."""
    weights = list(network.parameters())

    def normalised(x: Tensor) -> Tensor:
        scale, shift = weights.pop(0)[:, None, None], weights.pop(0)[:, None, None]
        mean = x.mean((2, 3), keepdim=True)
        variance = ((x - mean) ** 2).mean((2, 3), keepdim=True)
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    def reflected(x: Tensor, by: int) -> Tensor:
        rows = [*range(by, 0, -1), *range(x.shape[2]), *range(-2, -2 - by, -1)]
        columns = [*range(by, 0, -1), *range(x.shape[3]), *range(-2, -2 - by, -1)]
        return x[:, :, rows][:, :, :, columns]

    x = normalised(F.conv2d(reflected(images, 3), weights.pop(0))).clamp(min=0)
    for _ in range(2):
        x = normalised(F.conv2d(x, weights.pop(0), stride=2, padding=1)).clamp(min=0)
    for _ in range(2):
        inner = normalised(F.conv2d(reflected(x, 1), weights.pop(0))).clamp(min=0)
        x = x + normalised(F.conv2d(reflected(inner, 1), weights.pop(0)))
    for _ in range(2):
        doubled = F.conv_transpose2d(x, weights.pop(0), stride=2, padding=1, output_padding=1)
        x = normalised(doubled).clamp(min=0)
    x = F.conv2d(reflected(x, 3), weights.pop(0), weights.pop(0))
    assert not weights
    return (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())


def test_the_residual_generator_equals_a_second_implementation() -> None:
    network = ResNetTranslator(width=3, blocks=2).double()
    randomised(network)
    images = torch.rand(2, 1, 16, 24, dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(network(images), written_out(network, images))


def test_slices_that_could_not_be_restored_to_their_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"30x32.*multiples of 4"):
        ResNetTranslator(2, 1)(torch.zeros(1, 1, 30, 32))


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
@pytest.mark.parametrize("levels", [2, 4])
def test_the_small_generator_keeps_the_size_and_the_range(
    size: tuple[int, int], levels: int
) -> None:
    network = Translator(name="unet", width=4, levels=levels).network()
    assert isinstance(network, SkipTranslator)
    randomised(network)
    with torch.no_grad():
        images = network(torch.rand(2, 1, *size) * 2 - 1)
    assert images.shape == (2, 1, *size)
    assert 0.1 < images.abs().max() <= 1


def test_the_small_generator_sees_the_finest_features_only_when_told_to() -> None:
    torch.manual_seed(0)
    for skip_from, sees in ((0, True), (1, False)):
        network = SkipTranslator(4, 3, skip_from)
        features = list(network.encoder(torch.rand(1, 1, 16, 16)))
        with torch.no_grad():
            expected = network.decoder(tuple(features))
            features[0] = features[0] + torch.randn_like(features[0])
            assert (not torch.equal(network.decoder(tuple(features)), expected)) is sees


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_every_weight_of_a_generator_learns(name: Any) -> None:
    torch.manual_seed(0)
    network = Translator(name=name, width=4, blocks=1, levels=3).network()
    network(torch.rand(2, 1, 32, 32) * 2 - 1).square().mean().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.abs().max() > 0, key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, r"translator\.width is 0, expected 1 to 1024"),
        ({"blocks": 65}, r"translator\.blocks is 65, expected 1 to 64"),
        ({"levels": 1}, r"translator\.levels is 1, expected 2 to 12"),
        ({"skip_from": -1}, r"translator\.skip_from is -1, expected 0 to 11"),
    ],
)
def test_sizes_that_no_network_has_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Translator(**changes)  # type: ignore[arg-type]
