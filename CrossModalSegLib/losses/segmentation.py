"""Supervised segmentation losses, computed in float32."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from CrossModalSegLib.core.tensors import Labels, Logits, Scalar

ClassWeights = Literal["none", "inverse_frequency", "complement_frequency"]
"""How classes count in the cross-entropy.

"inverse_frequency": N / (C n_c), of the batch; absent classes count nothing.
"complement_frequency": 1 - n_c / N, as SIFA's code.
"""


def cross_entropy_dice(
    logits: Logits, labels: Labels, *, class_weights: ClassWeights = "none"
) -> Scalar:
    """Return cross-entropy plus one minus the mean soft Dice of the foreground classes.

    DSAN, Eqs. 7 and 8 (after SIFA). Dice pools the batch; a class that is absent from labels and
    prediction counts as found.
    """
    logits, labels = logits.float(), labels.long()
    weight = weights_of_classes(labels, logits.shape[1], class_weights)
    return F.cross_entropy(logits, labels, weight) + 1 - soft_dice(logits, labels)[1:].mean()


def soft_dice(logits: Logits, labels: Labels, smooth: float = 1.0) -> Tensor:
    """Return the soft Dice of each class, shape (classes,)."""
    probabilities = logits.float().softmax(dim=1)
    truth = F.one_hot(labels.long(), logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    overlap = (probabilities * truth).sum(dim=(0, 2, 3))
    size = (probabilities + truth).sum(dim=(0, 2, 3))
    return (2 * overlap + smooth) / (size + smooth)


def weights_of_classes(labels: Labels, classes: int, kind: ClassWeights) -> Tensor | None:
    """Return the weight of each class in the cross-entropy, shape (classes,), or None for equal."""
    if kind == "none":
        return None
    counts = torch.bincount(labels.flatten(), minlength=classes).float()
    if kind == "complement_frequency":
        return 1 - counts / counts.sum()
    return torch.where(counts > 0, counts.sum() / (classes * counts.clamp(min=1)), 0.0)
