"""Folding batch normalisation leaves a network's outputs as they are."""

from __future__ import annotations

import torch
from torch import nn

from CrossModalSegLib.networks.deeplab import Bottleneck, ResNet50Encoder
from CrossModalSegLib.networks.folding import fold_normalisation


def lively(module: nn.Module) -> nn.Module:
    """Give normalisations statistics as of a trained network."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_(0.0, 0.5, generator=generator)
            part.running_var.uniform_(0.5, 2.0, generator=generator)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
    return module.eval()


def test_a_residual_network_gives_the_same_features() -> None:
    torch.manual_seed(0)
    encoder = lively(ResNet50Encoder())
    images = torch.randn(2, 1, 32, 32)
    with torch.inference_mode():
        before = encoder(images)
        assert fold_normalisation(encoder) == 53  # 1, 3 in each of 16 blocks, 4 shortcuts
        after = encoder(images)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in encoder.modules())
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, rtol=1e-4, atol=1e-4)


def test_names_of_layers_stay() -> None:
    block = lively(Bottleneck(8, 2))
    names = {name for name, _ in block.named_modules()}
    fold_normalisation(block)
    assert {name for name, _ in block.named_modules()} == names


def test_what_does_not_follow_a_convolution_or_still_learns_is_left_alone() -> None:
    apart = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    learning = nn.Sequential(nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4)).train()
    by_batch = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)
    ).eval()
    groups = nn.Sequential(nn.Conv2d(1, 4, 1), nn.GroupNorm(2, 4)).eval()
    for network in (apart, learning, by_batch, groups):
        assert fold_normalisation(network) == 0
