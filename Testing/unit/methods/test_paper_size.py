"""The papers' networks on the papers' slices: a real step of each stage, and what a batch needs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, MutableMapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.methods.base import Stage
from CrossModalSegLib.networks.adain_translator import DomainDiscriminator
from CrossModalSegLib.networks.devices import is_bf16_fast
from CrossModalSegLib.networks.recomputation import recompute_activations
from CrossModalSegLib.training.preset_files import task_of_preset
from CrossModalSegLib.training.settings import load_preset

MEMORY_GIB = 12.0
"""What a step at the paper's batch and size may need."""

SIZES = {
    ("bigl", "paper_cardiac"): (256, 256),
    ("dsan", "paper_cardiac"): (256, 256),
    ("glua", "paper_cardiac"): (256, 256),  # GLUA, Sec. IV.A.2
    ("glua", "paper_abdomen"): (512, 512),  # GLUA, Sec. IV.A.2
}
"""Rows and columns; the tumours' are the same with 240x240 (BiGL, Sec. 4.1)."""

STEPS = [
    ("bigl", "paper_cardiac", "translate"),
    ("bigl", "paper_cardiac", "adapt"),
    ("dsan", "paper_cardiac", "adapt"),
    ("glua", "paper_cardiac", "translate"),
    ("glua", "paper_cardiac", "adapt"),
]


def batch_of(count: int, size: tuple[int, int], num_classes: int) -> UnpairedBatch:
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(count, *size, dtype=torch.long)
    rows = size[0] // num_classes
    for value in range(1, num_classes):
        labels[:, value * rows : (value + 1) * rows] = value
    x_s, x_t = (torch.rand(count, 1, *size, generator=generator) * 2 - 1 for _ in range(2))
    return UnpairedBatch(x_s=x_s, y_s=labels, x_t=x_t)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset", "stage"), STEPS)
def test_a_step_of_one_full_size_slice_moves_every_network_of_its_stage(
    name: str, preset: str, stage: str
) -> None:
    torch.manual_seed(0)
    loaded = load_preset(name, preset, TASKS[task_of_preset(preset) or ""])
    method = build_method(name, to_dict(loaded.method))
    (chosen,) = [entry for entry in method.stages() if entry.name == stage]
    size, classes = SIZES[name, preset], method.config.num_classes
    batch = batch_of(1, size, classes)
    moved: dict[str, bool] = {}

    def update(optimizer: str, loss: Tensor) -> None:
        player = chosen.optimizers[optimizer]
        weights = [weight for group in player.param_groups for weight in group["params"]]
        before = [weight.detach().flatten()[:9].clone() for weight in weights]
        step_optimizer(chosen, optimizer, loss)
        moved[optimizer] = all(
            not torch.equal(weight.detach().flatten()[:9], old)
            for weight, old in zip(weights, before, strict=True)
            if weight.dim() > 1
        )

    fast = is_bf16_fast("cpu")
    with torch.autocast("cpu", torch.bfloat16) if fast else nullcontext():
        losses = chosen.step(batch, update)
    assert moved == dict.fromkeys(chosen.optimizers, True)
    assert all(torch.isfinite(loss) for loss in losses.values())
    if stage == "adapt":
        with torch.no_grad():
            probabilities = method.eval().predict(batch.x_t)
        assert probabilities.shape == (1, classes, *size)
        torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(1, *size))


@pytest.fixture
def without_choosing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let GLUA's critic of images return one branch: which one does not matter to memory.

    Tensors without content cannot choose.
    """

    def first_branch(self: DomainDiscriminator, images: Tensor, _domains: Tensor) -> Tensor:
        scores: Tensor = self.branches(self.body(images))
        return scores[:, :1]

    monkeypatch.setattr(DomainDiscriminator, "forward", first_branch)


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that live, whether or not they have content.

    Attributes:
        live: Now.
        peak: The most so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._known: MutableMapping[object, int] = WeakIdKeyDictionary()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, result)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = self._known[storage] = storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.live -= size


def test_live_memory_is_counted_by_hand() -> None:
    """Two matrices of 1 MiB, their product, and nothing once they are gone."""
    with FakeTensorMode(), LiveMemory() as memory:
        first, second = torch.empty(512, 512), torch.empty(512, 512)
        product = first * second
        view = product[:2]
        assert memory.live == memory.peak == 3 * 2**20
        del first, second, product
        assert memory.live == 2**20
        del view
        assert (memory.live, memory.peak) == (0, 3 * 2**20)


@pytest.mark.usefixtures("without_choosing")
@pytest.mark.parametrize(("name", "preset"), SIZES)
def test_a_step_of_the_papers_batch_needs_less_than_twelve_gigabytes(
    name: str, preset: str
) -> None:
    """In bfloat16, as GPUs that have it train; on tensors that have sizes but no content."""
    changes = ("method.class_weights=none",) if name == "dsan" else ()  # counting needs content
    loaded = load_preset(name, preset, TASKS[task_of_preset(preset) or ""], changes)
    (rows, columns), count = SIZES[name, preset], loaded.training.batch_size
    peaks: dict[str, float] = {}
    with FakeTensorMode(), LiveMemory() as memory:
        method = build_method(name, to_dict(loaded.method))
        if loaded.training.recompute:
            for network in method.children():
                recompute_activations(network)
        x_s, x_t = torch.zeros(count, 1, rows, columns), torch.zeros(count, 1, rows, columns)
        labels = torch.zeros(count, rows, columns, dtype=torch.long)
        batch = UnpairedBatch(x_s=x_s, y_s=labels, x_t=x_t)
        for stage in method.stages():
            memory.peak = memory.live
            with torch.autocast("cpu", torch.bfloat16):
                stage.step(batch, partial(step_optimizer, stage))
            peaks[stage.name] = memory.peak / 2**30
        assert method.predict(x_t).shape == (count, method.config.num_classes, rows, columns)
        images = method.translate(x_s, x_t)
        shapes = {key: tuple(image.shape) for key, image in images.items()}
    assert shapes == dict.fromkeys(("x_st", "x_ts"), (count, 1, rows, columns))
    assert set(peaks) == ({"adapt"} if name == "dsan" else {"translate", "adapt"})
    assert all(0.5 < gib < MEMORY_GIB for gib in peaks.values()), peaks


def step_optimizer(stage: Stage, optimizer: str, loss: Tensor) -> None:
    stage.optimizers[optimizer].zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    stage.optimizers[optimizer].step()
