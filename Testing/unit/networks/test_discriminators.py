"""The patch discriminator: sizes, normalisation, what one score sees."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from CrossModalSegLib.networks.discriminators import PatchDiscriminator


@pytest.mark.parametrize(("size", "scores"), [((32, 32), (4, 4)), ((33, 70), (4, 8))])
@pytest.mark.parametrize("normalised", [True, False])
def test_there_is_one_score_for_each_patch(
    size: tuple[int, int],
    scores: tuple[int, int],
    normalised: bool,  # noqa: FBT001
) -> None:
    critic = PatchDiscriminator(5, width=4, normalised=normalised)
    assert critic(torch.rand(2, 5, *size)).shape == (2, 1, *scores)


def test_paper_size_slices_give_32_by_32_scores() -> None:
    with torch.device("meta"):
        critic = PatchDiscriminator(1)
        assert critic(torch.empty(8, 1, 256, 256)).shape == (8, 1, 32, 32)


@pytest.mark.parametrize("layers", [3, 4, 5])
def test_it_has_as_many_convolutions_as_asked_for(layers: int) -> None:
    critic = PatchDiscriminator(1, width=4, layers=layers)
    assert sum(isinstance(module, nn.Conv2d) for module in critic.modules()) == layers


def test_only_inner_layers_are_normalised_and_only_on_request() -> None:
    def count(critic: nn.Module) -> int:
        return sum(isinstance(module, nn.InstanceNorm2d) for module in critic.modules())

    assert count(PatchDiscriminator(1, width=4)) == 2
    assert count(PatchDiscriminator(1, width=4, normalised=False)) == 0


def test_scores_are_raw() -> None:
    critic = PatchDiscriminator(1, width=4, normalised=False)
    images = torch.rand(2, 1, 32, 32)
    *_, last = critic.parameters()  # the last convolution's bias
    nn.init.constant_(last, 7.0)
    assert critic(images).min() > 1
    nn.init.constant_(last, -7.0)
    assert critic(images).max() < -1


def test_a_score_sees_its_patch_of_38_pixels_and_no_more() -> None:
    critic = PatchDiscriminator(1, width=4, normalised=False)
    images = torch.rand(1, 1, 128, 128, requires_grad=True)
    critic(images)[0, 0, 8, 8].backward()
    assert images.grad is not None
    seen = images.grad[0, 0].abs().sum(dim=0).nonzero()
    assert (seen.max() - seen.min() + 1).item() == 38


def test_the_number_of_weights_is_as_computed_by_hand() -> None:
    critic = PatchDiscriminator(1, width=64)
    convolutions = (16 + 1) * 64 + (64 * 16 + 1) * 128 + (128 * 16 + 1) * 256 + 256 * 9 + 1
    norms = 2 * (128 + 256)
    assert sum(weight.numel() for weight in critic.parameters()) == convolutions + norms
