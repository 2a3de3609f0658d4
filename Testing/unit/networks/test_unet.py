"""The small U-Net: sizes, odd ones too, and what each part sees."""

from __future__ import annotations

import pytest
import torch

from CrossModalSegLib.networks.unet import (
    LowClassifier,
    UNetClassifier,
    UNetEncoder,
    UNetImageDecoder,
    unet_channels,
)

SIZES = [(32, 32), (33, 47), (40, 64)]


def features_of(size: tuple[int, int], levels: int = 4) -> tuple[torch.Tensor, ...]:
    encoder = UNetEncoder(width=4, levels=levels)
    maps: tuple[torch.Tensor, ...] = encoder(torch.rand(2, 1, *size) * 2 - 1)
    return maps


def test_channels_double_up_to_eight_times_the_width() -> None:
    assert unet_channels(16, 5) == (16, 32, 64, 128, 128)
    assert UNetEncoder(width=4, levels=5).channels == (4, 8, 16, 32, 32)


@pytest.mark.parametrize("size", SIZES)
def test_each_level_halves_the_resolution(size: tuple[int, int]) -> None:
    rows, columns = size
    for level, feature_map in enumerate(features_of(size)):
        halved = (-(-rows // 2**level), -(-columns // 2**level))
        assert feature_map.shape == (2, 4 * 2**level, *halved)


@pytest.mark.parametrize("size", SIZES)
def test_classifiers_and_decoder_return_to_the_images_size(size: tuple[int, int]) -> None:
    features, channels = features_of(size), unet_channels(4, 4)
    assert UNetClassifier(channels, 5)(features).shape == (2, 5, *size)
    assert LowClassifier(channels, 5)(features).shape == (2, 5, *size)
    for skip_from in (0, 1, 3):
        assert UNetImageDecoder(channels, skip_from)(features).shape == (2, 1, *size)


def test_several_modalities_enter_together() -> None:
    features = UNetEncoder(width=4, in_channels=3)(torch.rand(2, 3, 32, 32))
    assert features[0].shape == (2, 4, 32, 32)


def test_images_lie_between_minus_one_and_one() -> None:
    decoder = UNetImageDecoder(unet_channels(4, 4))
    torch.nn.init.normal_(decoder.image.weight, 0.0, 10.0)
    images = decoder(features_of((32, 32)))
    assert 0.9 < images.abs().max() <= 1


@pytest.mark.parametrize("skip_from", [0, 1, 2])
def test_the_decoder_sees_no_level_above_the_one_it_skips_from(skip_from: int) -> None:
    features = [feature_map.detach().requires_grad_() for feature_map in features_of((32, 32))]
    UNetImageDecoder(unet_channels(4, 4), skip_from)(tuple(features)).square().sum().backward()
    seen = [feature_map.grad is not None for feature_map in features]
    assert seen == [level >= skip_from for level in range(4)]


def test_the_classifier_sees_every_level_and_the_low_one_only_the_coarsest() -> None:
    channels = unet_channels(4, 4)
    for classifier, expected in (
        (UNetClassifier(channels, 3), [True] * 4),
        (LowClassifier(channels, 3), [False, False, False, True]),
    ):
        features = [feature_map.detach().requires_grad_() for feature_map in features_of((32, 32))]
        classifier(tuple(features)).square().sum().backward()
        assert [feature_map.grad is not None for feature_map in features] == expected


def test_the_number_of_weights_is_as_computed_by_hand() -> None:
    def count(network: torch.nn.Module) -> int:
        return sum(weight.numel() for weight in network.parameters())

    channels = (16, 32, 64, 128)
    second = [n * n * 9 + 2 * n for n in channels]  # convolutions within a level, their norms
    down = [before * n * 9 + 2 * n for before, n in zip((1, 16, 32, 64), channels, strict=True)]
    up = [(fine + 2 * fine) * fine * 9 + 2 * fine for fine in (16, 32, 64)]
    assert count(UNetEncoder(16, 4)) == sum(second) + sum(down)
    assert count(UNetClassifier(channels, 5)) == sum(second[:3]) + sum(up) + 16 * 5 + 5
    assert count(LowClassifier(channels, 5)) == 128 * 5 + 5
