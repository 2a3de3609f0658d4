"""The engine's part of the contract: how an update is done, averaging, deployed networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.training.engine import Engine
from CrossModalSegLib.training.settings import TrainingSettings

TINY = {"num_classes": 3, "iterations": 4, "backbone": {"name": "unet", "width": 4, "levels": 3}}


def make_engine(method: str = "source_only", **settings: Any) -> Engine:
    torch.manual_seed(0)
    return Engine(
        build_method(method, TINY), TrainingSettings(precision="32-true", **settings), "cpu"
    )


@pytest.fixture
def batch() -> UnpairedBatch:
    generator = torch.Generator().manual_seed(1)
    return UnpairedBatch(
        x_s=torch.rand(2, 1, 16, 16, generator=generator) * 2 - 1,
        y_s=torch.randint(0, 3, (2, 16, 16), generator=generator),
        x_t=torch.rand(2, 1, 16, 16, generator=generator) * 2 - 1,
    )


def weights(engine: Engine) -> torch.Tensor:
    return torch.cat([w.flatten() for w in engine.networks["encoder"].parameters()]).detach()


def test_an_iteration_is_the_methods_step_with_plain_optimizer_steps(batch: UnpairedBatch) -> None:
    engine = make_engine()
    torch.manual_seed(0)
    reference = build_method("source_only", TINY)
    (stage,) = reference.stages()

    def update(optimizer: str, loss: torch.Tensor) -> None:
        stage.optimizers[optimizer].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        stage.optimizers[optimizer].step()

    for _ in range(2):
        engine.run_iteration(batch)
        stage.step(batch, update)
        stage.schedules["segment"].step()
    expected = torch.cat([w.flatten() for w in reference.encoder.parameters()]).detach()  # type: ignore[union-attr]
    assert torch.equal(weights(engine), expected)


def test_an_unknown_optimizer_is_named() -> None:
    engine = make_engine()
    with pytest.raises(RunError, match=r"updates 'translate'.*segment"):
        engine.update("translate", torch.zeros((), requires_grad=True))


def test_gradients_are_clipped_to_the_limit(batch: UnpairedBatch) -> None:
    engine = make_engine(gradient_clip=1e-3)
    engine.run_iteration(batch)
    gradients = [w.grad for n in engine.networks.values() for w in n.parameters()]
    norm = torch.cat([g.flatten() for g in gradients if g is not None]).norm()
    assert norm <= 1.01e-3


def test_without_averaging_the_present_weights_are_deployed(batch: UnpairedBatch) -> None:
    engine = make_engine()
    engine.run_iteration(batch)
    deployed = engine.deployed_model().encoder.parameters()  # type: ignore[union-attr]
    assert torch.equal(torch.cat([w.flatten() for w in deployed]), weights(engine))


def test_averaged_weights_follow_the_moving_average(batch: UnpairedBatch) -> None:
    engine = make_engine(averaging=0.5)
    expected = weights(engine).clone()
    for step in range(1, 4):
        engine.run_iteration(batch)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights(engine)
    deployed = engine.deployed_model().encoder.parameters()  # type: ignore[union-attr]
    torch.testing.assert_close(torch.cat([w.flatten() for w in deployed]), expected)


def test_only_deployed_networks_are_kept_for_prediction(batch: UnpairedBatch) -> None:
    engine = make_engine("dsan")
    assert {n for n, _ in engine.deployed_model().named_children()} == {"encoder", "classifier"}
    assert engine.deployed_model().predict(batch.x_t).shape == (2, 3, 16, 16)


def test_stages_follow_one_another_and_end() -> None:
    settings = {**TINY, "warm_up_iterations": 1}
    engine = Engine(build_method("dsan", settings), TrainingSettings(precision="32-true"), "cpu")
    assert engine.total_steps == 4
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(2, 1, 32, 32, generator=generator) * 2 - 1
    labels = torch.randint(0, 3, (2, 32, 32), generator=generator)
    names = []
    while not engine.is_finished:
        engine.run_iteration(UnpairedBatch(x_s=images, y_s=labels, x_t=-images))
        names.append(engine.stage.name)
    assert names == ["warm_up", "adapt", "adapt", "adapt"]
    assert engine.step_count == 4


def test_a_stage_that_only_translates_moves_nothing_that_is_deployed(batch: UnpairedBatch) -> None:
    torch.manual_seed(0)
    settings = {
        **TINY,
        "iterations": 1,
        "translation_iterations": 1,
        "style_transfer": "cyclegan",
        "output_adversarial": False,
        "cyclegan": {"translator": {"name": "unet", "width": 2, "levels": 2}, "critic_width": 2},
    }
    engine = Engine(build_method("glua", settings), TrainingSettings(precision="32-true"), "cpu")
    assert [stage.name for stage in engine.stages] == ["translate", "adapt"]
    assert not engine.trains_deployed
    engine.run_iteration(batch)
    assert not engine.trains_deployed
    engine.run_iteration(batch)
    assert engine.trains_deployed
