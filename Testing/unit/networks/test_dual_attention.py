"""Position and channel attention: hand numbers, then loops over places and over channels."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from CrossModalSegLib.networks.backbones import Backbone
from CrossModalSegLib.networks.dual_attention import (
    ChannelAttention,
    DualAttentionSegmenter,
    PositionAttention,
    Segmented,
)
from CrossModalSegLib.networks.unet import UNetClassifier, UNetEncoder

TINY = Backbone(name="unet", width=4, levels=3)


def softmax(energies: list[float]) -> list[float]:
    powers = [math.exp(energy) for energy in energies]
    return [power / sum(powers) for power in powers]


def position_attention(channels: int, scale: float) -> PositionAttention:
    """Return a module all of whose weights are random, its alpha given."""
    module = PositionAttention(channels)
    for weight in module.parameters():
        nn.init.normal_(weight, 0.0, 0.5)
    nn.init.constant_(module.scale, scale)
    return module


def test_position_attention_gives_hand_numbers() -> None:
    """Two places of one channel, 1 and 3: query 2x, key x + 1, value 10x."""
    module = PositionAttention(1)
    for layer, weight, bias in (
        (module.query, 2.0, 0.0),
        (module.key, 1.0, 1.0),
        (module.value, 10.0, 0.0),
    ):
        nn.init.constant_(layer.weight, weight)
        assert layer.bias is not None
        nn.init.constant_(layer.bias, bias)
    nn.init.constant_(module.scale, 0.5)
    features, attention = module(torch.tensor([[[[1.0, 3.0]]]]))
    rows = [softmax([2 * 2, 2 * 4]), softmax([6 * 2, 6 * 4])]  # of the places 1 and 3 that ask
    torch.testing.assert_close(attention, torch.tensor([[rows]]))
    expected = [0.5 * (10 * a + 30 * b) + x for (a, b), x in zip(rows, (1, 3), strict=True)]
    torch.testing.assert_close(features, torch.tensor([[[expected]]]))


def test_position_attention_equals_loops_over_places() -> None:
    torch.manual_seed(0)
    module = position_attention(16, scale=0.7)
    x = torch.randn(2, 16, 2, 3)
    features, attention = module(x)
    places = list(product(range(2), range(3)))

    def projected(layer: nn.Conv2d, n: int, place: tuple[int, int]) -> Tensor:
        assert layer.bias is not None
        return (layer.weight[:, :, 0, 0] @ x[n, :, *place] + layer.bias).detach()

    assert projected(module.query, 0, (0, 0)).shape == (2,)  # an eighth of the channels
    for n, (i, asking) in product(range(2), enumerate(places)):
        query = projected(module.query, n, asking)
        energies = [float(query @ projected(module.key, n, asked)) for asked in places]
        weights = softmax(energies)
        torch.testing.assert_close(attention[n, 0, i], torch.tensor(weights), atol=1e-6, rtol=0)
        values = [projected(module.value, n, asked) for asked in places]
        gathered = torch.stack([w * v for w, v in zip(weights, values, strict=True)]).sum(0)
        expected = 0.7 * gathered + x[n, :, *asking]
        torch.testing.assert_close(features[n, :, *asking], expected, atol=1e-5, rtol=0)


def test_channel_attention_gives_hand_numbers() -> None:
    """Channels (1, 0), (2, 1) and (0, 3): the most unlike weighs most."""
    module = ChannelAttention()
    nn.init.constant_(module.scale, 2.0)
    x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
    features, attention = module(x.view(1, 3, 1, 2))
    energies = [[1, 2, 0], [2, 5, 3], [0, 3, 9]]
    rows = torch.tensor([softmax([max(row) - e for e in row]) for row in energies])
    assert rows[2].argmax() == 0  # (1, 0) is what (0, 3) resembles least
    torch.testing.assert_close(attention, rows[None, None])
    expected = [
        [2 * sum(rows[i, j] * x[j, p] for j in range(3)) + x[i, p] for p in range(2)]
        for i in range(3)
    ]
    torch.testing.assert_close(features, torch.tensor(expected).view(1, 3, 1, 2))


def test_channel_attention_equals_loops_over_channels() -> None:
    torch.manual_seed(0)
    module = ChannelAttention()
    nn.init.constant_(module.scale, -0.4)
    x = torch.randn(2, 5, 3, 2)
    features, attention = module(x)
    for n, i in product(range(2), range(5)):
        energies = [float((x[n, i] * x[n, j]).sum()) for j in range(5)]
        weights = softmax([max(energies) - energy for energy in energies])
        torch.testing.assert_close(attention[n, 0, i], torch.tensor(weights), atol=1e-6, rtol=0)
        gathered = torch.stack([weights[j] * x[n, j] for j in range(5)]).sum(0)
        torch.testing.assert_close(features[n, i], -0.4 * gathered + x[n, i], atol=1e-5, rtol=0)


def test_attention_begins_as_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 8, 4, 4)
    for module in (PositionAttention(8), ChannelAttention()):
        features, _ = module(x)
        assert torch.equal(features, x)


def test_energies_keep_their_precision_in_half_precision() -> None:
    torch.manual_seed(0)
    x = 3 * torch.randn(1, 16, 16, 16)
    _, expected = ChannelAttention()(x.bfloat16().float())
    with torch.autocast("cpu", torch.bfloat16):
        _, found = ChannelAttention()(x.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)


def segmenter() -> DualAttentionSegmenter:
    torch.manual_seed(0)
    network = DualAttentionSegmenter(TINY, num_classes=3)
    nn.init.constant_(network.position.scale, 0.3)
    nn.init.constant_(network.channel.scale, 0.2)
    return network


def test_the_block_sits_between_encoder_and_classifier() -> None:
    """Its output is the sum of both branches; finer levels pass it by."""
    network, images = segmenter(), torch.rand(2, 1, 32, 24) * 2 - 1
    assert isinstance(network.encoder, UNetEncoder)
    assert isinstance(network.classifier, UNetClassifier)
    with torch.no_grad():
        found = network(images)
        fine, middle, coarse = network.encoder(images)
        by_position, position = network.position(coarse)
        by_channel, channel = network.channel(coarse)
        torch.testing.assert_close(found.features, by_position + by_channel)
        torch.testing.assert_close(found.position, position)
        torch.testing.assert_close(found.channel, channel)
        expected = network.classifier((fine, middle, by_position + by_channel))
        torch.testing.assert_close(found.logits, expected)


def test_shapes_follow_from_the_slices() -> None:
    found = segmenter()(torch.rand(2, 1, 32, 24) * 2 - 1)
    assert isinstance(found, Segmented)
    assert found.logits.shape == (2, 3, 32, 24)
    assert found.features.shape == (2, 16, 8, 6)
    assert found.position.shape == (2, 1, 48, 48)
    assert found.channel.shape == (2, 1, 16, 16)


@pytest.mark.parametrize("kind", ["position", "channel"])
def test_weights_of_a_map_sum_to_one_over_the_keys(kind: str) -> None:
    attention = getattr(segmenter()(torch.rand(2, 1, 32, 32)), kind)
    torch.testing.assert_close(attention.sum(dim=3), torch.ones_like(attention[..., 0]))
    assert (attention.sum(dim=2) - 1).abs().max() > 0.01  # and not over those that ask


def test_images_of_a_batch_do_not_see_each_other() -> None:
    network, images = segmenter(), torch.rand(4, 1, 32, 32) * 2 - 1
    with torch.no_grad():
        together = network(images)
        for n in range(4):
            alone = network(images[n : n + 1])
            for found, expected in zip(together, alone, strict=True):
                torch.testing.assert_close(found[n : n + 1], expected, atol=1e-5, rtol=1e-5)


def test_losses_of_maps_reach_the_encoder() -> None:
    for kind in ("features", "position", "channel"):
        network = segmenter()
        getattr(network(torch.rand(1, 1, 32, 32)), kind).square().sum().backward()
        assert all(weight.grad is not None for weight in network.encoder.parameters())


def test_the_papers_size_has_its_shapes_and_weights() -> None:
    """U-Net of 64, 128, 256, 512, 512 channels; 240x240 slices leave 15x15 places."""
    backbone = Backbone(name="unet", width=64, levels=5)
    with torch.device("meta"):
        network = DualAttentionSegmenter(backbone, num_classes=4)
        found = network(torch.empty(1, 1, 240, 240))
    assert found.logits.shape == (1, 4, 240, 240)
    assert found.features.shape == (1, 512, 15, 15)
    assert found.position.shape == (1, 1, 225, 225)
    assert found.channel.shape == (1, 1, 512, 512)

    def block(before: int, after: int) -> int:
        return 9 * before * after + 2 * after

    channels = (64, 128, 256, 512, 512)
    encoder = sum(
        block(a, b) + block(b, b) for a, b in zip((1, *channels[:-1]), channels, strict=True)
    )
    classifier = sum(
        block(fine + coarse, fine) + block(fine, fine) for fine, coarse in pairwise(channels)
    )
    attention = 2 * (512 * 64 + 64) + (512 * 512 + 512) + 2
    scores = 64 * 4 + 4
    count = sum(weight.numel() for weight in network.parameters())
    assert count == encoder + classifier + attention + scores
