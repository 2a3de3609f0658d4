"""Names and codes of structures, and voxels in several of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.errors import LabelError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS, CodedConcept
from CrossModalSegLib.data.structures import (
    MAX_STRUCTURES,
    Membership,
    Structure,
    StructureNames,
    Values,
)

HERE = Path("seg.dcm")
RIGHT = CodedConcept(scheme="SCT", value="24028007", meaning="Right")


def code(value: str, scheme: str = "SCT") -> CodedConcept:
    return CodedConcept(scheme=scheme, value=value, meaning="something")


def structure(
    name: str, kind: CodedConcept | None = None, modifier: CodedConcept | None = None
) -> Structure:
    return Structure(number=1, name=name, type=kind, modifier=modifier)


@pytest.mark.parametrize(
    ("task", "name", "values"),
    [
        ("cardiac", "myo", {1}),
        ("cardiac", "LEFT_ventricle", {3}),
        ("abdomen", "Right Kidney", {2}),
        ("abdomen", "right-kidney", {2}),
        ("brain_tumour", "Whole tumour", {1, 2, 3}),
        ("brain_tumour", "tumor core", {1, 3}),
        ("brain_tumour", "Edema", {2}),
        ("brain_tumour", "ET", {3}),
        ("whole_tumour", "WT", {1}),
        ("abdomen", "kidney", None),
        ("abdomen", "Liver 2", None),
        ("abdomen", "", None),
    ],
)
def test_names_are_those_of_classes_and_regions(
    task: str, name: str, values: set[int] | None
) -> None:
    assert StructureNames(TASKS[task]).of(structure(name), HERE) == values


@pytest.mark.parametrize(
    ("task", "kind", "modifier", "values"),
    [
        ("abdomen", code("10200004"), None, {1}),
        ("abdomen", code("T-62000", "SRT"), None, {1}),  # liver, in older files
        ("abdomen", code("64033007"), RIGHT, {2}),
        ("abdomen", code("64033007"), None, None),  # a kidney, but which
        ("abdomen", code("10200004"), RIGHT, None),  # a lobe of the liver, perhaps
        ("abdomen", code("10200004", "99LOCAL"), None, None),
        ("brain_tumour", code("86049000"), None, None),  # neoplasm: whole, core or enhancing
        ("brain_tumour", code("79654002"), None, {2}),
    ],
)
def test_codes_tell_where_names_do_not(
    task: str, kind: CodedConcept, modifier: CodedConcept | None, values: set[int] | None
) -> None:
    names = StructureNames(TASKS[task])
    assert names.of(structure("Segment 1", kind, modifier), HERE) == values


def test_a_name_and_a_code_that_contradict_each_other_are_refused() -> None:
    names = StructureNames(TASKS["abdomen"])
    with pytest.raises(LabelError, match="named 'spleen' and coded as 'something'"):
        names.of(structure("spleen", code("10200004")), HERE)
    assert names.of(structure("liver", code("10200004")), HERE) == frozenset({1})
    said = StructureNames(TASKS["abdomen"], {"spleen": "spleen"})
    assert said.of(structure("spleen", code("10200004")), HERE) == frozenset({4})


def test_what_is_said_comes_first_and_may_leave_a_structure_out() -> None:
    names = StructureNames(TASKS["cardiac"], {"Herz_Wand": "MYO", "LVC": "", "aorta": "AA"})
    assert names.of_name("herz wand") == frozenset({1})
    assert names.of_name("lvc") == frozenset()
    assert names.of_name("Aorta") == frozenset({4})
    assert names.of_name("LAC") == frozenset({2})
    assert names.of_name("LAC", "aorta") == frozenset({4})
    assert names.of_name("Segment_1", "LAC") == frozenset({2})
    with pytest.raises(UnknownNameError, match="Did you mean 'MYO'"):
        StructureNames(TASKS["cardiac"], {"x": "MYOO"})


def membership(parts: list[Values], *voxels: tuple[int, ...]) -> Membership:
    """Return in which parts each voxel of a row lies."""
    found = Membership((1, 1, len(voxels)), parts)
    for part in range(len(parts)):
        mask = np.array([[[part in entry for entry in voxels]]])
        found.add(part, f"part {part}", mask)
    return found


WT, TC, ET = frozenset({1, 2, 3}), frozenset({1, 3}), frozenset({3})


def test_nested_regions_become_classes() -> None:
    found = membership([ET, WT, TC], (), (1,), (1, 2), (0, 1, 2))
    assert found.labels(HERE).ravel().tolist() == [0, 2, 1, 3]


def test_classes_and_regions_may_be_mixed() -> None:
    found = membership([WT, frozenset({2}), ET], (0, 1), (0, 2), (0,))
    assert found.labels(HERE).ravel().tolist() == [2, 3, 1]


def test_structures_of_one_meaning_are_one() -> None:
    liver = frozenset({1})
    found = membership([liver, liver, frozenset({2})], (0,), (1,), (0, 1), (2,))
    assert found.labels(HERE).ravel().tolist() == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("parts", "voxels", "message"),
    [
        ([frozenset({1}), frozenset({2})], (0, 1), "1 voxels in part 0 and part 1 alone"),
        ([WT, TC], (1,), "1 voxels in part 1 alone"),  # core outside the tumour
        ([WT, ET], (0,), "1 voxels in part 0 alone"),  # core or oedema
    ],
)
def test_what_is_no_class_of_the_task_is_refused(
    parts: list[Values], voxels: tuple[int, ...], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        membership(parts, voxels).labels(HERE)


@pytest.mark.parametrize("count", [8, 9, 17, 33, MAX_STRUCTURES])
def test_many_structures_are_told_apart(count: int) -> None:
    parts = [frozenset({n + 1}) for n in range(count)]
    found = membership(parts, *((n,) for n in range(count)))
    assert found.labels(HERE).ravel().tolist() == list(range(1, count + 1))


def test_more_structures_than_bits_are_refused() -> None:
    with pytest.raises(LabelError, match="at most 64"):
        Membership((1, 1, 1), [frozenset({n}) for n in range(1, MAX_STRUCTURES + 2)])
