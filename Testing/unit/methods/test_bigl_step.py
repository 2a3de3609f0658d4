"""BiGL's iterations against the same written out by hand, for every switch that changes them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods.base import Stage
from CrossModalSegLib.methods.bigl import BiGL
from CrossModalSegLib.methods.bigl_config import BiGLConfig
from CrossModalSegLib.methods.cycle_translation import CycleTranslationConfig
from CrossModalSegLib.networks.backbones import Backbone
from CrossModalSegLib.networks.translators import Translator

ITERATIONS = 2

TINY = BiGLConfig(
    num_classes=3,
    iterations=ITERATIONS + 1,
    backbone=Backbone(name="unet", width=4, levels=3),
    translation=CycleTranslationConfig(
        translator=Translator(name="unet", width=4, levels=3), critic_width=4
    ),
    critic_width=4,
    decay_power=0.0,
)

SWITCHES: dict[str, dict[str, Any]] = {
    "as published": {},
    "Table 3, output and feature": {"attention_consistency": False},
    "Table 3, output": {"attention_consistency": False, "feature_consistency": False},
    "no consistency": {
        "attention_consistency": False,
        "feature_consistency": False,
        "output_consistency": False,
    },
    "attention alone": {"feature_consistency": False, "output_consistency": False},
    "Table 5, .5": {"lambda_gtl": 0.5},
    "least squares": {"adversarial": "least_squares"},
    "mean square": {"output_distance": "mean_square", "lambda_out": 3.0},
    "maps as they are": {"attention_critics_see_multiples": False},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.1},
    "joint": {"joint": True, "optimizer": "adamw", "lambda_syn": 0.2, "weight_decay": 0.1},
    "joint without consistency": {
        "joint": True,
        "optimizer": "adamw",
        "attention_consistency": False,
        "feature_consistency": False,
        "output_consistency": False,
    },
}


class Plain:
    """The engine's part, without what engines add."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        chosen = self.stage.optimizers[optimizer]
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()


@pytest.mark.parametrize("changes", SWITCHES.values(), ids=SWITCHES)
def test_the_weights_after_two_iterations_equal_those_of_the_algorithm_written_out(
    changes: dict[str, Any], batch: UnpairedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)  # Adam makes much of small differences
    torch.manual_seed(0)
    method = BiGL(replace(TINY, **changes)).double()
    nn.init.constant_(method.segmenter.position.scale, 0.3)  # else half of the block does not act
    nn.init.constant_(method.segmenter.channel.scale, -0.2)
    by_hand = ByHand(copy.deepcopy(method))
    exact = UnpairedBatch(x_s=batch.x_s.double(), y_s=batch.y_s, x_t=batch.x_t.double())
    before = copy.deepcopy(method.state_dict())

    *_, stage = method.stages()
    for _ in range(ITERATIONS):
        stage.step(exact, Plain(stage))
        by_hand.iterate(exact)
    expected = by_hand.method.state_dict()
    moved = 0
    for name, value in method.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6, msg=name)
        moved += not torch.equal(value, before[name])
    assert moved > 10


class ByHand:
    """Eqs. 4 to 10 term by term, every network with an optimizer of its own, image by image."""

    def __init__(self, method: BiGL) -> None:
        self.method = m = method
        c = m.config
        weights, decay = list(m.segmenter.parameters()), c.weight_decay
        self.players: list[Optimizer] = [
            SGD(weights, 5e-3, 0.9, weight_decay=decay)
            if c.optimizer == "sgd"
            else AdamW(weights, 5e-3, weight_decay=decay)
        ]
        translation = c.translation
        self.image_critics: list[Optimizer] = []
        if c.joint:
            self.players += [
                Adam(g.parameters(), translation.lr_generators, translation.betas)
                for g in (m.generator_t, m.generator_s)
            ]
            self.image_critics = [
                Adam(d.parameters(), translation.lr_critics, translation.betas)
                for d in (m.critic_t, m.critic_s)
            ]
        self.kinds = ["feature"] if c.feature_consistency else []
        self.kinds += ["position", "channel"] if c.attention_consistency else []
        self.judges: list[Optimizer] = [
            Adam(self.critic(kind, style).parameters(), 5e-5)
            for kind in self.kinds
            for style in ("s", "t")
        ]

    def critic(self, kind: str, style: str) -> nn.Module:
        network: nn.Module = getattr(self.method, f"{kind}_critic_{style}")
        return network

    def iterate(self, batch: UnpairedBatch) -> None:
        """Move Phi (and G) on Eq. 10, then every critic on its own objective."""
        m, c = self.method, self.method.config
        x_st, x_ts = m.generator_t(batch.x_s), m.generator_s(batch.x_t)
        if not c.joint:
            x_st, x_ts = x_st.detach(), x_ts.detach()
        images = {"s": batch.x_s, "st": x_st, "t": batch.x_t, "ts": x_ts}
        found = {name: m.segmenter(image)._asdict() for name, image in images.items()}

        goal = self.supervised(found["s"]["logits"], batch.y_s)
        goal = goal + self.supervised(found["st"]["logits"], batch.y_s)
        if c.output_consistency:
            goal = goal + c.lambda_out * self.distance(
                found["t"]["logits"].softmax(1), found["ts"]["logits"].softmax(1)
            )
        for kind in self.kinds:
            for style, fake in (("s", "ts"), ("t", "t")):
                scores = self.critic(kind, style)(self.judged(kind, found[fake]))
                goal = goal + c.lambda_gtl * self.positive(scores, c.adversarial)
        if c.joint:
            goal = goal + c.lambda_syn * self.synthesis(batch, x_st, x_ts)
        self.step(self.players, goal)

        if c.joint:
            self.step(self.image_critics, self.image_judgement(batch, x_st, x_ts))
        if self.kinds:
            self.step(self.judges, self.judgement(found))

    def synthesis(self, batch: UnpairedBatch, x_st: Tensor, x_ts: Tensor) -> Tensor:
        m = self.method
        fooling = self.positive(m.critic_t(x_st), "least_squares")
        fooling = fooling + self.positive(m.critic_s(x_ts), "least_squares")
        cycles = (m.generator_s(x_st) - batch.x_s).abs().mean()
        cycles = cycles + (m.generator_t(x_ts) - batch.x_t).abs().mean()
        loss: Tensor = fooling + 10 * cycles
        return loss

    def image_judgement(self, batch: UnpairedBatch, x_st: Tensor, x_ts: Tensor) -> Tensor:
        m, loss = self.method, torch.zeros((), dtype=torch.float64)
        pairs = ((m.critic_t, batch.x_t, x_st), (m.critic_s, batch.x_s, x_ts))
        for critic, real, fake in pairs:
            loss = loss + 0.5 * self.positive(critic(real), "least_squares")
            loss = loss + 0.5 * self.negative(critic(fake.detach()), "least_squares")
        return loss

    def supervised(self, logits: Tensor, y: Tensor) -> Tensor:
        p = logits.softmax(1)
        cross_entropy = -p.gather(1, y[:, None]).log().mean()
        numerator = denominator = torch.zeros((), dtype=torch.float64)
        for label in range(3):
            here = (y == label).double()
            weight = 1 / here.sum()
            numerator = numerator + weight * (p[:, label] * here).sum()
            denominator = denominator + weight * (p[:, label].sum() + here.sum())
        return cross_entropy + 1 - 2 * numerator / denominator

    def distance(self, p: Tensor, q: Tensor) -> Tensor:
        if self.method.config.output_distance == "mean_square":
            return ((p - q) ** 2).mean()
        return torch.stack([((a - b) ** 2).sum().sqrt() for a, b in zip(p, q, strict=True)]).mean()

    def judgement(self, found: dict[str, dict[str, Tensor]]) -> Tensor:
        kind_of_game = self.method.config.adversarial
        loss = torch.zeros((), dtype=torch.float64)
        for kind in self.kinds:
            for style, real, fake in (("s", "s", "ts"), ("t", "st", "t")):
                critic = self.critic(kind, style)
                seen = [self.judged(kind, found[name]).detach() for name in (real, fake)]
                loss = loss + 0.5 * self.positive(critic(seen[0]), kind_of_game)
                loss = loss + 0.5 * self.negative(critic(seen[1]), kind_of_game)
        return loss

    def judged(self, kind: str, found: dict[str, Tensor]) -> Tensor:
        if kind == "feature":
            return found["features"]
        sizes = {"position": 8 * 8, "channel": 16}  # 32x32 slices, three levels, width 4
        return found[kind] * (
            sizes[kind] if self.method.config.attention_critics_see_multiples else 1
        )

    def positive(self, scores: Tensor, kind: str) -> Tensor:
        if kind == "cross_entropy":
            return F.softplus(-scores).mean()  # -log D
        return ((scores - 1) ** 2).mean()

    def negative(self, scores: Tensor, kind: str) -> Tensor:
        if kind == "cross_entropy":
            return F.softplus(scores).mean()  # -log(1 - D)
        return (scores**2).mean()

    def step(self, optimizers: list[Optimizer], goal: Tensor) -> None:
        """Move what `optimizers` own down the goal's gradient, and nothing else."""
        self.method.zero_grad(set_to_none=True)
        goal.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
