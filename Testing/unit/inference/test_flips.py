"""Test-time flips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.inference.flips import flipped_dims, with_flips

BRAIN, CARDIAC = TASKS["brain_tumour"], TASKS["cardiac"]


@pytest.mark.parametrize(
    ("slicing", "names", "expected"),
    [
        ("axial", (), ()),
        ("axial", ("left-right",), ((-1,),)),
        ("axial", ("anterior-posterior",), ((-2,),)),
        ("axial", ("left-right", "anterior-posterior"), ((-1,), (-2,), (-1, -2))),
        ("coronal", ("left-right",), ((-1,),)),
        ("coronal", ("superior-inferior", "left-right"), ((-2,), (-1,), (-2, -1))),
        ("sagittal", ("anterior-posterior",), ((-1,),)),
        ("sagittal", ("superior-inferior",), ((-2,),)),
        ("axial", ("left-right", "left-right"), ((-1,),)),
    ],
)
def test_axes_of_the_patient_become_dimensions_of_slices(
    slicing: Any, names: tuple[str, ...], expected: tuple[tuple[int, ...], ...]
) -> None:
    assert flipped_dims(names, BRAIN, slicing) == expected


@pytest.mark.parametrize(
    ("slicing", "name"),
    [
        ("axial", "superior-inferior"),
        ("coronal", "anterior-posterior"),
        ("sagittal", "left-right"),
    ],
)
def test_a_flip_across_the_slices_is_refused(slicing: Any, name: str) -> None:
    with pytest.raises(ConfigError, match=r"would change nothing.*Within these slices lie"):
        flipped_dims([name], BRAIN, slicing)


def test_sides_are_not_mixed_up() -> None:
    with pytest.raises(ConfigError, match="'abdomen' has a right and a left"):
        flipped_dims(["left-right"], TASKS["abdomen"], "axial")
    assert flipped_dims(["anterior-posterior"], TASKS["abdomen"], "axial")
    plain = tuple(replace(entry, terminology=None) for entry in CARDIAC.classes)
    assert flipped_dims(["left-right"], replace(CARDIAC, classes=plain), "coronal")


def test_unknown_axes_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="'left'"):
        flipped_dims(["left"], BRAIN, "axial")


def test_the_mean_is_over_all_flips_brought_back() -> None:
    images = torch.rand(2, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    ramp = torch.linspace(0, 1, 20).reshape(4, 5)  # where something lies counts

    def predict(x: Tensor) -> Tensor:
        return torch.cat([x * ramp, x + ramp], dim=1)

    flips = ((-1,), (-2,), (-1, -2))
    found = with_flips(predict(images), predict, images, flips)
    mean = (ramp + ramp.flip(-1) + ramp.flip(-2) + ramp.flip(-1, -2)) / 4
    torch.testing.assert_close(found, torch.cat([images * mean, images + mean], dim=1))
    torch.testing.assert_close(with_flips(predict(images), predict, images, ()), predict(images))
