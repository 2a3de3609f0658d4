"""Agreement of a result with those of slightly changed images."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.tasks import TASKS, Region
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference import agreement
from CrossModalSegLib.inference.agreement import (
    count_agreement,
    predicted_dice,
    warn_of_little,
)
from CrossModalSegLib.inference.ensemble import Ensemble
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.methods.base import Method

REGIONS = TASKS["cardiac"].regions


def smooth_image(size: tuple[int, int] = (32, 40)) -> Tensor:
    noise = np.random.default_rng(0).normal(size=size)
    image = ndimage.gaussian_filter(noise, 4)
    return torch.from_numpy((image / np.abs(image).max()).astype(np.float32))[None, None]


def test_moved_slices_come_back_to_their_place() -> None:
    images = smooth_image()
    for matrix in (
        agreement._matrix(math.radians(8.0), 1.0, (0.0, 0.0)),
        agreement._matrix(0.0, 1.08, (3.0, -3.0)),
    ):
        back = agreement._moved(lambda x: x, images, matrix)
        inner = (..., slice(8, -8), slice(8, -8))
        moved = agreement._sampled(images, matrix)
        assert not torch.allclose(moved[inner], images[inner], atol=0.1)
        torch.testing.assert_close(back[inner], images[inner], atol=0.05, rtol=0)


def test_a_turn_keeps_angles_and_lengths_in_slices_that_are_not_square() -> None:
    images = torch.zeros(1, 1, 40, 60)
    images[0, 0, 19, 10:50] = 1.0  # a line of 40 pixels along the middle row
    turned = agreement._sampled(images, agreement._matrix(math.radians(90.0), 1.0, (0.0, 0.0)))
    column = turned[0, 0, :, 29:31].sum(dim=1)
    assert float(column.sum()) == pytest.approx(40, abs=1)
    assert float(turned.sum()) == pytest.approx(40, abs=1.5)


def test_counts_become_the_mean_dice_of_each_region() -> None:
    regions = [REGIONS[0], REGIONS[1], REGIONS[2]]
    counts = np.zeros((2, 2, 3, 3), np.float32)  # slice, copy, region, (both, own, other)
    counts[0, 0, 0] = (3, 4, 5)
    counts[1, 0, 0] = (1, 2, 5)  # together 4 of 6 and 10: 8 / 16
    counts[0, 1, 0] = (6, 6, 6)
    counts[0, 0, 1] = (0, 0, 7)  # found in a copy alone
    found = predicted_dice(counts, regions)
    assert found == {"MYO": 0.75, "LAC": 0.0, "LVC": None, "mean": 0.375}
    nothing = predicted_dice(np.zeros((2, 2, 3, 3), np.float32), regions)
    assert set(nothing.values()) == {None}


def test_a_model_that_ignores_the_image_agrees_with_itself(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fixed(images: Tensor) -> Tensor:
        one_hot: Tensor = torch.eye(5)[torch.full(images.shape[:1] + images.shape[2:], 2)]
        return one_hot.permute(0, 3, 1, 2)

    monkeypatch.setattr(method, "predict", fixed)
    counts = count_agreement(REGIONS)(method, smooth_image()).numpy()
    assert counts.shape == (1, 3, 4, 3)
    assert predicted_dice(iter(counts), REGIONS) == {
        "MYO": None,
        "LAC": 1.0,
        "LVC": None,
        "AA": None,
        "mean": 1.0,
    }


def test_structures_that_noise_destroys_agree_less(
    method: Method, config: BundleConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def above_the_middle(images: Tensor) -> Tensor:
        inside = (images > 0).float()
        return torch.cat([1 - inside, inside, *[torch.zeros_like(inside)] * 3], dim=1)

    monkeypatch.setattr(method, "predict", above_the_middle)
    sign = np.sign(smooth_image((24, 24))[0, 0].numpy())
    predictor = Predictor(method, config, device="cpu", precision="32-true")
    steady, shaky = (
        predictor.segment(
            Volume(np.repeat((2 + height * sign)[:, None], 3, axis=1), np.eye(4)),
            wishes=Wishes(quality=True),
        )
        for height in (1.6, 0.02)
    )
    assert steady.predicted_dice is not None
    assert shaky.predicted_dice is not None
    assert (steady.predicted_dice["mean"] or 0) > 0.85 > (shaky.predicted_dice["mean"] or 0)
    assert steady.warnings == ()
    assert [notice.kind for notice in shaky.warnings] == ["unstable_result"]


def test_it_is_not_computed_unasked_and_is_about_what_is_wanted(
    method: Method, config: BundleConfig, make_volume: Callable[..., Volume]
) -> None:
    volume = make_volume((6, 4, 6))
    predictor = Predictor(method, config, device="cpu", batch_size=3)
    assert predictor.segment(volume).predicted_dice is None
    wishes = Wishes(quality=True, structures=("AA", "MYO"))
    found = predictor.segment(volume, wishes=wishes).predicted_dice
    assert found is not None
    assert list(found) == ["MYO", "AA", "mean"]
    several = Ensemble([predictor, predictor]).segment(volume, wishes=wishes).predicted_dice
    assert several == pytest.approx(found)


def test_batches_of_any_size_count_alike(
    method: Method, config: BundleConfig, make_volume: Callable[..., Volume]
) -> None:
    volume, wishes = make_volume((6, 5, 6)), Wishes(quality=True)
    found = [
        Predictor(method, config, device="cpu", precision="32-true", batch_size=size)
        .segment(volume, wishes=wishes)
        .predicted_dice
        for size in (1, 2, 5)
    ]
    assert found[0] == found[1] == found[2]


def test_nested_regions_are_compared_as_regions() -> None:
    outer = Region(name="A", label="A", values=(1, 2), colour=(1, 1, 1))
    masks = agreement._masks(torch.eye(3)[None, :, :, None], [outer])
    assert masks[0, 0, :, 0].tolist() == [False, True, True]


def test_only_little_agreement_is_warned_of() -> None:
    assert warn_of_little({"mean": None}) is None
    assert warn_of_little({"mean": 0.9}) is None
    notice = warn_of_little({"mean": 0.5})
    assert notice is not None
    assert "a Dice of 0.50 with itself" in notice.message
