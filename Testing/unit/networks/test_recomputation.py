"""Networks that forget their activations learn the same, to the bit, in less memory."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from CrossModalSegLib.networks.recomputation import recompute_activations
from CrossModalSegLib.networks.unet import UNetClassifier, UNetEncoder


class Segmenter(nn.Module):
    """A small U-Net in one network."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = UNetEncoder(4, 3)
        self.classifier = UNetClassifier(self.encoder.channels, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.encoder(images))
        return logits


def kept_bytes(network: nn.Module, images: Tensor) -> int:
    """Return what the graph of one pass keeps, beside the weights."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = network(images)
    weights = {weight.data_ptr() for weight in network.parameters()}
    del output
    return sum(size for address, size in kept.items() if address not in weights)


def gradients(network: nn.Module, images: Tensor) -> list[Tensor]:
    network.zero_grad()
    network(images).square().sum().backward()
    return [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]


def test_gradients_are_the_same_to_the_bit_and_memory_is_less() -> None:
    torch.manual_seed(0)
    plain, images = Segmenter(), torch.rand(2, 1, 32, 32)
    forgetful = copy.deepcopy(plain)
    recompute_activations(forgetful)
    expected = gradients(plain, images)
    assert len(expected) == len(list(plain.parameters()))
    assert all(map(torch.equal, gradients(forgetful, images), expected))
    assert kept_bytes(forgetful, images) < 0.1 * kept_bytes(plain, images)
    assert list(forgetful.state_dict()) == list(plain.state_dict())


def test_batch_statistics_are_not_taken_twice() -> None:
    """Such networks are left as they are."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), norm)
    recompute_activations(network)
    gradients(network, torch.rand(4, 1, 8, 8))
    assert norm.num_batches_tracked == 1


def test_a_frozen_pass_may_be_thawed_before_the_way_back() -> None:
    """Critics are frozen while they are fooled, and may learn again before the others do."""
    torch.manual_seed(0)
    critic = Segmenter()
    recompute_activations(critic)
    images = torch.rand(1, 1, 16, 16, requires_grad=True)
    critic.requires_grad_(requires_grad=False)
    loss = critic(images).sum()
    critic.requires_grad_(requires_grad=True)
    loss.backward()
    assert images.grad is not None
    assert all(weight.grad is None for weight in critic.parameters())


def test_without_gradients_nothing_is_kept() -> None:
    network = Segmenter()
    recompute_activations(network)
    with torch.no_grad():
        assert not network(torch.rand(1, 1, 16, 16)).requires_grad
