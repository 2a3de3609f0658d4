"""The pixel-wise critic of features: sizes, widths, what one score sees."""

from __future__ import annotations

import torch
from torch import nn

from CrossModalSegLib.networks.pixel_discriminator import PixelDiscriminator


def test_there_is_one_raw_score_for_each_place() -> None:
    critic = PixelDiscriminator(16)
    assert critic(torch.rand(2, 16, 5, 7)).shape == (2, 1, 5, 7)
    *_, bias = critic.parameters()
    nn.init.constant_(bias, -7.0)
    assert critic(torch.rand(2, 16, 5, 7)).max() < -1


def test_paper_size_features_pass_through_1024_512_and_256_channels() -> None:
    with torch.device("meta"):
        critic = PixelDiscriminator(2048)
        assert critic(torch.empty(8, 2048, 32, 32)).shape == (8, 1, 32, 32)
    widths = [m.out_channels for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [1024, 512, 256, 1]
    expected = 9 * (2048 * 1024 + 1024 * 512 + 512 * 256 + 256) + 1024 + 512 + 256 + 1
    assert sum(weight.numel() for weight in critic.parameters()) == expected


def test_few_channels_are_never_halved_to_none() -> None:
    assert PixelDiscriminator(2)(torch.rand(1, 2, 4, 4)).shape == (1, 1, 4, 4)


def test_a_score_sees_nine_places_across_and_no_more() -> None:
    features = torch.rand(1, 8, 21, 21, requires_grad=True)
    PixelDiscriminator(8)(features)[0, 0, 10, 10].backward()
    assert features.grad is not None
    seen = features.grad[0].abs().sum(dim=0)
    rows = seen.sum(dim=1).nonzero()
    assert (rows.max() - rows.min() + 1).item() == 9
