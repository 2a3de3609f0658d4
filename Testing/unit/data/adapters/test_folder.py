"""Plain folders of volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import CohortError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.adapters import discover


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_a_folder_for_each_case_is_recognised(tmp_path: Path) -> None:
    touch(tmp_path, "b ü/image.nii.gz", "b ü/label.nrrd", "a/image.mha", "phantom.json")
    found = discover("auto", tmp_path, "ct")
    assert (found.dataset, found.layout) == ("folder", "a folder for each case: 2 cases")
    assert [case.id for case in found.cases] == ["a", "b ü"]
    assert [case.subject for case in found.cases] == ["a", "b ü"]
    assert found.cases[0].label is None
    assert found.cases[1].label == tmp_path / "b ü" / "label.nrrd"
    assert {case.split for case in found.cases} == {None}


def test_the_modality_chooses_the_image(tmp_path: Path) -> None:
    touch(tmp_path, "a/image_t1.nii.gz", "a/image_t2.nii.gz", "a/label.nii.gz")
    assert discover("folder", tmp_path, "t2").cases[0].image.name == "image_t2.nii.gz"
    with pytest.raises(CohortError, match=r"no image of modality flair .*image_t1.nii.gz"):
        discover("folder", tmp_path, "flair")


def test_images_of_several_modalities_in_one_folder_are_of_one_patient(tmp_path: Path) -> None:
    touch(tmp_path, "1/a/image_t1.nii.gz", "1/a/image_t2.nii.gz")
    touch(tmp_path, "2/a/image_t1.nii.gz", "2/b/image.nii.gz", "3/a/image.nii", "3/a/image_t2.nii")
    found = {name: discover("folder", tmp_path / name, "t1") for name in ("1", "2", "3")}
    assert {name: one.is_co_registered for name, one in found.items()} == {
        "1": True,
        "2": False,
        "3": False,
    }


def test_labels_of_the_parts_of_a_tumour_are_labels_of_the_whole(tmp_path: Path) -> None:
    touch(tmp_path, "1/a/image.nii", "1/a/label.nii", "2/images/x.nii", "2/labels/x.nii")
    for root in ("1", "2"):
        scheme = discover("auto", tmp_path / root, "t1").cases[0].scheme
        assert scheme is not None
        assert scheme.value_map(TASKS["whole_tumour"]) == {0: 0, 1: 1, 2: 1, 3: 1}
        assert scheme.value_map(TASKS["brain_tumour"]) is None
        assert scheme.value_map(TASKS["cardiac"]) is None


def test_images_and_labels_in_two_folders_are_paired_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "images/x.nii.gz", "images/y.nrrd", "labels/y.nii", "images/notes.txt")
    found = discover("auto", tmp_path, "ct")
    assert [(case.id, case.label) for case in found.cases] == [
        ("x", None),
        ("y", tmp_path / "labels" / "y.nii"),
    ]


def test_slicer_segmentations_are_labels(tmp_path: Path) -> None:
    touch(
        tmp_path, "1/a/image.nii.gz", "1/a/label.seg.nrrd", "2/images/x.nii", "2/labels/x.seg.nrrd"
    )
    for root, name in (("1", "label.seg.nrrd"), ("2", "x.seg.nrrd")):
        label = discover("auto", tmp_path / root, "ct").cases[0].label
        assert label is not None
        assert label.name == name


def test_a_label_map_without_image_is_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "images/x.nii.gz", "labels/x_seg.nii.gz")
    with pytest.raises(CohortError, match=r"'x_seg.nii.gz' has no image"):
        discover("auto", tmp_path, "ct")


def test_flat_files_are_images_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "p1.nii.gz", "p2.nii", ".p3.nii")
    cases = discover("auto", tmp_path, "ct").cases
    assert [(case.id, case.label) for case in cases] == [("p1", None), ("p2", None)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a/image.nii.gz", "a/image.nrrd"), "several images"),
        (("a/image.nii.gz", "a/label.nii.gz", "a/label.mha"), "several label maps"),
        (("a/image.nii.gz", "stray/notes.txt"), "'stray' has no image"),
        (("p.nii.gz", "p.nrrd"), "name the same case"),
        (("p.nii.gz", "p.seg.nrrd"), "is a segmentation, where images are expected"),
        (("p.nii.gz", "a/image.nii.gz"), "mixes layouts"),
        (("images/readme.txt",), "holds no volume files"),
        (("cohort.json", "cases/a/image.npy"), "prepared already"),
        (("notes.txt",), "no cases that were recognised"),
    ],
)
def test_what_is_unclear_is_an_error_that_says_what_to_do(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    touch(tmp_path, *names)
    with pytest.raises(CohortError, match=message) as caught:
        discover("auto", tmp_path, "ct")
    assert caught.value.hint


def test_every_bad_folder_is_named_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "good/image.nii", "empty1/a.txt", "empty2/b.txt")
    with pytest.raises(CohortError, match=r"'empty1'.*'empty2'"):
        discover("folder", tmp_path, "ct")


def test_unknown_datasets_get_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'folder'"):
        discover("foldr", tmp_path, "ct")


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="does not exist"):
        discover("auto", tmp_path / "nothing", "ct")


def test_bad_cases_may_be_left_out_instead(tmp_path: Path) -> None:
    touch(tmp_path, "1/good/image.nii", "1/empty/b.txt", "2/images/x.nii", "2/images/x.nrrd")
    touch(tmp_path, "2/images/y.nii", "2/labels/z.nii")
    found = discover("auto", tmp_path / "1", "ct", is_strict=False)
    assert [case.id for case in found.cases] == ["good"]
    assert [problem.case for problem in found.problems] == ["empty"]
    assert found.problems[0].hint
    found = discover("auto", tmp_path / "2", "ct", is_strict=False)
    assert [case.id for case in found.cases] == ["y"]
    assert [problem.case for problem in found.problems] == ["x", "z"]
