"""The style transfer of GLUA against its tables, hand numbers and a second implementation."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.networks.adain_translator import (
    EPSILON,
    SOURCE,
    TARGET,
    ContentEncoder,
    DomainDiscriminator,
    StyleDecoder,
    StyleNetwork,
    adaptive_instance_normalisation,
)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def randomised(network: nn.Module) -> nn.Module:
    """Draw every weight anew, so that no style is near the identity."""
    torch.manual_seed(1)
    for weight in network.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    return network


def test_adain_gives_hand_numbers() -> None:
    x = torch.tensor([[[[1.0, 2.0, 3.0, 6.0]]]])  # mean 3, variance (4 + 1 + 0 + 9) / 4 = 3.5
    found = adaptive_instance_normalisation(x, torch.tensor([[2.0]]), torch.tensor([[-1.0]]))
    steps = [-2 / math.sqrt(3.5), -1 / math.sqrt(3.5), 0.0, 3 / math.sqrt(3.5)]
    expected = torch.tensor([[[[2 * step - 1 for step in steps]]]])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_adain_equals_loops_over_images_and_channels() -> None:
    torch.manual_seed(0)
    x, scale, shift = torch.randn(3, 4, 5, 7) * 3 + 2, torch.randn(3, 4), torch.randn(3, 4)
    found = adaptive_instance_normalisation(x, scale, shift)
    for n, c in product(range(3), range(4)):
        values = x[n, c].double()
        mean = values.sum() / 35
        deviation = math.sqrt(float(((values - mean) ** 2).sum() / 35) + EPSILON)
        expected = scale[n, c] * (values - mean) / deviation + shift[n, c]
        torch.testing.assert_close(found[n, c].double(), expected, atol=1e-5, rtol=1e-5)


def test_one_style_for_all_images_is_instance_normalisation_with_its_affine_map() -> None:
    torch.manual_seed(0)
    x, scale, shift = torch.randn(3, 4, 6, 6), torch.randn(4), torch.randn(4)
    found = adaptive_instance_normalisation(x, scale.expand(3, 4), shift.expand(3, 4))
    torch.testing.assert_close(found, F.instance_norm(x, weight=scale, bias=shift))


def test_statistics_keep_their_precision_in_half_precision() -> None:
    """Sums of a bfloat16 image would be off by whole units."""
    torch.manual_seed(0)
    x = (torch.randn(1, 1, 64, 64) + 8).bfloat16()
    ones, zeros = torch.ones(1, 1), torch.zeros(1, 1)
    found = adaptive_instance_normalisation(x, ones, zeros).float()
    expected = adaptive_instance_normalisation(x.float(), ones, zeros)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_the_mlp_hands_out_scales_before_shifts_layer_by_layer() -> None:
    network = StyleNetwork((2, 1), width=3)
    last = network.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.copy_(torch.arange(6.0))
    (first, second) = network(torch.tensor([SOURCE, TARGET]))
    assert first[0].tolist() == [[0.0, 1.0]] * 2
    assert first[1].tolist() == [[2.0, 3.0]] * 2
    assert (second[0].tolist(), second[1].tolist()) == ([[4.0]] * 2, [[5.0]] * 2)


def test_styles_begin_near_the_identity_and_differ_between_domains() -> None:
    torch.manual_seed(0)
    for scale, shift in StyleNetwork((64, 128), width=256)(torch.tensor([SOURCE, TARGET])):
        assert (scale - 1).abs().max() < 0.5
        assert shift.abs().max() < 0.5
        assert not torch.equal(scale[0], scale[1])


def test_paper_size_shapes_are_those_of_the_tables() -> None:
    with torch.device("meta"):
        images, domains = torch.empty(8, 1, 256, 256), torch.zeros(8, dtype=torch.long)
        content = ContentEncoder()(images, domains)
        assert content.shape == (8, 256, 64, 64)
        assert StyleDecoder()(content, domains).shape == (8, 1, 256, 256)
        style_e, style_d = ContentEncoder().style(domains), StyleDecoder().style(domains)
    assert [scale.shape[1] for scale, _ in style_e] == [64, 128, 256, 256, 256, 256, 256]
    assert [shift.shape[1] for _, shift in style_d] == [256, 256, 256, 256, 128, 64]


def test_paper_size_scores_lose_a_pixel_at_each_of_the_last_two_convolutions() -> None:
    critic = DomainDiscriminator(width=1)  # the width changes no size
    scores = critic(torch.rand(2, 1, 256, 256), torch.tensor([SOURCE, TARGET]))
    assert scores.shape == (2, 1, 256 // 8 - 2, 256 // 8 - 2)


def test_the_numbers_of_weights_are_those_of_the_tables() -> None:
    def mlp(n_s: int) -> int:
        return (2 + 1) * 256 + (256 + 1) * 256 + (256 + 1) * n_s

    table_iv = 49 * 64 + 9 * 64 * 128 + 9 * 128 * 256 + 4 * 9 * 256 * 256
    table_vi = 4 * 9 * 256 * 256 + 9 * 256 * 128 + 9 * 128 * 64 + 49 * 64 + 1
    norms = 2 * (128 + 256 + 512)
    body = (16 + 1) * 64 + 16 * (64 * 128 + 128 * 256 + 256 * 512) + norms
    with torch.device("meta"):
        assert count(ContentEncoder()) == table_iv + mlp(2 * (64 + 128 + 5 * 256))
        assert count(StyleDecoder()) == table_vi + mlp(2 * (4 * 256 + 128 + 64))
        assert count(DomainDiscriminator()) == body + 2 * (16 * 512 + 1)


def styles(network: StyleNetwork, domain: int) -> list[Tensor]:
    """Return scales and shifts in turn, of one domain."""
    weights = dict(network.named_parameters())
    h = torch.eye(2)[domain]
    for layer in (0, 2):
        h = (weights[f"layers.{layer}.weight"] @ h + weights[f"layers.{layer}.bias"]).clamp(min=0)
    n_s = weights["layers.4.weight"] @ h + weights["layers.4.bias"]
    parts, start = [], 0
    for channels in network.channels:
        for _ in range(2):
            parts.append(n_s[start : start + channels])
            start += channels
    assert start == len(n_s)
    return parts


def written_out(
    encoder: ContentEncoder, decoder: StyleDecoder, image: Tensor, origin: int, style: int
) -> Tensor:
    """Return G_D(G_E(x, d_i), d_j) of one image, layer by layer from the weights alone."""
    w = dict(encoder.named_parameters())
    todo = styles(encoder.style, origin)

    def layer(x: Tensor) -> Tensor:
        scale, shift = todo.pop(0), todo.pop(0)
        return F.instance_norm(x, weight=scale, bias=shift).clamp(min=0)

    x = layer(F.conv2d(image, w["down.0.weight"], padding=3))
    x = layer(F.conv2d(x, w["down.1.weight"], stride=2, padding=1))
    x = layer(F.conv2d(x, w["down.2.weight"], stride=2, padding=1))
    for block in range(len(encoder.residual)):
        x = x + layer(F.conv2d(x, w[f"residual.{block}.weight"], padding=1))
    assert not todo

    w = dict(decoder.named_parameters())
    todo = styles(decoder.style, style)
    for block in range(len(decoder.residual)):
        x = x + layer(F.conv2d(x, w[f"residual.{block}.weight"], padding=1))
    for step in range(2):
        weight = w[f"up.{step}.weight"]
        x = layer(F.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1))
    assert not todo
    return torch.tanh(F.conv2d(x, w["image.weight"], w["image.bias"], padding=3))


def test_each_image_is_rendered_as_its_own_domains_say() -> None:
    """A batch of both domains against a second implementation, image by image."""
    encoder, decoder = ContentEncoder(4, 2, 6), StyleDecoder(4, 2, 6)
    randomised(encoder)
    randomised(decoder)
    images = torch.rand(4, 1, 16, 24) * 2 - 1
    origins, styles = [SOURCE, TARGET, TARGET, SOURCE], [TARGET, TARGET, SOURCE, SOURCE]
    with torch.no_grad():
        found = decoder(encoder(images, torch.tensor(origins)), torch.tensor(styles))
        assert found.min() < -0.1  # Tanh alone: after a ReLU nothing would be negative
        for n, (origin, style) in enumerate(zip(origins, styles, strict=True)):
            expected = written_out(encoder, decoder, images[n : n + 1], origin, style)
            torch.testing.assert_close(found[n : n + 1], expected, atol=1e-4, rtol=1e-4)


def test_each_image_is_judged_by_the_branch_of_its_domain() -> None:
    critic = DomainDiscriminator(width=2)
    images, domains = torch.rand(3, 1, 32, 32), torch.tensor([TARGET, SOURCE, TARGET])
    scores = critic(images, domains)
    assert scores.shape == (3, 1, 2, 2)
    body, weights = critic.body(images), dict(critic.named_parameters())
    for n, domain in enumerate(domains.tolist()):
        weight, bias = weights["branches.weight"][domain], weights["branches.bias"][domain]
        expected = F.conv2d(body[n : n + 1], weight[None], bias[None], padding=1)
        torch.testing.assert_close(scores[n : n + 1], expected)


def test_a_branch_learns_from_its_own_domain_alone() -> None:
    critic = DomainDiscriminator(width=2)
    critic(torch.rand(2, 1, 32, 32), torch.tensor([TARGET, TARGET])).sum().backward()
    gradient = critic.branches.weight.grad
    assert gradient is not None
    assert not gradient[SOURCE].any()
    assert gradient[TARGET].any()


def test_slices_that_could_not_be_restored_to_their_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"30x32.*multiples of 4"):
        ContentEncoder(2, 1, 2)(torch.zeros(1, 1, 30, 32), torch.tensor([SOURCE]))
