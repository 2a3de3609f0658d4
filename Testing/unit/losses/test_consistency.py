"""Distance of two predictions: hand numbers, a slow implementation, equal predictions."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch

from CrossModalSegLib.losses.consistency import OutputDistance, output_distance

KINDS: tuple[OutputDistance, ...] = get_args(OutputDistance)


def test_two_pixels_give_hand_numbers() -> None:
    """Probabilities (3/4, 1/4) against (1/2, 1/2) at one pixel, equal at the other."""
    one = torch.tensor([[[[math.log(3), 0.0]], [[0.0, 0.0]]]])
    other = torch.zeros(1, 2, 1, 2)
    assert output_distance(one, other).item() == pytest.approx(math.sqrt(2 * 0.25**2))
    assert output_distance(one, other, "mean_square").item() == pytest.approx(2 * 0.25**2 / 4)


@pytest.mark.parametrize("kind", KINDS)
def test_distances_are_those_of_the_slow_implementation(kind: OutputDistance) -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 3, 4, 5, 6, generator=generator)
    found = []
    for image in range(3):
        total = 0.0
        for row, column in np.ndindex(5, 6):
            powers = [np.exp(x[image, :, row, column].double().numpy()) for x in (one, other)]
            p, q = (power / power.sum() for power in powers)
            total += float(((p - q) ** 2).sum())
        found.append(math.sqrt(total) if kind == "norm" else total / (4 * 5 * 6))
    assert output_distance(one, other, kind).item() == pytest.approx(np.mean(found), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_predictions_cost_nothing_and_push_nowhere(kind: OutputDistance) -> None:
    one = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = output_distance(one, one.detach() + 5.0, kind)  # the same probabilities
    (slope,) = torch.autograd.grad(loss, one)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("kind", KINDS)
def test_both_predictions_are_moved(kind: OutputDistance) -> None:
    one, other = (torch.randn(2, 3, 4, 4, requires_grad=True) for _ in range(2))
    output_distance(one, other, kind).backward()  # type: ignore[no-untyped-call]
    for each in (one, other):
        assert each.grad is not None
        assert each.grad.abs().max() > 0
