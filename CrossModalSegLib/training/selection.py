"""Which model to keep, decided without a single target label.

The score is that of MAPSeg (Zhang et al., CVPR 2024, https://arxiv.org/abs/2303.09373): Dice on
labelled source validation slices, minus half the loss of the target predictions against their own
pseudo-labels. A method that never looks at the target is scored on the source alone. A method whose
segmenter learns translated source slices alone (GLUA) is scored on such slices: it was never asked
to segment the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from CrossModalSegLib.core.tensors import Images
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.training.slices import ValidationSlices

PSEUDO_LABEL_WEIGHT = 0.5
"""Weight of the target's term."""


@dataclass(frozen=True)
class LabelFreeScore:
    """The parts of the score and their sum."""

    source_dice: float
    pseudo_label_loss: float

    @property
    def total(self) -> float:
        """Higher is better."""
        return self.source_dice - PSEUDO_LABEL_WEIGHT * self.pseudo_label_loss

    def as_metrics(self) -> dict[str, float]:
        """Return the parts by the names they have in the journal."""
        return {
            "label_free_score": self.total,
            "source_validation_dice": self.source_dice,
            "target_pseudo_label_loss": self.pseudo_label_loss,
        }


def _as_they_are(x_s: Images) -> Images:
    return x_s


@torch.no_grad()
def label_free_score(
    model: Method,
    slices: ValidationSlices,
    autocast: Callable[[], AbstractContextManager[None]],
    batch_size: int,
    view: Callable[[Images], Images] = _as_they_are,
) -> LabelFreeScore:
    """Score a model without target labels.

    Args:
        model: The networks that would be deployed.
        slices: Fixed slices; they have no target labels.
        autocast: The precision's context.
        batch_size: Slices at once.
        view: Brings source slices into the style in which the segmenter learns them
            (`Method.learned_view` of the networks in training).
    """
    classes = model.config.num_classes
    overlap, size = torch.zeros(classes), torch.zeros(classes)
    labels = _batches(slices.y_s, batch_size)
    for probabilities, label in zip(
        _predictions(model, slices.x_s, autocast, batch_size, view), labels, strict=True
    ):
        predicted = torch.nn.functional.one_hot(probabilities.argmax(dim=1), classes).bool()
        reference = torch.nn.functional.one_hot(label, classes).bool()
        overlap += (predicted & reference).sum(dim=(0, 1, 2))
        size += predicted.sum(dim=(0, 1, 2)) + reference.sum(dim=(0, 1, 2))
    present = size[1:] > 0
    dice = (2 * overlap[1:][present] / size[1:][present]).mean().item() if present.any() else 0.0

    loss = 0.0
    if slices.x_t is not None:
        confidences = [
            probabilities.amax(dim=1).clamp(min=1e-6).log().neg().flatten()
            for probabilities in _predictions(model, slices.x_t, autocast, batch_size)
        ]
        loss = torch.cat(confidences).mean().item()
    return LabelFreeScore(source_dice=dice, pseudo_label_loss=loss)


def _predictions(
    model: Method,
    images: Images,
    autocast: Callable[[], AbstractContextManager[None]],
    batch_size: int,
    view: Callable[[Images], Images] = _as_they_are,
) -> Iterator[Tensor]:
    device = next(model.parameters()).device
    for batch in _batches(images, batch_size):
        with autocast():
            probabilities = model.predict(view(batch.to(device)))
        yield probabilities.float().cpu()


def _batches(tensor: Tensor, batch_size: int) -> list[Tensor]:
    return [tensor[start : start + batch_size] for start in range(0, len(tensor), batch_size)]
