"""DSAN against the paper: its numbers, its networks, its switches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.data.augmentation import AppearanceAugmentation
from CrossModalSegLib.methods.dsan import DSAN
from CrossModalSegLib.methods.dsan_config import DSANConfig
from CrossModalSegLib.networks.backbones import Backbone

TINY = DSANConfig(
    num_classes=3,
    iterations=4,
    backbone=Backbone(name="unet", width=4, levels=3),
    critic_width=4,
)


def dsan(**changes: Any) -> DSAN:
    torch.manual_seed(0)
    return DSAN(replace(TINY, **changes))


def step(method: DSAN, batch: UnpairedBatch, record: Any) -> tuple[dict[str, torch.Tensor], Any]:
    (stage,) = method.stages()
    update = record(method, stage)
    return stage.step(batch, update), update


def test_defaults_are_the_papers() -> None:
    config = DSANConfig()
    assert (config.lambda_rec, config.lambda_adv, config.lambda_gen) == (1.0, 0.01, 1.0)
    assert (config.lambda_seg, config.lambda_secadv) == (1.0, 0.1)
    assert (config.lr_segment, config.lr_decoders) == (2e-4, 1e-3)
    assert (config.lr_image_critics, config.lr_semantic_critics) == (1e-4, 5e-5)
    assert config.iterations == 20_000
    assert config.backbone.name == "deeplab_resnet50"
    assert (config.warm_up_iterations, config.decay_power) == (0, 0.0)
    assert config.critic_p_normalised  # "all of them have the same architecture"
    assert config.appearance.is_identity


@pytest.mark.parametrize(
    ("switches", "gone"),
    [
        (("source_segmentation",), {"seg_s"}),
        (("translated_segmentation",), {"seg_st"}),
        (("semantic_adversarial",), {"secadv", "secadv_generated", "critic_p"}),
        (("source_generation",), {"rec_s", "adv_s", "critic_s", "secadv_generated"}),
        (
            ("target_generation", "translated_segmentation"),
            {"rec_t", "adv_t", "critic_t", "seg_st", "secadv_generated"},
        ),
    ],
)
def test_each_switch_of_table_iv_removes_its_terms(
    switches: tuple[str, ...], gone: set[str], batch: UnpairedBatch, record: Any
) -> None:
    complete, _ = step(dsan(), batch, record)
    ablated, _ = step(dsan(**dict.fromkeys(switches, False)), batch, record)
    assert set(complete) - set(ablated) == gone
    assert set(ablated) <= set(complete)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_generation": False}, "no translated slices"),
        (
            {"source_segmentation": False, "translated_segmentation": False},
            "nothing else teaches the classifiers",
        ),
        ({"warm_up_iterations": -1}, "expected 0 or more"),
        ({"num_classes": 1}, "at least 2 classes"),
    ],
)
def test_rows_that_table_iv_cannot_have_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **changes)


def test_the_first_row_of_table_iv_never_looks_at_the_target(batch: UnpairedBatch) -> None:
    """Not even through the statistics of batch normalisation."""
    off = ("target_generation", "translated_segmentation", "source_generation")
    method = dsan(**dict.fromkeys((*off, "semantic_adversarial"), False))
    seen: list[torch.Tensor] = []
    method.encoder.register_forward_hook(lambda _, images, __: seen.extend(images))
    (stage,) = method.stages()
    assert set(stage.optimizers) == {"adapt"}
    stage.step(batch, lambda _optimizer, loss: loss.backward())
    (image,) = seen
    assert torch.equal(image, batch.x_s)


def test_only_optimizers_that_step_have_a_schedule() -> None:
    """Torch warns of a schedule whose optimizer never steps."""
    off = dict.fromkeys(("target_generation", "translated_segmentation"), False)
    (stage,) = dsan(**off, source_generation=False, semantic_adversarial=False).stages()
    assert set(stage.schedules) == set(stage.optimizers) == {"adapt"}
    (stage,) = dsan(semantic_adversarial=False).stages()
    assert set(stage.optimizers) == {"adapt", "image_critics"}
    (stage,) = dsan(**off, source_generation=False).stages()
    assert set(stage.optimizers) == {"adapt", "semantic_critics"}


def test_every_network_learns_at_the_papers_rate() -> None:
    method = DSAN(replace(TINY, shared_encoder=False, shared_critics=False))
    (stage,) = method.stages()
    rates = {
        id(weight): group["lr"]
        for optimizer in stage.optimizers.values()
        for group in optimizer.param_groups
        for weight in group["params"]
    }
    found = {
        name: {rates[id(weight)] for weight in network.parameters()}
        for name, network in method.named_children()
    }
    assert found == {
        "encoder": {2e-4},
        "translation_encoder": {2e-4},
        "classifier": {2e-4},
        "classifier_low": {2e-4},
        "decoder_s": {1e-3},
        "decoder_t": {1e-3},
        "critic_s": {1e-4},
        "critic_t": {1e-4},
        "critic_p": {5e-5},
        "critic_p_low": {5e-5},
        "critic_p_generated": {5e-5},
        "critic_p_low_generated": {5e-5},
    }


def test_the_networks_of_the_paper_have_its_sizes() -> None:
    """Sec. III.D: DeepLab-ResNet50, decoders of 3 blocks and 3 deconvolutions, 4 convolutions."""
    with torch.device("meta"):
        method = DSAN(DSANConfig())
        x = torch.empty(8, 1, 256, 256)
        z = method.encoder(x)
        assert [tuple(level.shape[1:]) for level in z[-2:]] == [(1024, 32, 32), (2048, 32, 32)]
        assert method.logits(x).shape == (8, 5, 256, 256)
        images = method.translate(x, x)
        assert {name: image.shape for name, image in images.items()} == {
            "x_st": (8, 1, 256, 256),
            "x_ts": (8, 1, 256, 256),
        }
        assert method.critic_t(x).shape == (8, 1, 32, 32)
        assert method.critic_p(method.predict(x)).shape == (8, 1, 32, 32)
    resnet50, head, colours = 25_557_032, 2048 * 1000 + 1000, 2 * 64 * 7 * 7
    blocks = 3 * 2 * (256 * 256 * 9 + 2 * 256)
    deconvolutions = 16 * (256 * 128 + 128 * 64 + 64) + 2 * (128 + 64) + 1
    decoder = 2048 * 256 + 2 * 256 + blocks + deconvolutions
    after_first = 16 * (64 * 128 + 128 * 256) + 3 * (128 + 256) + 256 * 9 + 1
    critic, critic_p = (16 * inputs * 64 + 64 + after_first for inputs in (1, 5))
    assert {name: count(network) for name, network in method.named_children()} == {
        "encoder": resnet50 - head - colours,
        "classifier": 4 * (2048 * 9 * 5 + 5),
        "classifier_low": 4 * (1024 * 9 * 5 + 5),
        "decoder_t": decoder,
        "decoder_s": decoder,
        "critic_t": critic,
        "critic_s": critic,
        "critic_p": critic_p,
        "critic_p_low": critic_p,
    }


def count(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_shared_decoders_are_one_network(batch: UnpairedBatch) -> None:
    method = dsan(shared_decoders=True)
    assert method.decoder_s is None
    images = method.translate(batch.x_s, batch.x_s)
    torch.testing.assert_close(images["x_st"], images["x_ts"])


def test_an_unshared_encoder_keeps_translation_away_from_segmentation(
    batch: UnpairedBatch, record: Any
) -> None:
    method = dsan(shared_encoder=False, lambda_seg=0.0, lambda_secadv=0.0)
    _, update = step(method, batch, record)
    assert update.moved["adapt"] == {"translation_encoder", "decoder_s", "decoder_t"}
    assert "encoder" in method.deployed
    assert "translation_encoder" not in method.deployed


def test_unshared_critics_judge_generated_predictions_apart(
    batch: UnpairedBatch, record: Any
) -> None:
    _, update = step(dsan(shared_critics=False), batch, record)
    assert update.moved["semantic_critics"] == {
        "critic_p",
        "critic_p_low",
        "critic_p_generated",
        "critic_p_low_generated",
    }


@pytest.mark.parametrize("reaches", [True, False])
def test_segmentation_reaches_the_decoders_only_if_asked(
    *, reaches: bool, batch: UnpairedBatch, record: Any
) -> None:
    method = dsan(segmentation_reaches_decoders=reaches, lambda_gen=0.0)
    _, update = step(method, batch, record)
    gradients = [w.grad for w in method.decoder_t.parameters() if w.grad is not None]
    moved = {"decoder_s", "decoder_t"} <= update.moved["adapt"]
    assert moved is reaches, gradients


def test_the_semantic_losses_set_in_after_the_warm_up(batch: UnpairedBatch, record: Any) -> None:
    warm_up, adapt = dsan(warm_up_iterations=1).stages()
    assert (warm_up.name, warm_up.iterations) == ("warm_up", 1)
    assert (adapt.name, adapt.iterations) == ("adapt", 3)
    method = dsan(warm_up_iterations=1)
    first, second = method.stages()
    assert "secadv" not in first.step(batch, record(method, first))
    assert "secadv" in second.step(batch, record(method, second))


def test_the_random_changes_do_not_depend_on_the_order_of_sets(batch: UnpairedBatch) -> None:
    """Strings hash differently in every process; a resumed run must draw the same all the same."""
    appearance = AppearanceAugmentation(brightness=0.5)
    method = dsan(appearance=appearance)
    torch.manual_seed(7)
    images = {"x_st": batch.x_s, "x_ts": batch.x_t}
    logits = method._segment(batch, images, with_semantics=True)
    torch.manual_seed(7)
    first, second = appearance(batch.x_s), appearance(batch.x_s)
    for view, image in {"s": first, "st": second, "t": batch.x_t}.items():
        torch.testing.assert_close(logits[view][0], method.logits(image))


def test_the_gradient_passes_through_the_random_changes_if_asked(
    batch: UnpairedBatch, record: Any
) -> None:
    method = dsan(
        segmentation_reaches_decoders=True,
        lambda_gen=0.0,
        lambda_secadv=0.0,
        appearance=AppearanceAugmentation(brightness=0.5),
    )
    _, update = step(method, batch, record)
    assert "decoder_t" in update.moved["adapt"]
