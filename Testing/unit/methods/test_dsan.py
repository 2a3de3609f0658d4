"""DSAN against the paper: its numbers, its pairs, and one step done by hand."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

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
    assert config.appearance.is_identity


def test_one_step_equals_the_step_written_out(batch: UnpairedBatch, record: Any) -> None:
    """Eq. 12 and the critics' objectives by hand, on the same initial weights.

    Gradients are compared, not weights: Adam's first step hardly depends on a gradient's size.
    """
    method = dsan()
    reference = copy.deepcopy(method)
    _, update = step(method, batch, record)
    for optimizer, expected in by_hand(reference, batch).items():
        for name, gradient in update.gradients[optimizer].items():
            torch.testing.assert_close(gradient, expected[name], msg=f"{optimizer}: {name}")


def by_hand(m: DSAN, batch: UnpairedBatch) -> dict[str, dict[str, torch.Tensor]]:
    """Return the gradients of one iteration with the losses spelled out image by image."""
    x_s, y_s, x_t = batch.x_s, batch.y_s, batch.x_t

    def one(scores: torch.Tensor) -> torch.Tensor:
        return ((scores - 1) ** 2).mean()

    def apart(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        return 0.5 * (one(positive) + (negative**2).mean())

    def levels(x: torch.Tensor) -> list[torch.Tensor]:
        z = m.encoder(x)
        return [m.classifier(z).softmax(1), m.classifier_low(z).softmax(1)]

    def supervised(p: torch.Tensor) -> torch.Tensor:
        counts = torch.stack([(y_s == c).sum() for c in range(3)]).float()
        weights = counts.sum() / (3 * counts)
        picked = p.gather(1, y_s[:, None])[:, 0]
        w = weights[y_s]
        cross_entropy = (w * -picked.log()).sum() / w.sum()
        truth = F.one_hot(y_s, 3).movedim(-1, 1).float()
        dice = (2 * (p * truth).sum((0, 2, 3)) + 1) / ((p + truth).sum((0, 2, 3)) + 1)
        return cross_entropy + 1 - dice[1:].mean()

    assert m.decoder_s is not None
    x_st, x_ts = m.decoder_t(m.encoder(x_s)), m.decoder_s(m.encoder(x_t))
    rec = (m.decoder_t(m.encoder(x_t)) - x_t).abs().mean()
    rec = rec + (m.decoder_s(m.encoder(x_s)) - x_s).abs().mean()
    adv = one(m.critic_t(x_st)) + one(m.critic_s(x_ts))
    st, ts = x_st.detach(), x_ts.detach()
    p_s, p_st, p_t, p_ts = levels(x_s), levels(st), levels(x_t), levels(ts)
    seg = sum(w * (supervised(p_s[i]) + supervised(p_st[i])) for i, w in enumerate((1.0, 0.1)))
    critics = (m.critic_p, m.critic_p_low)
    secadv = sum(
        w * (one(critics[i](p_t[i])) + one(critics[i](p_ts[i]))) for i, w in enumerate((1.0, 0.1))
    )
    critic_images = apart(m.critic_t(x_t), m.critic_t(st)) + apart(m.critic_s(x_s), m.critic_s(ts))
    critic_semantics = sum(
        apart(critic(p_s[i].detach()), critic(p_t[i].detach()))
        + apart(critic(p_st[i].detach()), critic(p_ts[i].detach()))
        for i, critic in enumerate(critics)
    )
    losses = {
        "adapt": rec + 0.01 * adv + seg + 0.1 * secadv,
        "image_critics": critic_images,
        "semantic_critics": critic_semantics,
    }
    gradients = {}
    for optimizer, loss in losses.items():
        m.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)
        gradients[optimizer] = {n: w.grad for n, w in m.named_parameters() if w.grad is not None}
    return gradients


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("source_segmentation", {"seg_s"}),
        ("translated_segmentation", {"seg_st"}),
        ("semantic_adversarial", {"secadv", "secadv_generated", "critic_p"}),
        ("source_generation", {"rec_s", "adv_s", "critic_s", "secadv_generated"}),
        ("target_generation", {"rec_t", "adv_t", "critic_t"}),
    ],
)
def test_each_switch_of_table_iv_removes_its_terms(
    switch: str, gone: set[str], batch: UnpairedBatch, record: Any
) -> None:
    complete, _ = step(dsan(), batch, record)
    ablated, _ = step(dsan(**{switch: False}), batch, record)
    assert set(complete) - set(ablated) == gone


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
    logits = method._segment(batch, {"x_st": batch.x_s, "x_ts": batch.x_t})
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
