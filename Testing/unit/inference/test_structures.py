"""Some structures and not others."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.structures import choose_structures, count_voxels, keep_structures

BRAIN = TASKS["brain_tumour"]


def line(*values: int) -> Volume:
    return Volume(np.array(values, np.uint8).reshape(1, 1, -1), np.eye(4))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}),
        (("TC",), {"TC": (1, 3)}),
        (("ED", "TC", "TC"), {"TC": (1, 3), "ED": (2,)}),
        (("ET",), {"ET": (3,)}),
    ],
)
def test_names_are_those_of_regions_and_of_classes(
    names: tuple[str, ...], expected: dict[str, tuple[int, ...]]
) -> None:
    assert {entry.name: entry.values for entry in choose_structures(BRAIN, names)} == expected


def test_a_region_comes_before_the_class_of_its_name() -> None:
    (chosen,) = choose_structures(BRAIN, ["ET"])
    assert chosen is BRAIN.region("ET")


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="No structure of task 'brain_tumour' 'LVC'") as got:
        choose_structures(BRAIN, ["TC", "LVC"])
    assert all(name in got.value.hint for name in ("WT", "TC", "ET", "NCR", "ED"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("WT",), (0, 1, 2, 3)),
        (("TC",), (0, 1, 0, 3)),
        (("ET",), (0, 0, 0, 3)),
        (("ED", "ET"), (0, 0, 2, 3)),
    ],
)
def test_of_nested_regions_the_classes_stay_that_the_chosen_ones_need(
    names: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    kept = keep_structures(line(0, 1, 2, 3), choose_structures(BRAIN, names))
    assert kept.array_kji.dtype == np.uint8
    assert kept.array_kji.ravel().tolist() == list(expected)


def test_regions_that_overlap_count_their_classes() -> None:
    labels = line(0, 1, 1, 2, 2, 2, 3, 3, 3, 3)
    assert count_voxels(labels, BRAIN.regions) == {"WT": 9, "TC": 6, "ET": 4}
