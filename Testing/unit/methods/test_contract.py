"""What every method keeps, whatever its algorithm."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods import METHODS, build_method
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.training.settings import list_presets, load_preset

TINY = {
    "num_classes": 3,
    "iterations": 4,
    "backbone": {"name": "unet", "width": 4, "levels": 3},
}

TINY_OF = {
    "bigl": {
        "translation_iterations": 4,
        "critic_width": 4,
        "translation": {
            "critic_width": 4,
            "translator": {"name": "unet", "width": 4, "levels": 3},
        },
    },
    "glua": {
        "translation_iterations": 4,
        "critic_width": 4,
        "translator": {"width": 4, "blocks": 1, "style_width": 8},
    },
}
"""What a method needs beyond `TINY` to be tiny."""

OWNERS = {
    "source_only": {"segment": {"segment": {"encoder", "classifier"}}},
    "source_only_augmented": {"segment": {"segment": {"encoder", "classifier"}}},
    "supervised": {"segment": {"segment": {"encoder", "classifier"}}},
    "bigl": {
        "translate": {
            "generators": {"generator_t", "generator_s"},
            "image_critics": {"critic_t", "critic_s"},
        },
        "adapt": {
            "adapt": {"segmenter"},
            "alignment_critics": {
                f"{kind}_critic_{style}"
                for kind in ("feature", "position", "channel")
                for style in ("s", "t")
            },
        },
    },
    "dsan": {
        "adapt": {
            "adapt": {"encoder", "classifier", "classifier_low", "decoder_s", "decoder_t"},
            "image_critics": {"critic_s", "critic_t"},
            "semantic_critics": {"critic_p", "critic_p_low"},
        }
    },
    "glua": {
        "translate": {
            "translate": {"content_encoder", "style_decoder"},
            "domain_critic": {"domain_critic"},
        },
        "adapt": {
            "segment": {"encoder", "classifier"},
            "critics": {"critic_f", "critic_p"},
        },
    },
}
"""Method -> stage -> optimizer -> the networks that its update grades and moves."""


def tiny(name: str) -> dict[str, Any]:
    return {**TINY, **TINY_OF.get(name, {})}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    torch.manual_seed(0)
    return build_method(request.param, tiny(request.param))


def name_of(method: Method) -> str:
    return next(name for name, cls in METHODS.items() if type(method) is cls)


def test_each_update_grades_and_moves_exactly_the_networks_it_owns(
    method: Method, batch: UnpairedBatch, record: Any
) -> None:
    owners = OWNERS[name_of(method)]
    for stage in method.stages():
        update = record(method, stage)
        stage.step(batch, update)
        assert update.moved == owners[stage.name]
        assert update.graded == owners[stage.name]


def test_every_weight_is_trainable_after_a_step(
    method: Method, batch: UnpairedBatch, record: Any
) -> None:
    for stage in method.stages():
        stage.step(batch, record(method, stage))
    assert all(weight.requires_grad for weight in method.parameters())


def test_every_weight_is_owned_and_by_no_two_optimizers_of_one_stage(method: Method) -> None:
    names = {id(weight): name for name, weight in method.named_parameters()}
    owned: set[str] = set()
    for stage in method.stages():
        of_stage = [
            names[id(weight)]
            for optimizer in stage.optimizers.values()
            for group in optimizer.param_groups
            for weight in group["params"]
        ]
        assert len(of_stage) == len(set(of_stage))
        owned |= set(of_stage)
    assert owned == set(names.values())


def test_losses_are_finite_scalars_without_graphs(
    method: Method, batch: UnpairedBatch, record: Any
) -> None:
    for stage in method.stages():
        losses = stage.step(batch, record(method, stage))
        assert losses
        for loss in losses.values():
            assert loss.shape == ()
            assert torch.isfinite(loss)
            assert not loss.requires_grad


def test_predictions_are_probabilities(method: Method, batch: UnpairedBatch) -> None:
    probabilities = method.eval().predict(batch.x_t)
    assert probabilities.shape == (2, 3, 32, 32)
    assert (probabilities >= 0).all()
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, 32, 32))


def test_prediction_needs_only_the_deployed_networks(method: Method, batch: UnpairedBatch) -> None:
    method.eval()
    expected = method.predict(batch.x_t)
    for name, _ in list(method.named_children()):
        if name not in method.deployed:
            delattr(method, name)
    torch.testing.assert_close(method.predict(batch.x_t), expected)


def test_training_twice_with_one_seed_gives_the_same_weights(
    batch: UnpairedBatch, record: Any
) -> None:
    for name in METHODS:
        weights = []
        for _ in range(2):
            torch.manual_seed(3)
            method = build_method(name, tiny(name))
            for stage in method.stages():
                for _ in range(2):
                    stage.step(batch, record(method, stage))
            weights.append(torch.cat([weight.flatten() for weight in method.parameters()]))
        assert torch.equal(*weights)


@pytest.mark.parametrize("name", METHODS)
def test_settings_survive_json(name: str) -> None:
    config = METHODS[name].config_class()
    assert from_dict(type(config), to_dict(config), name) == config


@pytest.mark.parametrize("name", METHODS)
def test_every_preset_can_be_read(name: str) -> None:
    presets = list_presets(name)
    assert "quick" in presets
    for preset in presets:
        assert load_preset(name, preset, TASKS["cardiac"]).method.num_classes == 5


def test_an_unknown_method_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dsan'"):
        build_method("dasn", {})


def test_an_unknown_setting_comes_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'lambda_rec'"):
        build_method("dsan", {"lambda_recc": 1.0})
