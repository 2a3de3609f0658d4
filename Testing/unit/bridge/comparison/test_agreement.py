"""Disagreement between label maps, against hand numbers and a voxel-by-voxel second count."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.agreement import ALL, measure_disagreement
from CrossModalSegLib.core.geometry import reorient
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume

TASK = TASKS["brain_tumour"]  # nested: regions overlap
SHAPE = (5, 6, 7)


@pytest.fixture
def grid() -> Volume:
    return Volume(np.zeros(SHAPE, np.uint8), np.diag([1.0, 2.0, 3.0, 1.0]))


@pytest.fixture
def methods() -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    return {name: rng.integers(0, 4, SHAPE).astype(np.uint8) for name in ("a", "b", "c", "d")}


def test_the_map_is_the_share_of_pairs_that_differ(
    methods: dict[str, NDArray[np.uint8]], grid: Volume
) -> None:
    percent = measure_disagreement(methods, None, TASK, grid).percent.array_kji
    for index in np.ndindex(SHAPE):
        pairs = list(combinations([labels[index] for labels in methods.values()], 2))
        expected = 100 * sum(first != second for first, second in pairs) / len(pairs)
        assert percent[index] == round(expected)


def test_against_a_reference_it_is_the_share_of_methods_that_differ_from_it(
    methods: dict[str, NDArray[np.uint8]], grid: Volume
) -> None:
    reference = methods.pop("d")
    found = measure_disagreement(methods, reference, TASK, grid)
    assert found.is_against_reference
    wrong = sum((labels != reference).astype(int) for labels in methods.values())
    assert np.array_equal(found.percent.array_kji, np.rint(100 * wrong / 3))
    for axis, others in enumerate([(0, 1), (0, 2), (1, 2)]):  # i, j, k
        own = (methods["a"] != reference).sum(axis=others)
        assert np.array_equal(found.profiles["a", ALL][axis], own)
        assert np.array_equal(found.profiles[ALL, ALL][axis], wrong.sum(axis=others))


def test_a_nested_structure_is_what_all_its_classes_cover(
    methods: dict[str, NDArray[np.uint8]], grid: Volume
) -> None:
    found = measure_disagreement(methods, None, TASK, grid)
    core = {name: np.isin(labels, (1, 3)) for name, labels in methods.items()}
    expected = sum((core["a"] != core[other]).astype(int) for other in "bcd")
    assert np.array_equal(found.profiles["a", "TC"][2], expected.sum(axis=(1, 2)))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SAL"])
def test_the_largest_slice_is_found_along_patient_directions(orientation: str) -> None:
    first = np.zeros((8, 9, 10), np.uint8)  # k: S, j: A, i: R
    second = first.copy()
    second[2, 3:7, 4:9] = 1  # 20 voxels in one axial slice
    second[6, 3, 4] = 1
    turned = [reorient(Volume(a, np.eye(4)), orientation) for a in (first, second)]
    methods = {"a": turned[0].array_kji, "b": turned[1].array_kji}
    found = measure_disagreement(methods, None, TASKS["whole_tumour"], turned[0])
    index = found.largest_slice("axial")
    centre = np.argwhere(found.percent.array_kji == 100)[:, ::-1].mean(axis=0)
    axis = int(np.argmax(np.abs(turned[0].affine_ras[2, :3])))
    assert index is not None
    at = centre.copy()
    at[axis] = index
    assert (turned[0].affine_ras @ [*at, 1.0])[2] == 2.0
    assert found.differing_ml == pytest.approx(0.021)


def test_methods_that_agree_have_no_largest_slice(grid: Volume) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3] = 2
    found = measure_disagreement({"a": labels, "b": labels.copy()}, None, TASK, grid)
    assert found.largest_slice("axial") is None
    assert found.differing_ml == 0
    nothing = measure_disagreement({"a": labels * 0, "b": labels * 0}, None, TASK, grid)
    assert nothing.largest_slice("coronal", method="a", structure="WT") is None
