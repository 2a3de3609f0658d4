"""The label-free score, by hand."""

from __future__ import annotations

import contextlib
import math

import pytest
import torch
from torch import nn

from CrossModalSegLib.core.tensors import Images, Logits
from CrossModalSegLib.methods.base import Method, MethodConfig, Stage
from CrossModalSegLib.training.selection import label_free_score
from CrossModalSegLib.training.slices import ValidationSlices


class Thresholds(Method):
    """Class 1 where the image is above 0, as certain as `certainty`."""

    title = "Thresholds"
    config_class = MethodConfig

    def __init__(self, certainty: float) -> None:
        super().__init__()
        self.config = MethodConfig(num_classes=2, iterations=1)
        self.margin = nn.Parameter(torch.tensor(math.log(certainty / (1 - certainty))))

    @property
    def deployed(self) -> tuple[str, ...]:
        """Nothing is kept as a network."""
        return ()

    def stages(self) -> tuple[Stage, ...]:
        """Nothing is trained."""
        return ()

    def logits(self, x_t: Images) -> Logits:
        """Return plus or minus half the margin."""
        sign = torch.where(x_t > 0, 0.5, -0.5)
        return torch.cat([-sign, sign], dim=1) * self.margin


def slices(x_t: torch.Tensor | None) -> ValidationSlices:
    """Return two 2x2 slices: the model finds 3 of 4 foreground pixels and one too many."""
    x_s = torch.tensor([[[1.0, 1.0], [1.0, -1.0]], [[1.0, -1.0], [-1.0, -1.0]]])[:, None]
    y_s = torch.tensor([[[1, 1], [1, 1]], [[0, 0], [0, 0]]])
    return ValidationSlices(x_s=x_s, y_s=y_s, x_t=x_t, shown=(x_s, x_s))


def test_the_score_is_source_dice_minus_half_the_targets_doubt() -> None:
    x_t = torch.randn(3, 1, 2, 2)
    score = label_free_score(Thresholds(0.8), slices(x_t), contextlib.nullcontext, batch_size=1)
    assert score.source_dice == pytest.approx(2 * 3 / (4 + 4))
    assert score.pseudo_label_loss == pytest.approx(-math.log(0.8), rel=1e-5)
    assert score.total == pytest.approx(0.75 + 0.5 * math.log(0.8), rel=1e-5)


def test_more_certain_target_predictions_score_higher() -> None:
    x_t = torch.randn(3, 1, 2, 2)
    scores = [
        label_free_score(Thresholds(certainty), slices(x_t), contextlib.nullcontext, batch_size=2)
        for certainty in (0.6, 0.9)
    ]
    assert scores[0].total < scores[1].total


def test_a_method_that_does_not_use_the_target_is_scored_on_the_source_alone() -> None:
    score = label_free_score(Thresholds(0.6), slices(None), contextlib.nullcontext, batch_size=4)
    assert score.total == score.source_dice


def test_the_size_of_the_batch_changes_nothing() -> None:
    x_t = torch.randn(5, 1, 2, 2)
    totals = {
        round(label_free_score(Thresholds(0.7), slices(x_t), contextlib.nullcontext, size).total, 6)
        for size in (1, 2, 5, 100)
    }
    assert len(totals) == 1


def test_source_slices_are_shown_to_the_model_in_the_style_that_it_learns() -> None:
    inverted = slices(None)
    score = label_free_score(
        Thresholds(0.6), inverted, contextlib.nullcontext, batch_size=1, view=torch.neg
    )
    assert score.source_dice == pytest.approx(2 * 1 / (4 + 4))  # 1 of 4 found, 3 too many
