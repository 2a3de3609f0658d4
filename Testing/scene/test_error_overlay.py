"""Missed and extra voxels, and structures that were taken for another one."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.comparison_labels import ComparisonLabels
from CrossModalSegLib.bridge.comparison.error_overlay import (
    CONFUSED,
    EXTRA,
    KINDS,
    MISSED,
    error_map,
)
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import add_volume, compare


@pytest.fixture
def sampled(session: HeadlessScene, plain_grid: Volume) -> ComparisonLabels:
    """A method that has one voxel of each kind of error, and one that is right."""
    true = np.zeros(plain_grid.shape_kji, np.uint8)
    true[20, 20, 20:24] = [1, 1, 2, 3]
    found = true.copy()
    found[20, 20, 20], found[20, 20, 22], found[30, 30, 30] = 0, 3, 4
    labels = [plain_grid.with_array(array) for array in (found, true)]
    comparison = compare(add_volume(session, plain_grid), labels, labels[1])
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    return sampled


def _places(errors: object, value: int) -> list[tuple[int, ...]]:
    return [
        tuple(int(each) for each in place) for place in np.argwhere(np.asarray(errors) == value)
    ]


def test_each_kind_of_error_is_where_it_is(sampled: ComparisonLabels) -> None:
    errors = error_map(sampled, "m1")
    assert _places(errors, MISSED.value) == [(20, 20, 20)]
    assert _places(errors, EXTRA.value) == [(30, 30, 30)]
    assert _places(errors, CONFUSED.value) == [(20, 20, 22)]
    assert not error_map(sampled, "m2").any()


def test_of_one_structure_all_else_is_background(sampled: ComparisonLabels) -> None:
    of_left_ventricle = error_map(sampled, "m1", "LVC")
    assert _places(of_left_ventricle, EXTRA.value) == [(20, 20, 22)]
    assert not (of_left_ventricle == MISSED.value).any()
    of_left_atrium = error_map(sampled, "m1", "LAC")
    assert _places(of_left_atrium, MISSED.value) == [(20, 20, 22)]
    assert not np.isin(of_left_atrium, (EXTRA.value, CONFUSED.value)).any()


def test_the_colours_differ_without_red_and_green() -> None:
    for first in KINDS:
        for second in KINDS:
            if first is not second:
                # Luma and blue are what people see who do not tell red from green.
                luma = abs(np.dot(np.subtract(first.colour, second.colour), (0.3, 0.59, 0.11)))
                blue = abs(first.colour[2] - second.colour[2])
                assert luma + blue > 60
