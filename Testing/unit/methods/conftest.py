"""The engine's side of the method contract, recording what each update graded and moved."""

from __future__ import annotations

import copy

import pytest
import torch

from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods.base import Method, Stage


class RecordingUpdate:
    """Steps optimizers as the engine does and remembers which networks each step touched."""

    def __init__(self, method: Method, stage: Stage) -> None:
        self.method, self.stage = method, stage
        self.graded: dict[str, set[str]] = {}
        self.moved: dict[str, set[str]] = {}
        self.gradients: dict[str, dict[str, torch.Tensor]] = {}

    def __call__(self, optimizer: str, loss: torch.Tensor) -> None:
        """Step one optimizer on a loss."""
        before = copy.deepcopy(self.method.state_dict())
        self.method.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.gradients[optimizer] = gradients_of(self.method)
        self.stage.optimizers[optimizer].step()
        self.graded[optimizer] = {network_of(name) for name in self.gradients[optimizer]}
        self.moved[optimizer] = {
            network_of(name)
            for name, value in self.method.state_dict().items()
            if not torch.equal(value, before[name])
        }


def gradients_of(method: Method) -> dict[str, torch.Tensor]:
    """Return a copy of every gradient by the weight's name."""
    return {
        name: weight.grad.clone()
        for name, weight in method.named_parameters()
        if weight.grad is not None
    }


def network_of(parameter: str) -> str:
    """Return the network that a parameter belongs to."""
    return parameter.partition(".")[0]


@pytest.fixture
def record() -> type[RecordingUpdate]:
    """Return the recorder; tests are not importable modules, so it comes as a fixture."""
    return RecordingUpdate


@pytest.fixture
def batch() -> UnpairedBatch:
    """Return two random slices of each domain, 32x32, three classes."""
    generator = torch.Generator().manual_seed(0)
    return UnpairedBatch(
        x_s=torch.rand(2, 1, 32, 32, generator=generator) * 2 - 1,
        y_s=torch.randint(0, 3, (2, 32, 32), generator=generator),
        x_t=torch.rand(2, 1, 32, 32, generator=generator) * 2 - 1,
    )
