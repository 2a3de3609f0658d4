"""Cycle translation: its losses by hand, who judges what, who moves, and a step written out."""

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
from CrossModalSegLib.methods.cycle_translation import CycleTranslation, CycleTranslationConfig
from CrossModalSegLib.networks.translators import ResNetTranslator, Translator

TINY = CycleTranslationConfig(translator=Translator(name="unet", width=4, levels=3), critic_width=4)
NAMES = ("generator_t", "generator_s", "critic_t", "critic_s")

SWITCHES: dict[str, dict[str, Any]] = {
    "as published": {},
    "identity": {"lambda_idt": 5.0},
    "paired": {"lambda_paired": 3.0},
    "no cycle": {"lambda_cyc": 0.0},
    "cross-entropy": {"adversarial": "cross_entropy"},
    "other weights and rates": {
        "lambda_adv": 0.3,
        "lambda_cyc": 2.0,
        "lr_generators": 1e-3,
        "lr_critics": 3e-4,
        "betas": (0.8, 0.9),
    },
}


def translation(config: CycleTranslationConfig = TINY) -> CycleTranslation:
    torch.manual_seed(0)
    generators = (config.generator(), config.generator())
    return CycleTranslation(*generators, config.critic(), config.critic(), config)


class Shift(nn.Module):
    """An image, changed by a number that is learned."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.by


class Recorder(nn.Module):
    """A critic that scores the mean of an image and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        return images.mean((1, 2, 3), keepdim=True) * self.weight


def constant_batch() -> UnpairedBatch:
    """Return source images of .5 and target images of -.25."""
    x_s, x_t = torch.full((2, 1, 4, 4), 0.5), torch.full((2, 1, 4, 4), -0.25)
    return UnpairedBatch(x_s=x_s, y_s=torch.zeros(2, 4, 4, dtype=torch.long), x_t=x_t)


def recorded(config: CycleTranslationConfig) -> CycleTranslation:
    """Return x_st = x_s + .125 and x_ts = x_t - 1, judged by their means."""
    return CycleTranslation(Shift(0.125), Shift(-1.0), Recorder(), Recorder(), config)


def test_losses_are_those_of_the_hand() -> None:
    config = replace(TINY, lambda_idt=1.0, lambda_paired=1.0)
    losses, images = recorded(config).generator_losses(constant_batch())
    assert set(images["x_st"].flatten().tolist()) == {0.625}
    assert set(images["x_ts"].flatten().tolist()) == {-1.25}
    expected = {
        "adv_t": (1 - 0.625) ** 2,
        "adv_s": (1 + 1.25) ** 2,
        "cyc_s": abs(0.625 - 1 - 0.5),
        "cyc_t": abs(-1.25 + 0.125 + 0.25),
        "idt_t": 0.125,
        "idt_s": 1.0,
        "paired_t": abs(0.625 + 0.25),
        "paired_s": abs(-1.25 - 0.5),
    }
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected)


def test_each_loss_has_the_weight_of_its_name() -> None:
    config = replace(TINY, lambda_adv=2.0, lambda_cyc=3.0, lambda_idt=5.0, lambda_paired=7.0)
    networks = recorded(config)
    for name, weight in (("adv_s", 2), ("cyc_t", 3), ("idt_t", 5), ("paired_s", 7)):
        assert networks.objective({name: torch.tensor(1.5)}).item() == weight * 1.5


def test_real_are_the_images_of_a_critics_own_domain_and_fake_the_translated() -> None:
    networks, batch = recorded(TINY), constant_batch()
    critic_t, critic_s = networks.critic_t, networks.critic_s
    assert isinstance(critic_t, Recorder)
    assert isinstance(critic_s, Recorder)
    _, images = networks.generator_losses(batch)
    losses = networks.critic_losses(batch, images)
    assert [image[0, 0, 0, 0].item() for image in critic_t.seen] == [0.625, -0.25, 0.625]
    assert [image[0, 0, 0, 0].item() for image in critic_s.seen] == [-1.25, 0.5, -1.25]
    # Real towards 1, fake towards 0.
    assert losses["critic_t"].item() == pytest.approx(0.5 * (1.25**2 + 0.625**2))
    assert losses["critic_s"].item() == pytest.approx(0.5 * (0.5**2 + 1.25**2))
    # The generators' turn passes gradients to the images, the critics' turn does not.
    assert [image.requires_grad for image in critic_t.seen] == [True, False, False]


@pytest.mark.parametrize(
    ("changes", "gone", "come"),
    [
        ({}, set(), set()),
        ({"lambda_cyc": 0.0}, {"cyc_s", "cyc_t"}, set()),
        ({"lambda_idt": 5.0}, set(), {"idt_s", "idt_t"}),
        ({"lambda_paired": 1.0}, set(), {"paired_s", "paired_t"}),
    ],
)
def test_a_weight_of_zero_removes_exactly_its_terms(
    changes: dict[str, Any], gone: set[str], come: set[str], batch: UnpairedBatch
) -> None:
    losses, _ = translation(replace(TINY, **changes)).generator_losses(batch)
    assert set(losses) == {"adv_t", "adv_s", "cyc_s", "cyc_t"} - gone | come


class Plain:
    """The engine's part, and which networks each update graded and moved."""

    def __init__(self, networks: CycleTranslation, stage: Stage) -> None:
        self.networks, self.stage = networks, stage
        self.order: list[str] = []
        self.graded: dict[str, set[str]] = {}
        self.moved: dict[str, set[str]] = {}

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        self.order.append(optimizer)
        parts = {name: getattr(self.networks, name) for name in NAMES}
        before = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
        for part in parts.values():
            part.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.graded[optimizer] = {
            name
            for name, part in parts.items()
            if any(weight.grad is not None for weight in part.parameters())
        }
        self.stage.optimizers[optimizer].step()
        self.moved[optimizer] = {
            name
            for name, part in parts.items()
            if any(not torch.equal(v, before[name][key]) for key, v in part.state_dict().items())
        }


def test_generators_move_together_then_critics_together(batch: UnpairedBatch) -> None:
    networks = translation()
    stage = networks.stage(iterations=4)
    update = Plain(networks, stage)
    losses = stage.step(batch, update)
    owned = {
        "generators": {"generator_t", "generator_s"},
        "image_critics": {"critic_t", "critic_s"},
    }
    assert stage.name == "translate"
    assert stage.iterations == 4
    assert update.order == ["generators", "image_critics"]
    assert update.graded == owned
    assert update.moved == owned
    assert not any(loss.requires_grad for loss in losses.values())
    assert set(losses) == {"adv_t", "adv_s", "cyc_s", "cyc_t", "critic_t", "critic_s"}


def test_rates_are_held_for_half_and_then_fall_linearly() -> None:
    stage = translation().stage(iterations=8)
    for name, optimizer in stage.optimizers.items():
        rates = []
        for _ in range(8):
            rates.append(optimizer.param_groups[0]["lr"] / 2e-4)
            optimizer.step()
            stage.schedules[name].step()
        assert rates == pytest.approx([1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


class ByHand:
    """Eqs. 1 to 3 of CycleGAN term by term, every network with an Adam of its own."""

    def __init__(self, networks: CycleTranslation) -> None:
        self.networks = n = copy.deepcopy(networks)
        c = n.config
        self.generators = [
            Adam(g.parameters(), c.lr_generators, c.betas) for g in (n.generator_t, n.generator_s)
        ]
        self.critics = [
            Adam(d.parameters(), c.lr_critics, c.betas) for d in (n.critic_t, n.critic_s)
        ]

    def iterate(self, x_s: Tensor, x_t: Tensor) -> None:
        n, c = self.networks, self.networks.config
        x_st, x_ts = n.generator_t(x_s), n.generator_s(x_t)
        goal = c.lambda_adv * (self.real(n.critic_t(x_st)) + self.real(n.critic_s(x_ts)))
        cycles = ((n.generator_s(x_st), x_s), (n.generator_t(x_ts), x_t))
        same = ((n.generator_t(x_t), x_t), (n.generator_s(x_s), x_s))
        pairs = ((x_st, x_t), (x_ts, x_s))
        for weight, terms in (
            (c.lambda_cyc, cycles),
            (c.lambda_idt, same),
            (c.lambda_paired, pairs),
        ):
            for found, wanted in terms:
                goal = goal + weight * (found - wanted).abs().sum() / found.numel()
        self.step(self.generators, goal)

        fakes = x_st.detach(), x_ts.detach()
        for critic, optimizer, real, fake in zip(
            (n.critic_t, n.critic_s), self.critics, (x_t, x_s), fakes, strict=True
        ):
            goal = 0.5 * self.real(critic(real)) + 0.5 * self.fake(critic(fake))
            self.step([optimizer], goal)

    def step(self, optimizers: list[Adam], goal: Tensor) -> None:
        for name in NAMES:
            getattr(self.networks, name).zero_grad(set_to_none=True)
        goal.backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()

    def real(self, scores: Tensor) -> Tensor:
        if self.networks.config.adversarial == "cross_entropy":
            return F.softplus(-scores).mean()
        return ((scores - 1) ** 2).mean()

    def fake(self, scores: Tensor) -> Tensor:
        if self.networks.config.adversarial == "cross_entropy":
            return F.softplus(scores).mean()
        return (scores**2).mean()


@pytest.mark.parametrize("changes", SWITCHES.values(), ids=SWITCHES)
def test_the_weights_after_two_iterations_equal_those_of_the_algorithm_written_out(
    changes: dict[str, Any], batch: UnpairedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tensor, "float", Tensor.double)  # losses, too, in double precision
    networks = translation(replace(TINY, **changes))
    for name in NAMES:
        getattr(networks, name).double()
    by_hand, stage = ByHand(networks), networks.stage(iterations=2)
    exact = UnpairedBatch(x_s=batch.x_s.double(), y_s=batch.y_s, x_t=batch.x_t.double())
    for _ in range(2):
        stage.step(exact, Plain(networks, stage))
        by_hand.iterate(exact.x_s, exact.x_t)
    for name in NAMES:
        expected = getattr(by_hand.networks, name).state_dict()
        for key, value in getattr(networks, name).state_dict().items():
            torch.testing.assert_close(value, expected[key], rtol=0, atol=1e-6, msg=f"{name} {key}")


def test_defaults_are_those_of_the_cyclegan_paper() -> None:
    config = CycleTranslationConfig()
    assert (config.lambda_adv, config.lambda_cyc, config.lambda_idt) == (1.0, 10.0, 0.0)
    assert (config.lr_generators, config.lr_critics, config.betas) == (2e-4, 2e-4, (0.5, 0.999))
    assert config.lambda_paired == 0
    assert config.adversarial == "least_squares"
    with torch.device("meta"):
        generator = config.generator()
    assert isinstance(generator, ResNetTranslator)
