"""Cleaning labels."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tasks import TASKS, Region, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.post_processing import changed_rules, post_process
from CrossModalSegLib.inference.structures import keep_structures

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]

LARGEST = PostProcessing(largest_component=True)


def keep_largest_components(labels: np.ndarray) -> np.ndarray:
    return post_process(Volume(labels, np.eye(4)), LARGEST, CARDIAC).array_kji


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
    assert post_process(labels, PostProcessing(), CARDIAC) is labels


def test_parts_that_are_too_small_are_removed_by_their_size_in_ml() -> None:
    labels = np.zeros((1, 6, 6), np.uint8)
    labels[0, 0, 0:4] = 1
    labels[0, 3, 0:5] = 1
    labels[0, 5, 0] = 2
    volume = Volume(labels, np.diag([2.0, 2.0, 2.5, 1.0]))  # 0.01 mL a voxel
    kept = post_process(volume, PostProcessing(minimum_ml=0.05), CARDIAC).array_kji
    expected = np.zeros_like(labels)
    expected[0, 3, 0:5] = 1
    assert np.array_equal(kept, expected)
    assert np.array_equal(volume.array_kji, labels)  # what was given is not changed


def tumours() -> np.ndarray:
    """Return a large tumour with two enhancing parts, and a small one beside it."""
    labels = np.zeros((5, 9, 14), np.uint8)
    labels[0:5, 0:7, 0:8] = 2
    labels[1:4, 1:6, 1:7] = 1
    labels[2, 2, 2:6] = 3
    labels[2, 4, 4] = 3
    labels[0, 0, 0] = 1  # a speck of core in the oedema
    labels[2, 8, 10:12] = 3
    labels[2, 8, 12] = 1
    return labels


@pytest.mark.parametrize("rules", [LARGEST, PostProcessing(minimum_ml=0.004)])
def test_what_is_taken_from_a_nested_region_stays_in_the_one_around_it(
    rules: PostProcessing,
) -> None:
    labels = tumours()
    expected = labels.copy()
    expected[2, 4, 4] = 1  # enhancing tumour to core
    expected[0, 0, 0] = 2  # core to oedema
    expected[2, 8, 10:13] = 0  # the small tumour to background
    kept = post_process(Volume(labels, np.eye(4)), rules, TUMOUR)
    assert np.array_equal(kept.array_kji, expected)


def regions_hold_each_other(labels: np.ndarray, task: Task) -> bool:
    masks = [np.isin(labels, region.values) for region in task.regions]
    return all(not (inner & ~outer).any() for outer, inner in itertools.pairwise(masks))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("structures", [("WT", "TC", "ET"), ("TC", "ET"), ("ET",), ("WT",)])
def test_regions_stay_nested_and_subsets_are_those_of_the_whole(
    seed: int, structures: tuple[str, ...]
) -> None:
    shares = np.random.default_rng(seed).choice(4, size=(4, 9, 9), p=(0.4, 0.2, 0.3, 0.1))
    labels = Volume(shares.astype(np.uint8), np.eye(4))
    cleaned = post_process(labels, PostProcessing(minimum_ml=0.003), TUMOUR)
    assert not np.array_equal(cleaned.array_kji, labels.array_kji)
    assert regions_hold_each_other(cleaned.array_kji, TUMOUR)
    wanted = [TUMOUR.region(name) for name in structures]
    subset = keep_structures(cleaned, wanted)
    assert regions_hold_each_other(subset.array_kji, TUMOUR)
    for region in wanted:
        whole = np.isin(cleaned.array_kji, region.values)
        assert np.array_equal(np.isin(subset.array_kji, region.values), whole)


def test_regions_of_equal_classes_and_gaps_between_them_have_a_defined_remainder() -> None:
    colour = (1, 2, 3)
    outer = Region(name="A", label="A", values=(1, 2, 3), colour=colour)
    inner = Region(name="B", label="B", values=(3,), colour=colour)
    task = replace(TUMOUR, regions=(outer, outer, inner))
    labels = np.full((1, 3, 3), 2, np.uint8)
    labels[0, 1, 1] = 3
    cleaned = post_process(Volume(labels, np.eye(4)), PostProcessing(minimum_ml=0.002), task)
    assert cleaned.array_kji[0, 1, 1] == 1  # the lowest class of the region around it


def test_users_change_the_bundles_rules_one_by_one() -> None:
    own = PostProcessing(largest_component=True, minimum_ml=2.0)
    assert changed_rules(own, largest_component=None, minimum_ml=None) == own
    changed = changed_rules(own, largest_component=False, minimum_ml=None)
    assert changed == PostProcessing(largest_component=False, minimum_ml=2.0)
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="0 or more"):
            changed_rules(own, largest_component=None, minimum_ml=wrong)
