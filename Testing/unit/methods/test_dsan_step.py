"""DSAN's iterations against the same written out by hand, for every switch that changes them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods.base import Stage
from CrossModalSegLib.methods.dsan import DSAN
from CrossModalSegLib.methods.dsan_config import DSANConfig
from CrossModalSegLib.networks.backbones import Backbone

ITERATIONS = 2

TINY = DSANConfig(
    num_classes=3,
    iterations=ITERATIONS,
    backbone=Backbone(name="unet", width=4, levels=3),
    critic_width=4,
)

TABLE_IV = {
    "seg_s": {
        "target_generation": False,
        "translated_segmentation": False,
        "source_generation": False,
        "semantic_adversarial": False,
    },
    "gen_t + seg_st": {
        "source_generation": False,
        "source_segmentation": False,
        "semantic_adversarial": False,
    },
    "gen_t + seg_st + gen_s": {"source_segmentation": False, "semantic_adversarial": False},
    "gen_t + seg_st + gen_s + seg_s": {"semantic_adversarial": False},
    "all": {},
}
"""The rows of Table IV, as settings."""

TABLE_V = {
    "shared decoders": {"shared_decoders": True},
    "unshared encoders": {"shared_encoder": False},
    "unshared discriminators": {"shared_critics": False},
}
"""The rows of Table V, as settings."""

READINGS: dict[str, dict[str, Any]] = {
    "cross-entropy": {"adversarial": "cross_entropy"},
    "critics see logits": {"critic_p_input": "logits"},
    "critics of predictions do not normalise": {"critic_p_normalised": False},
    "gradients reach the decoders": {"segmentation_reaches_decoders": True},
    "semantics without source translation": {"source_generation": False},
    "semantics without translated segmentation": {"translated_segmentation": False},
    "equal classes": {"class_weights": "none"},
    "other weights": {
        "lambda_rec": 3.0,
        "lambda_adv": 0.7,
        "lambda_gen": 0.4,
        "lambda_seg": 2.0,
        "lambda_secadv": 0.9,
        "lambda_low": 0.3,
    },
}


@pytest.fixture(autouse=True)
def double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute losses in double precision too: Adam makes much of tiny gradients' rounding."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)


class Plain:
    """The engine's part, without what engines add."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        chosen = self.stage.optimizers[optimizer]
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()


@pytest.mark.parametrize(
    "changes",
    [pytest.param(c, id=name) for name, c in {**TABLE_IV, **TABLE_V, **READINGS}.items()],
)
def test_the_weights_after_two_iterations_equal_those_of_the_algorithm_written_out(
    changes: dict[str, Any], batch: UnpairedBatch
) -> None:
    torch.manual_seed(0)
    method = DSAN(replace(TINY, **changes)).double()
    by_hand = ByHand(copy.deepcopy(method))
    exact = UnpairedBatch(x_s=batch.x_s.double(), y_s=batch.y_s, x_t=batch.x_t.double())
    before = copy.deepcopy(method.state_dict())

    (stage,) = method.stages()
    for _ in range(ITERATIONS):
        stage.step(exact, Plain(stage))
        by_hand.iterate(exact)
    expected = by_hand.method.state_dict()
    moved = 0
    for name, value in method.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-9, msg=name)
        moved += not torch.equal(value, before[name])
    assert moved > 10


def test_a_warm_up_is_the_same_without_the_semantic_space(batch: UnpairedBatch) -> None:
    torch.manual_seed(0)
    method = DSAN(replace(TINY, warm_up_iterations=1)).double()
    by_hand = ByHand(copy.deepcopy(method))
    exact = UnpairedBatch(x_s=batch.x_s.double(), y_s=batch.y_s, x_t=batch.x_t.double())
    for stage, with_semantics in zip(method.stages(), (False, True), strict=True):
        stage.step(exact, Plain(stage))
        by_hand.iterate(exact, with_semantics=with_semantics)
    expected = by_hand.method.state_dict()
    for name, value in method.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-9, msg=name)


class ByHand:
    """Eqs. 1 to 12 term by term, every network with an Adam of its own, every image by itself."""

    def __init__(self, method: DSAN) -> None:
        self.method = m = method
        config = m.config
        rates = {
            m.encoder: config.lr_segment,
            m.classifier: config.lr_segment,
            m.classifier_low: config.lr_segment,
            m.translation_encoder: config.lr_segment,
            m.decoder_t: config.lr_decoders,
            m.decoder_s: config.lr_decoders,
        }
        self.players = [Adam(n.parameters(), lr=rate) for n, rate in rates.items() if n]
        self.image_critics = [
            Adam(n.parameters(), lr=config.lr_image_critics) for n in (m.critic_t, m.critic_s)
        ]
        judges = (m.critic_p, m.critic_p_low, m.critic_p_generated, m.critic_p_low_generated)
        self.judges = [
            Adam(n.parameters(), lr=config.lr_semantic_critics) for n in judges if n is not None
        ]

    def iterate(self, batch: UnpairedBatch, *, with_semantics: bool = True) -> None:
        """Move E, U and C on Eq. 12, then every critic on its own objective."""
        c = self.method.config
        semantics = with_semantics and c.semantic_adversarial
        images = self.translations(batch)
        predictions = self.predictions(batch, images)
        goal = c.lambda_gen * self.generation(batch, images)
        goal = goal + c.lambda_seg * self.segmentation(batch, predictions)
        if semantics:
            goal = goal + c.lambda_secadv * self.deception(predictions)
        step(self.players, goal, self.method)

        fixed = {name: image.detach() for name, image in images.items()}
        if fixed:
            step(self.image_critics, self.image_judgement(batch, fixed), self.method)
        if semantics:
            seen = {n: [level.detach() for level in levels] for n, levels in predictions.items()}
            step(self.judges, self.semantic_judgement(seen), self.method)

    def translations(self, batch: UnpairedBatch) -> dict[str, Tensor]:
        m, images = self.method, {}
        encoder = m.translation_encoder or m.encoder
        decoder_s = m.decoder_s or m.decoder_t
        if m.config.target_generation:
            images["x_st"] = m.decoder_t(encoder(batch.x_s))
            images["x_tt"] = m.decoder_t(encoder(batch.x_t))
        if m.config.source_generation:
            images["x_ss"] = decoder_s(encoder(batch.x_s))
            images["x_ts"] = decoder_s(encoder(batch.x_t))
        return images

    def predictions(
        self, batch: UnpairedBatch, images: dict[str, Tensor]
    ) -> dict[str, list[Tensor]]:
        m = self.method
        seen = {"s": batch.x_s, "t": batch.x_t}
        for name in ("st", "ts"):
            if f"x_{name}" in images:
                image = images[f"x_{name}"]
                seen[name] = image if m.config.segmentation_reaches_decoders else image.detach()
        found = {}
        for name, image in seen.items():
            z = m.encoder(image)
            found[name] = [m.classifier(z), m.classifier_low(z)]
        return found

    def generation(self, batch: UnpairedBatch, images: dict[str, Tensor]) -> Tensor:
        m, c = self.method, self.method.config
        loss = torch.zeros((), dtype=torch.float64)
        if c.target_generation:
            loss = loss + c.lambda_rec * (images["x_tt"] - batch.x_t).abs().mean()
            loss = loss + c.lambda_adv * self.positive(m.critic_t(images["x_st"]))
        if c.source_generation:
            loss = loss + c.lambda_rec * (images["x_ss"] - batch.x_s).abs().mean()
            loss = loss + c.lambda_adv * self.positive(m.critic_s(images["x_ts"]))
        return loss

    def segmentation(self, batch: UnpairedBatch, predictions: dict[str, list[Tensor]]) -> Tensor:
        c = self.method.config
        used = [("s", c.source_segmentation), ("st", c.translated_segmentation)]
        loss = torch.zeros((), dtype=torch.float64)
        for name in [name for name, is_used in used if is_used]:
            main, low = predictions[name]
            loss = loss + self.supervised(main, batch.y_s)
            loss = loss + c.lambda_low * self.supervised(low, batch.y_s)
        return loss

    def supervised(self, logits: Tensor, y: Tensor) -> Tensor:
        p = logits.softmax(1)
        weights = torch.ones(3, dtype=torch.float64)
        if self.method.config.class_weights == "inverse_frequency":
            weights = 1 / torch.stack([(y == value).sum() for value in range(3)]).double()
        w = weights[y]
        cross_entropy = (w * -p.gather(1, y[:, None])[:, 0].log()).sum() / w.sum()
        truth = F.one_hot(y, 3).movedim(-1, 1)
        dice = (2 * (p * truth).sum((0, 2, 3)) + 1) / ((p + truth).sum((0, 2, 3)) + 1)
        return cross_entropy + 1 - dice[1:].mean()

    def deception(self, predictions: dict[str, list[Tensor]]) -> Tensor:
        loss = torch.zeros((), dtype=torch.float64)
        for (_, target), critics in self.pairs(predictions):
            for weight, critic, level in zip(
                (1.0, self.method.config.lambda_low), critics, predictions[target], strict=True
            ):
                loss = loss + weight * self.positive(critic(self.judged(level)))
        return loss

    def semantic_judgement(self, predictions: dict[str, list[Tensor]]) -> Tensor:
        loss = torch.zeros((), dtype=torch.float64)
        for (source, target), critics in self.pairs(predictions):
            for critic, real, fake in zip(
                critics, predictions[source], predictions[target], strict=True
            ):
                loss = loss + 0.5 * self.positive(critic(self.judged(real)))
                loss = loss + 0.5 * self.negative(critic(self.judged(fake)))
        return loss

    def image_judgement(self, batch: UnpairedBatch, images: dict[str, Tensor]) -> Tensor:
        m = self.method
        loss = torch.zeros((), dtype=torch.float64)
        for critic, real, fake in (
            (m.critic_t, batch.x_t, "x_st"),
            (m.critic_s, batch.x_s, "x_ts"),
        ):
            if fake in images:
                loss = loss + 0.5 * self.positive(critic(real))
                loss = loss + 0.5 * self.negative(critic(images[fake]))
        return loss

    def pairs(
        self, predictions: dict[str, list[Tensor]]
    ) -> list[tuple[tuple[str, str], list[nn.Module]]]:
        m = self.method
        real: list[nn.Module] = [m.critic_p, m.critic_p_low]
        generated = real
        if m.critic_p_generated and m.critic_p_low_generated:
            generated = [m.critic_p_generated, m.critic_p_low_generated]
        pairs = [(("s", "t"), real)]
        if "st" in predictions and "ts" in predictions:
            pairs.append((("st", "ts"), generated))
        return pairs

    def judged(self, logits: Tensor) -> Tensor:
        return logits.softmax(1) if self.method.config.critic_p_input != "logits" else logits

    def positive(self, scores: Tensor) -> Tensor:
        if self.method.config.adversarial == "cross_entropy":
            return -scores.sigmoid().log().mean()
        return ((scores - 1) ** 2).mean()

    def negative(self, scores: Tensor) -> Tensor:
        if self.method.config.adversarial == "cross_entropy":
            return -(1 - scores.sigmoid()).log().mean()
        return (scores**2).mean()


def step(optimizers: list[Adam], goal: Tensor, method: DSAN) -> None:
    """Move what `optimizers` own down the goal's gradient, and nothing else."""
    method.zero_grad(set_to_none=True)
    goal.backward()  # type: ignore[no-untyped-call]
    for optimizer in optimizers:
        optimizer.step()
