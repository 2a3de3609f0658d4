"""Reading prepared cohorts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.core.errors import CohortError, LeakageError
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort import Cohort, require_disjoint_subjects, require_labelled
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort

CohortMaker = Callable[..., Cohort]


def edit(cohort: Cohort, change: Callable[[dict[str, Any]], object]) -> Path:
    path = cohort.folder / "cohort.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return cohort.folder


def test_a_cohort_reads_back_as_it_was_written(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(2))
    again = Cohort.open(cohort.folder)
    assert again.record == cohort.record
    assert again.content_hash == cohort.content_hash
    again.verify()


def test_arrays_are_read_only_maps_with_slices_first(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    images = cohort.images(cohort.cases[0])
    assert images.flags.c_contiguous
    assert not images.flags.owndata
    assert not images.flags.writeable
    assert images.shape == cohort.cases[0].shape
    assert np.abs(images).max() <= 1


def test_files_are_not_held_open(make_cohort: CohortMaker) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("open files are counted in /proc")
    before = len(list(descriptors.iterdir()))
    cohort = make_cohort("a", range(3))
    values = [float(cohort.images(case)[0, 0, 0]) for case in cohort.cases]
    assert len(values) == 3
    assert len(list(descriptors.iterdir())) == before


def test_cases_are_found_by_split(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(3))
    folder = edit(cohort, lambda content: content["cases"][1].update(split="test"))
    again = Cohort.open(folder)
    assert [case.id for case in again.in_split("train")] == ["a0", "a2"]
    assert [case.id for case in again.in_split("test")] == ["a1"]
    assert again.in_split("validation") == ()


def test_the_content_hash_changes_with_the_content_only(
    write_case: Callable[..., CaseFiles], settings: CohortSettings, tmp_path: Path
) -> None:
    first = prepare_cohort([write_case("a", 1, folder="one")], settings, tmp_path / "c1")
    moved = prepare_cohort([write_case("a", 1, folder="two")], settings, tmp_path / "c2")
    other = prepare_cohort([write_case("a", 2, folder="three")], settings, tmp_path / "c3")
    assert first.content_hash == moved.content_hash != other.content_hash


def test_a_folder_that_is_no_cohort_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"no cohort.json.*crossmodalseg prepare"):
        Cohort.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(v=2), "version 2, expected 1"),
        (lambda c: c.pop("task"), "lacks 'task'"),
        (lambda c: c.update(splitrule="x"), "unknown key 'splitrule'.*Did you mean 'split_rule'"),
        (lambda c: c.update(cases=[]), "lists no cases"),
        (lambda c: c["cases"][0].update(id="../a0"), "unsafe or double"),
        (lambda c: c["cases"][0].update(id="a1"), "unsafe or double"),
        (lambda c: c["cases"][0].update(class_voxels=None), "some have none|some cases have"),
        (lambda c: c["cases"][0].update(shape=[0, 1, 1]), "impossible shape"),
        (lambda c: c["cases"][0].update(affine_ras=[]), "impossible shape or affine"),
        (lambda c: c["cases"][0].update(split="trian"), "Did you mean 'train'"),
        (lambda c: c["cases"][0]["checksums"].update({"../x": "0"}), "foreign files"),
        (lambda c: c["cases"][0].update(shape=[1, 2, 3]), "expected float16 of shape"),
        (lambda c: c.update(image_type="float32"), "expected float32"),
    ],
)
def test_a_wrong_record_is_refused(
    make_cohort: CohortMaker, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    folder = edit(make_cohort("a", range(2)), change)
    with pytest.raises(CohortError, match=message):
        Cohort.open(folder)


def test_text_that_is_no_json_is_refused(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    (cohort.folder / "cohort.json").write_text("{", encoding="utf-8")
    with pytest.raises(CohortError, match="not valid JSON"):
        Cohort.open(cohort.folder)


@pytest.mark.parametrize("content", [None, b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_missing_or_damaged_image_is_refused(
    make_cohort: CohortMaker, content: bytes | None
) -> None:
    cohort = make_cohort("a", range(1))
    path = cohort.case_folder(cohort.cases[0]) / "image.npy"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CohortError, match=r"image.npy is not usable"):
        Cohort.open(cohort.folder)


def test_a_truncated_image_is_refused(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    path = cohort.case_folder(cohort.cases[0]) / "image.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(CohortError, match="bytes, expected"):
        Cohort.open(cohort.folder)


def test_a_pickled_array_is_refused(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    path = cohort.case_folder(cohort.cases[0]) / "image.npy"
    np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(CohortError, match="object of shape"):
        Cohort.open(cohort.folder)


@pytest.mark.parametrize("name", ["image.npy", "label.npy", "slice_classes.npy"])
def test_verify_finds_a_changed_byte(make_cohort: CohortMaker, name: str) -> None:
    cohort = make_cohort("a", range(1))
    path = cohort.case_folder(cohort.cases[0]) / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CohortError, match=f"{name} is not usable: its content has changed"):
        Cohort.open(cohort.folder).verify()


def test_a_source_without_labels_is_refused(make_cohort: CohortMaker) -> None:
    require_labelled(make_cohort("with", range(1)))
    with pytest.raises(CohortError, match="has no labels"):
        require_labelled(make_cohort("without", range(1), labelled=False))


def test_a_source_whose_labels_are_gone_is_refused(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    (cohort.case_folder(cohort.cases[0]) / "label.npy").unlink()
    with pytest.raises(CohortError, match=r"label.npy is not usable"):
        require_labelled(cohort)


def test_unlabelled_cohorts_give_no_labels(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1), labelled=False)
    assert cohort.labels(cohort.cases[0]) is None
    assert cohort.slice_classes(cohort.cases[0]) is None
    assert cohort.statistics.class_voxels is None


def test_slice_classes_agree_with_the_labels(make_cohort: CohortMaker) -> None:
    cohort = make_cohort("a", range(1))
    (case,) = cohort.cases
    labels, counts = cohort.labels(case), cohort.slice_classes(case)
    assert labels is not None
    assert counts is not None
    for value in range(5):
        assert counts[:, value].tolist() == (labels == value).sum(axis=(1, 2)).tolist()


def test_domains_that_share_no_subject_pass(make_cohort: CohortMaker) -> None:
    require_disjoint_subjects(make_cohort("a", range(2)), make_cohort("b", range(2, 4)))


def test_a_subject_in_both_domains_is_named(
    make_cohort: CohortMaker,
    write_case: Callable[..., CaseFiles],
    settings: CohortSettings,
    tmp_path: Path,
) -> None:
    files = replace(write_case("x", 9), subject="a1")
    target = prepare_cohort([files], replace(settings, labels="ignored"), tmp_path / "target")
    with pytest.raises(LeakageError, match="a1 are subjects of both"):
        require_disjoint_subjects(make_cohort("a", range(2)), target)


def test_the_same_image_under_another_name_is_found(make_cohort: CohortMaker) -> None:
    source, target = make_cohort("a", range(2)), make_cohort("b", range(1, 3), labelled=False)
    with pytest.raises(LeakageError, match="a1/b1: the same images"):
        require_disjoint_subjects(source, target)
