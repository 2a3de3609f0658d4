"""Who plays against whom: every critic's real and fake slices, and who is moved by each game."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.methods.dsan import DSAN
from CrossModalSegLib.methods.dsan_config import DSANConfig
from CrossModalSegLib.networks.backbones import Backbone

TINY = DSANConfig(
    num_classes=3,
    iterations=1,
    backbone=Backbone(name="unet", width=4, levels=3),
    critic_width=4,
)

FOOLED = {
    ("critic_t", "x_st"),  # Eq. 1
    ("critic_s", "x_ts"),  # Eq. 2
    ("critic_p", "p_t"),  # Eq. 9
    ("critic_p_low", "p_t_low"),
    ("critic_p", "p_ts"),  # Eq. 10
    ("critic_p_low", "p_ts_low"),
}
"""Which critic the others try to fool, with what."""

TOLD_APART = {
    ("critic_t", "x_t", "x_st"),
    ("critic_s", "x_s", "x_ts"),
    ("critic_p", "p_s", "p_t"),
    ("critic_p_low", "p_s_low", "p_t_low"),
    ("critic_p", "p_st", "p_ts"),
    ("critic_p_low", "p_st_low", "p_ts_low"),
}
"""Which critic learns to tell what (real, positive) from what (fake, negative)."""


@dataclass(frozen=True)
class Recording(AdversarialLoss):
    """Remembers what was to pass for real, and what was called real and fake."""

    fooled: list[Tensor] = field(default_factory=list)
    told_apart: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def generator(self, fake: Tensor) -> Tensor:
        self.fooled.append(fake)
        return super().generator(fake)

    def discriminator(self, *, real: Tensor, fake: Tensor) -> Tensor:
        self.told_apart.append((real, fake))
        return super().discriminator(real=real, fake=fake)


class Witness:
    """Knows of each score which critic gave it for which image."""

    def __init__(self, method: DSAN, batch: UnpairedBatch) -> None:
        self.images = named_images(copy.deepcopy(method), batch)
        self.judged: list[tuple[str, Tensor, Tensor]] = []
        for name, network in method.named_children():
            if name.startswith("critic"):
                network.register_forward_hook(self.hook(name))

    def hook(self, name: str) -> Any:
        def remember(_: nn.Module, arguments: tuple[Tensor, ...], scores: Tensor) -> None:
            self.judged.append((name, arguments[0], scores))

        return remember

    def explain(self, scores: Tensor) -> tuple[str, str]:
        ((critic, judged),) = [(c, image) for c, image, s in self.judged if s is scores]
        (image,) = [name for name, known in self.images.items() if is_close(known, judged)]
        return critic, image


def named_images(method: DSAN, batch: UnpairedBatch) -> dict[str, Tensor]:
    """Return every image and prediction by its name, each computed by itself."""
    assert method.decoder_s is not None
    images = {
        "x_s": batch.x_s,
        "x_t": batch.x_t,
        "x_st": method.decoder_t(method.encoder(batch.x_s)),
        "x_ts": method.decoder_s(method.encoder(batch.x_t)),
    }
    for name in ("s", "t", "st", "ts"):
        z = method.encoder(images[f"x_{name}"].detach())
        images[f"p_{name}"] = method.classifier(z).softmax(1)
        images[f"p_{name}_low"] = method.classifier_low(z).softmax(1)
    return images


def is_close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, atol=1e-4)


def play(batch: UnpairedBatch, record: Any, **changes: Any) -> tuple[Witness, Recording, Any]:
    torch.manual_seed(0)
    method = DSAN(replace(TINY, **changes))
    method.adversarial = Recording(method.config.adversarial)
    witness = Witness(method, batch)
    (stage,) = method.stages()
    update = record(method, stage)
    stage.step(batch, update)
    return witness, method.adversarial, update


@pytest.mark.parametrize("adversarial", ["least_squares", "cross_entropy"])
def test_every_critic_plays_against_the_papers_opponents(
    adversarial: str, batch: UnpairedBatch, record: Any
) -> None:
    witness, games, _ = play(batch, record, adversarial=adversarial)
    assert sorted(map(witness.explain, games.fooled)) == sorted(FOOLED)
    told = [(*witness.explain(real), witness.explain(fake)) for real, fake in games.told_apart]
    assert all(critic == other for critic, _, (other, _) in told)
    assert sorted((critic, real, fake) for critic, real, (_, fake) in told) == sorted(TOLD_APART)


def test_unshared_critics_each_have_one_pair(batch: UnpairedBatch, record: Any) -> None:
    """Table V: one set for real slices, one for generated ones."""
    witness, games, _ = play(batch, record, shared_critics=False)
    told = {
        (witness.explain(real)[0], witness.explain(real)[1], witness.explain(fake)[1])
        for real, fake in games.told_apart
    }
    assert told == {
        ("critic_t", "x_t", "x_st"),
        ("critic_s", "x_s", "x_ts"),
        ("critic_p", "p_s", "p_t"),
        ("critic_p_low", "p_s_low", "p_t_low"),
        ("critic_p_generated", "p_st", "p_ts"),
        ("critic_p_low_generated", "p_st_low", "p_ts_low"),
    }
    fooled = {witness.explain(scores) for scores in games.fooled}
    assert {("critic_p_generated", "p_ts"), ("critic_p_low_generated", "p_ts_low")} <= fooled


@pytest.mark.parametrize(
    ("weights", "moved"),
    [
        ({"lambda_adv": 1.0}, {"encoder", "decoder_s", "decoder_t"}),
        ({"lambda_secadv": 1.0}, {"encoder", "classifier", "classifier_low"}),
    ],
)
def test_fooling_moves_the_players_of_its_equation(
    weights: dict[str, float], moved: set[str], batch: UnpairedBatch, record: Any
) -> None:
    """Eqs. 1 and 2 are a game of E and U, Eqs. 9 and 10 of E and C."""
    nothing = dict.fromkeys(("lambda_rec", "lambda_adv", "lambda_seg", "lambda_secadv"), 0.0)
    _, _, update = play(batch, record, **(nothing | weights))
    assert update.moved["adapt"] == moved


def test_no_opponent_learns_from_the_critics_update(batch: UnpairedBatch, record: Any) -> None:
    _, _, update = play(batch, record)
    assert update.graded["image_critics"] == {"critic_s", "critic_t"}
    assert update.graded["semantic_critics"] == {"critic_p", "critic_p_low"}
    assert not {name for name in update.graded["adapt"] if name.startswith("critic")}


def test_without_one_translation_there_is_no_game_between_generated_slices(
    batch: UnpairedBatch, record: Any
) -> None:
    """Its critics would not learn: nothing must try to fool them."""
    witness, games, _ = play(batch, record, source_generation=False, shared_critics=False)
    critics = {witness.explain(scores)[0] for scores in games.fooled}
    assert critics == {"critic_t", "critic_p", "critic_p_low"}
