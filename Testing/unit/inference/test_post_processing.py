"""Cleaning labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.post_processing import keep_largest_components, post_process


def test_each_class_keeps_its_largest_part() -> None:
    labels = np.zeros((3, 6, 6), np.uint8)
    labels[0, 0, 0:2] = 1
    labels[1, 3:5, 3:5] = 1
    labels[2, 0, 4:6] = 2
    expected = labels.copy()
    expected[0, 0, 0:2] = 0
    assert np.array_equal(keep_largest_components(labels), expected)


def test_parts_that_touch_at_a_corner_only_are_two() -> None:
    labels = np.zeros((1, 4, 4), np.uint8)
    labels[0, 0:2, 0:2] = 3
    labels[0, 2, 2] = 3
    kept = keep_largest_components(labels)
    assert int((kept == 3).sum()) == 4
    assert kept[0, 2, 2] == 0


def largest_by_definition(labels: np.ndarray) -> np.ndarray:
    """Flood each part from its first voxel: slow, and nothing to get wrong."""
    kept = np.zeros_like(labels)
    for value in range(1, int(labels.max()) + 1):
        unseen = {tuple(int(n) for n in index) for index in np.argwhere(labels == value)}
        parts: list[list[tuple[int, ...]]] = []
        while unseen:
            part, pending = [], [min(unseen)]
            unseen.discard(pending[0])
            while pending:
                voxel = pending.pop()
                part.append(voxel)
                for axis, step in itertools.product(range(3), (-1, 1)):
                    neighbour = tuple(n + step * (a == axis) for a, n in enumerate(voxel))
                    if neighbour in unseen:
                        unseen.discard(neighbour)
                        pending.append(neighbour)
            parts.append(part)
        for voxel in max(parts, key=len, default=[]):
            kept[voxel] = value
    return kept


@pytest.mark.parametrize("seed", range(20))
def test_entangled_classes_keep_what_a_second_implementation_keeps(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.choice([0, 1, 2, 4], size=(3, 5, 6)).astype(np.uint8)
    np.testing.assert_array_equal(keep_largest_components(labels), largest_by_definition(labels))


def test_empty_labels_stay_empty() -> None:
    assert not keep_largest_components(np.zeros((2, 2, 2), np.uint8)).any()


def test_nothing_is_done_by_default() -> None:
    labels = Volume(np.ones((2, 2, 2), np.uint8), np.eye(4))
    assert post_process(labels, PostProcessing()) is labels
