"""Cleaning labels."""

from __future__ import annotations

import numpy as np

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


def test_empty_labels_stay_empty() -> None:
    assert not keep_largest_components(np.zeros((2, 2, 2), np.uint8)).any()


def test_nothing_is_done_by_default() -> None:
    labels = Volume(np.ones((2, 2, 2), np.uint8), np.eye(4))
    assert post_process(labels, PostProcessing()) is labels
