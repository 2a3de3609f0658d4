"""Segmentation losses: numbers by hand, slow second implementations, MONAI's Dice."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from monai.losses.dice import DiceLoss, GeneralizedDiceLoss

from CrossModalSegLib.losses.segmentation import (
    ClassWeights,
    cross_entropy_dice,
    cross_entropy_generalised_dice,
    generalised_dice,
    soft_dice,
    weighted_cross_entropy,
    weights_of_classes,
)

CLASSES = 3
KINDS: tuple[ClassWeights, ...] = get_args(ClassWeights)


def logits_and_labels(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores (2, 3, 4, 5) and labels (2, 4, 5)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, CLASSES, 4, 5, generator=generator)
    return logits, torch.randint(0, CLASSES, (2, 4, 5), generator=generator)


def certain(labels: torch.Tensor) -> torch.Tensor:
    """Return logits that are sure of these labels."""
    one_hot = torch.nn.functional.one_hot(labels, CLASSES).movedim(-1, 1)
    return 100.0 * one_hot.float()


def slow_probabilities(logits: torch.Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    powers = np.exp(logits.double().numpy())
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def slow_weight(kind: ClassWeights, count: int, total: int) -> float:
    if kind == "inverse_frequency":
        return total / (CLASSES * count)
    return 1 - count / total if kind == "complement_frequency" else 1.0


def slow_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, kind: ClassWeights) -> float:
    """Go through the pixels one by one."""
    probabilities, total, weights = slow_probabilities(logits), 0.0, 0.0
    for image, row, column in np.ndindex(*labels.shape):
        label = int(labels[image, row, column])
        weight = slow_weight(kind, int((labels == label).sum()), labels.numel())
        total -= weight * np.log(probabilities[image, label, row, column])
        weights += weight
    return total / (labels.numel() if kind == "complement_frequency" else weights)


def slow_dice(
    logits: torch.Tensor, labels: torch.Tensor, smooth: float, *, squared: bool
) -> list[float]:
    """Go through the classes and pixels one by one."""
    probabilities, dice = slow_probabilities(logits), []
    for label in range(CLASSES):
        overlap = size = 0.0
        for image, row, column in np.ndindex(*labels.shape):
            probability = float(probabilities[image, label, row, column])
            truth = float(labels[image, row, column] == label)
            overlap += probability * truth
            size += (probability**2 if squared else probability) + truth
        dice.append((2 * overlap + smooth) / (size + smooth))
    return dice


def test_an_undecided_prediction_costs_what_the_hand_says() -> None:
    logits, labels = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 0, 1]]])
    # Class 1: overlap .5, sizes 2 and 1, smoothed by 1.
    expected = np.log(2) + 1 - (2 * 0.5 + 1) / (2 + 1 + 1)
    assert cross_entropy_dice(logits, labels).item() == pytest.approx(expected)


def test_a_perfect_prediction_costs_nothing() -> None:
    _, labels = logits_and_labels()
    for kind in KINDS:
        loss = cross_entropy_dice(certain(labels), labels, class_weights=kind)
        assert loss.item() == pytest.approx(0, abs=1e-6)


def test_background_dice_is_left_out() -> None:
    logits, labels = logits_and_labels()
    expected = weighted_cross_entropy(logits, labels) + 1 - soft_dice(logits, labels)[1:].mean()
    torch.testing.assert_close(cross_entropy_dice(logits, labels), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_cross_entropy_is_that_of_the_slow_implementation(kind: ClassWeights) -> None:
    logits, labels = logits_and_labels()
    expected = slow_cross_entropy(logits, labels, kind)
    assert weighted_cross_entropy(logits, labels, kind).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("smooth", [1.0, 1e-3])
def test_dice_is_that_of_the_slow_implementation(smooth: float, squared: bool) -> None:  # noqa: FBT001
    logits, labels = logits_and_labels()
    expected = slow_dice(logits, labels, smooth, squared=squared)
    np.testing.assert_allclose(
        soft_dice(logits, labels, smooth=smooth, squared=squared).numpy(), expected, rtol=1e-5
    )


@pytest.mark.parametrize("squared", [False, True])
def test_dice_is_that_of_monai(squared: bool) -> None:  # noqa: FBT001
    logits, labels = logits_and_labels()
    theirs = DiceLoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        squared_pred=squared,
        smooth_nr=1.0,
        smooth_dr=1.0,
        batch=True,
    )
    ours = 1 - soft_dice(logits, labels, squared=squared)[1:].mean()
    torch.testing.assert_close(ours, theirs(logits, labels[:, None]))


def test_weights_are_those_of_the_hand() -> None:
    labels = torch.tensor([[[0, 0, 0, 0, 0, 1, 1, 1, 2, 2]]])
    inverse = weights_of_classes(labels, 4, "inverse_frequency")
    complement = weights_of_classes(labels, 4, "complement_frequency")
    assert inverse is not None
    assert complement is not None
    np.testing.assert_allclose(inverse, [10 / 20, 10 / 12, 10 / 8, 0], rtol=1e-6)
    np.testing.assert_allclose(complement, [0.5, 0.7, 0.8, 1.0], rtol=1e-6)
    assert weights_of_classes(labels, 4, "none") is None


def test_inverse_frequency_makes_a_rare_class_count_as_much_as_a_frequent_one() -> None:
    logits = torch.randn(1, 2, 10, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[0, 0, :3] = 1
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    expected = (each[labels == 0].mean() + each[labels == 1].mean()) / 2
    torch.testing.assert_close(
        weighted_cross_entropy(logits, labels, "inverse_frequency"), expected
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_that_is_absent_leaves_the_loss_finite(kind: ClassWeights) -> None:
    logits, labels = logits_and_labels()
    logits.requires_grad_()
    loss = cross_entropy_dice(logits, torch.zeros_like(labels), class_weights=kind)
    (slope,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_float32_whatever_the_logits_are(kind: ClassWeights) -> None:
    logits, labels = logits_and_labels()
    coarse = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = cross_entropy_dice(coarse, labels, class_weights=kind)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(
        mixed, cross_entropy_dice(coarse.float(), labels, class_weights=kind)
    )


def slow_generalised_dice(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Go through classes and pixels one by one; weights 1 / n, the rarest's for absent classes."""
    probabilities = slow_probabilities(logits)
    counts = [int((labels == label).sum()) for label in range(CLASSES)]
    rarest = min(count for count in counts if count)
    numerator = denominator = 0.0
    for label, count in enumerate(counts):
        weight = 1 / (count or rarest)
        for image, row, column in np.ndindex(*labels.shape):
            p, y = probabilities[image, label, row, column], labels[image, row, column] == label
            numerator += 2 * weight * p * float(y)
            denominator += weight * (p + float(y))
    return numerator / denominator


def test_an_undecided_prediction_has_the_generalised_dice_of_the_hand() -> None:
    logits, labels = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 0, 1]]])
    # Weights 1/3 and 1; overlaps 3/2 and 1/2; sizes 2 + 3 and 2 + 1.
    expected = 2 * (1.5 / 3 + 0.5) / (5 / 3 + 3)
    assert generalised_dice(logits, labels).item() == pytest.approx(expected)
    loss = cross_entropy_generalised_dice(logits, labels)
    assert loss.item() == pytest.approx(np.log(2) + 1 - expected)


@pytest.mark.parametrize("absent", [(), (1,), (0, 2)])
def test_generalised_dice_is_that_of_the_slow_implementation_and_of_monai(
    absent: tuple[int, ...],
) -> None:
    logits, labels = logits_and_labels()
    present = next(label for label in range(CLASSES) if label not in absent)
    for label in absent:
        labels[labels == label] = present
    found = generalised_dice(logits, labels)
    assert found.item() == pytest.approx(slow_generalised_dice(logits, labels), rel=1e-5)
    theirs = GeneralizedDiceLoss(
        to_onehot_y=True, softmax=True, w_type="simple", smooth_nr=0, smooth_dr=0, batch=True
    )
    torch.testing.assert_close(1 - found, theirs(logits, labels[:, None]))


def test_a_perfect_prediction_has_no_generalised_dice_loss() -> None:
    _, labels = logits_and_labels()
    assert cross_entropy_generalised_dice(certain(labels), labels).item() == pytest.approx(0)


def test_generalised_dice_of_labels_without_foreground_is_finite() -> None:
    logits, labels = logits_and_labels()
    logits.requires_grad_()
    loss = cross_entropy_generalised_dice(logits, torch.zeros_like(labels))
    (slope,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(loss)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() > 0


def test_generalised_dice_is_float32_whatever_the_logits_are() -> None:
    logits, labels = logits_and_labels()
    coarse = logits.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = cross_entropy_generalised_dice(coarse, labels)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, cross_entropy_generalised_dice(coarse.float(), labels))
