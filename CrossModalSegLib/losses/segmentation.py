"""Supervised segmentation losses, computed in float32."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from CrossModalSegLib.core.tensors import Labels, Logits, Scalar

ClassWeights = Literal["none", "inverse_frequency", "complement_frequency"]
"""How classes count in the cross-entropy, by their n_c of the batch's N pixels.

"inverse_frequency": N / (C n_c), divided by the sum of the pixels' weights: the mean over the
classes that are present, of the mean over each one's pixels.
"complement_frequency": 1 - n_c / N, divided by N (SIFA's public code, losses.py).
"""


def cross_entropy_dice(
    logits: Logits, labels: Labels, *, class_weights: ClassWeights = "none"
) -> Scalar:
    """Return cross-entropy plus one minus the mean soft Dice of the foreground classes.

    DSAN, Eqs. 7 and 8 (after SIFA). Dice pools the batch; a class that is absent from labels and
    prediction counts as found.
    """
    dice = soft_dice(logits, labels)
    return weighted_cross_entropy(logits, labels, class_weights) + 1 - dice[1:].mean()


def cross_entropy_generalised_dice(logits: Logits, labels: Labels) -> Scalar:
    """Return cross-entropy plus one minus the generalised Dice (BiGL, Eq. 4).

    The minus that the equation prints in front of both belongs to the cross-entropy alone.
    """
    return weighted_cross_entropy(logits, labels) + 1 - generalised_dice(logits, labels)


def generalised_dice(logits: Logits, labels: Labels) -> Scalar:
    """Return the generalised Dice of the batch, all classes together, background included.

    C. Sudre et al. 2017, https://arxiv.org/abs/1707.03237, Sec. 2.2, with BiGL's weights
    w_i = 1 / n_i for the n_i pixels of class i (Sudre: 1 / n_i^2), in numerator and denominator.
    A class that is absent counts as much as the rarest that is there.
    """
    probabilities = logits.float().softmax(dim=1)
    truth = F.one_hot(labels.long(), logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    counts = truth.sum(dim=(0, 2, 3))
    rarest = torch.where(counts > 0, counts, torch.inf).min()
    weights = 1 / torch.where(counts > 0, counts, rarest)
    overlap = (probabilities * truth).sum(dim=(0, 2, 3))
    size = (probabilities + truth).sum(dim=(0, 2, 3))
    return 2 * (weights * overlap).sum() / (weights * size).sum()


def weighted_cross_entropy(logits: Logits, labels: Labels, kind: ClassWeights = "none") -> Scalar:
    """Return the cross-entropy, each class counting by its weight."""
    logits, labels = logits.float(), labels.long()
    weight = weights_of_classes(labels, logits.shape[1], kind)
    if kind == "complement_frequency":
        return F.cross_entropy(logits, labels, weight, reduction="none").mean()
    return F.cross_entropy(logits, labels, weight)


def soft_dice(
    logits: Logits, labels: Labels, *, smooth: float = 1.0, squared: bool = False
) -> Tensor:
    """Return the soft Dice of each class, shape (classes,).

    Args:
        logits: Class scores.
        labels: Class indices.
        smooth: Added to numerator and denominator; SIFA's code adds 1e-7 to the latter alone.
        squared: Whether the denominator sums squared probabilities (Milletari et al. 2016,
            https://arxiv.org/abs/1606.04797, Sec. 3; SIFA's code), not the probabilities.
    """
    probabilities = logits.float().softmax(dim=1)
    truth = F.one_hot(labels.long(), logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    overlap = (probabilities * truth).sum(dim=(0, 2, 3))
    predicted = probabilities.square() if squared else probabilities
    size = (predicted + truth).sum(dim=(0, 2, 3))
    return (2 * overlap + smooth) / (size + smooth)


def weights_of_classes(labels: Labels, classes: int, kind: ClassWeights) -> Tensor | None:
    """Return the weight of each class in the cross-entropy, shape (classes,), or None for equal."""
    if kind == "none":
        return None
    counts = torch.bincount(labels.flatten(), minlength=classes).float()
    if kind == "complement_frequency":
        return 1 - counts / counts.sum()
    return torch.where(counts > 0, counts.sum() / (classes * counts.clamp(min=1)), 0.0)
