"""What holds for every method as it is built: seeds, names, and what previews are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods import METHODS, build_method
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.training.settings import load_preset

TINY = (
    "method.iterations=4",
    "method.backbone.width=4",
    "method.backbone.levels=3",
)
TINY_OF = {
    "bigl": (
        "method.translation_iterations=4",
        "method.critic_width=4",
        "method.translation.critic_width=4",
        "method.translation.translator.width=4",
    ),
    "dsan": ("method.critic_width=4",),
    "glua": (
        "method.translation_iterations=4",
        "method.critic_width=4",
        "method.translator.width=4",
        "method.translator.blocks=1",
        "method.translator.style_width=8",
    ),
}
TRANSLATING = ("bigl", "dsan", "glua")


def settings_of(name: str) -> dict[str, Any]:
    overrides = (*TINY, *TINY_OF.get(name, ()))
    settings: dict[str, Any] = to_dict(
        load_preset(name, "quick", TASKS["whole_tumour"], overrides).method
    )
    return settings


def build(name: str, seed: int) -> Method:
    torch.manual_seed(seed)
    return build_method(name, settings_of(name))


@pytest.mark.parametrize("name", METHODS)
def test_one_seed_gives_one_set_of_weights(name: str) -> None:
    first, second, other = build(name, 5).state_dict(), build(name, 5).state_dict(), build(name, 6)
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], value) for key, value in other.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_stages_can_be_asked_for_again_without_changing_a_weight(name: str) -> None:
    method = build(name, 0)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    first, second = method.stages(), method.stages()
    assert [(s.name, s.iterations) for s in first] == [(s.name, s.iterations) for s in second]
    assert all(torch.equal(before[key], value) for key, value in method.state_dict().items())


@pytest.mark.parametrize("name", METHODS)
def test_stages_have_names_of_their_own_and_optimizers_in_the_order_of_their_use(
    name: str, batch: UnpairedBatch
) -> None:
    two_classes = UnpairedBatch(x_s=batch.x_s, y_s=batch.y_s.clamp(max=1), x_t=batch.x_t)
    method = build(name, 0)
    stages = method.stages()
    assert len({stage.name for stage in stages}) == len(stages)
    for stage in stages:
        used: list[str] = []
        stage.step(two_classes, lambda optimizer, _loss, used=used: used.append(optimizer))
        assert used == list(stage.optimizers)
        assert set(stage.schedules) <= set(stage.optimizers)


@pytest.mark.parametrize("name", METHODS)
def test_translations_have_the_glossarys_names_and_the_slices_form(
    name: str, batch: UnpairedBatch
) -> None:
    images = build(name, 0).eval().translate(batch.x_s, batch.x_t)
    assert set(images) == ({"x_st", "x_ts"} if name in TRANSLATING else set())
    for image in images.values():
        assert image.shape == batch.x_s.shape
        assert image.abs().max() <= 1


@pytest.mark.parametrize("name", METHODS)
def test_deployed_networks_exist_and_are_not_all_there_is(name: str) -> None:
    method = build(name, 0)
    networks = {child for child, _ in method.named_children()}
    assert set(method.deployed) <= networks
    assert (set(method.deployed) < networks) == (name in TRANSLATING)


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_of_the_slices_size_and_need_deployed_networks_alone(
    name: str, batch: UnpairedBatch
) -> None:
    method = build(name, 0).eval()
    for child, _ in list(method.named_children()):
        if child not in method.deployed:
            delattr(method, child)
    maps = method.maps(batch.x_t)
    assert set(maps) == ({"feature_mask"} if name == "glua" else set())
    assert all(each.shape == batch.x_t.shape for each in maps.values())
