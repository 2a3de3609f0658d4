"""Slices that repeat are computed once, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.inference.repeats import Repeats

Slices = NDArray[np.float32]


def stack(*values: float | None) -> Slices:
    """One slice a value, constant; None: of noise."""
    noise = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    return np.stack([noise if v is None else np.full((4, 5), v, np.float32) for v in values])


@pytest.mark.parametrize(
    ("slices", "kept", "source"),
    [
        (stack(-1, -1, None, -1), [0, 2], [0, 0, 1, 0]),
        (stack(-1, 1, -1, 1), [0, 1], [0, 1, 0, 1]),
        (stack(None, None), [0, 1], [0, 1]),  # equal, but no air: not compared
        (stack(0), [0], [0]),
    ],
)
def test_constant_slices_of_one_value_are_kept_once(
    slices: Slices, kept: list[int], source: list[int]
) -> None:
    for stacked in (slices, slices[:, None]):
        repeats = Repeats(stacked)
        assert repeats.kept.tolist() == kept
        assert repeats.source.tolist() == source
        assert np.array_equal(repeats.without(stacked)[repeats.source], stacked)


def test_every_channel_counts() -> None:
    air, bone = stack(-1, -1), stack(-1, 1)
    slices = np.stack([air, bone], axis=1)
    assert Repeats(slices).kept.tolist() == [0, 1]
    slices = np.stack([air, air], axis=1)
    assert Repeats(slices).kept.tolist() == [0]


def test_what_was_computed_goes_to_every_slice_in_order() -> None:
    slices = stack(-1, None, -1, 0, -1, 0)
    repeats = Repeats(slices)
    asked: list[int] = []

    def compute(index: int) -> Slices:
        asked.append(index)
        result: Slices = slices[index] * 2
        return result

    spread = list(repeats.spread(compute(index) for index in repeats.kept.tolist()))
    assert asked == [0, 1, 3]
    assert np.array_equal(np.stack(spread), slices * 2)
