"""Adversarial losses: numbers by hand, a slow second implementation, MONAI's."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from monai.losses.adversarial_loss import PatchAdversarialLoss

from CrossModalSegLib.losses.gan import AdversarialKind, AdversarialLoss

KINDS: tuple[AdversarialKind, ...] = get_args(AdversarialKind)


def scores(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, 1, 1, -1)


def random_scores(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(2, 1, 3, 4, generator=generator)


def slow_loss(kind: AdversarialKind, given: torch.Tensor, goal: int) -> float:
    """Take the scores one by one, as the papers' equations are written."""
    losses = []
    for score in given.flatten().tolist():
        probability = 1 / (1 + np.exp(-score))
        losses.append(
            (score - goal) ** 2
            if kind == "least_squares"
            else -np.log(probability if goal else 1 - probability)
        )
    return float(np.mean(losses))


def test_least_squares_numbers_are_those_of_the_hand() -> None:
    loss = AdversarialLoss("least_squares")
    assert loss.generator(scores(0, 2, 3)).item() == pytest.approx((1 + 1 + 4) / 3)
    discriminator = loss.discriminator(real=scores(1, 0), fake=scores(2, 0))
    assert discriminator.item() == pytest.approx(0.5 * (0.5 + 2))


def test_cross_entropy_numbers_are_those_of_the_hand() -> None:
    loss = AdversarialLoss("cross_entropy")
    three = float(np.log(3))  # score of probability 3 / 4
    assert loss.generator(scores(three)).item() == pytest.approx(-np.log(3 / 4))
    discriminator = loss.discriminator(real=scores(three), fake=scores(three))
    assert discriminator.item() == pytest.approx(-0.5 * (np.log(3 / 4) + np.log(1 / 4)))


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_the_slow_implementation(kind: AdversarialKind) -> None:
    loss, real, fake = AdversarialLoss(kind), random_scores(0), random_scores(1)
    assert loss.generator(fake).item() == pytest.approx(slow_loss(kind, fake, 1), rel=1e-5)
    expected = 0.5 * (slow_loss(kind, real, 1) + slow_loss(kind, fake, 0))
    assert loss.discriminator(real=real, fake=fake).item() == pytest.approx(expected, rel=1e-5)


def test_least_squares_is_that_of_monai_without_its_activation() -> None:
    theirs = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
    ours, real, fake = AdversarialLoss("least_squares"), random_scores(0), random_scores(1)
    torch.testing.assert_close(
        ours.generator(fake), theirs(fake, target_is_real=True, for_discriminator=False)
    )
    parts = [
        theirs(given, target_is_real=is_real, for_discriminator=True)
        for given, is_real in ((real, True), (fake, False))
    ]
    torch.testing.assert_close(ours.discriminator(real=real, fake=fake), torch.stack(parts).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_following_the_gradient_makes_fakes_pass_for_real(kind: AdversarialKind) -> None:
    fake = scores(-2.0, 0.5).requires_grad_()
    (slope,) = torch.autograd.grad(AdversarialLoss(kind).generator(fake), fake)
    assert (slope < 0).all()  # so that the scores rise


@pytest.mark.parametrize("kind", KINDS)
def test_following_the_gradient_tells_real_from_fake(kind: AdversarialKind) -> None:
    real, fake = scores(0.0).requires_grad_(), scores(0.5).requires_grad_()
    loss = AdversarialLoss(kind).discriminator(real=real, fake=fake)
    slopes = torch.autograd.grad(loss, (real, fake))
    assert slopes[0].item() < 0 < slopes[1].item()


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_float32_whatever_the_scores_are(kind: AdversarialKind) -> None:
    loss, given = AdversarialLoss(kind), random_scores(0).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss.generator(given)
    for result in (mixed, loss.generator(given)):
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, loss.generator(given.float()))


def test_a_confident_discriminator_leaves_cross_entropy_finite() -> None:
    loss = AdversarialLoss("cross_entropy")
    assert loss.generator(scores(-1000.0)).item() == pytest.approx(1000.0)
