"""MMWHS as it was released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from CrossModalSegLib.data.adapters import discover

ALL = (205, 420, 500, 550, 600, 820, 850)


def write_cases(write: Any, *names: str) -> None:
    for name in names:
        write(f"{name[:8]}/{name}_image.nii.gz")
        write(f"{name[:8]}/{name}_label.nii.gz", ALL[:6])


def test_both_modalities_are_found_and_told_apart(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    write_cases(write, "ct_train_1001", "ct_train_1003", "mr_train_1007")
    found = discover("auto", tmp_path, "ct")
    assert (found.dataset, found.is_co_registered) == ("mmwhs", False)
    assert [case.id for case in found.cases] == ["ct_train_1001", "ct_train_1003"]
    assert found.ignored == ("2 files of the other modality",)
    assert values(read(found, "ct_train_1001", "cardiac")) == [0, 1, 2, 3, 4]
    mr = discover("auto", tmp_path, "mr_bssfp")
    assert [case.id for case in mr.cases] == ["mr_train_1007"]


def test_the_folder_of_one_modality_is_recognised_too(write: Any, tmp_path: Path) -> None:
    write_cases(write, "ct_train_1001")
    assert discover("auto", tmp_path / "ct_train", "ct").dataset == "mmwhs"


def test_each_value_becomes_its_class(write: Any, read: Any, tmp_path: Path) -> None:
    write_cases(write, "ct_train_1001")
    labels = read(discover("auto", tmp_path, "ct"), "ct_train_1001", "cardiac").labels.array_kji
    assert labels[1, :6, 3].tolist() == [1, 2, 3, 0, 0, 4]


def test_a_stray_421_is_read_as_420_with_a_warning(write: Any, read: Any, tmp_path: Path) -> None:
    write("ct_train/ct_train_1001_image.nii.gz")
    write("ct_train/ct_train_1001_label.nii.gz", (205, 421))
    case = read(discover("auto", tmp_path, "ct"), "ct_train_1001", "cardiac")
    assert case.labels.array_kji[1, 1, 3] == 2
    (finding,) = [f for f in case.findings if f.kind == "stray_label"]
    assert "421 (8 voxels), which is read as 420" in finding.message


def test_the_published_test_cases_are_named_by_modality(write: Any, tmp_path: Path) -> None:
    write_cases(write, "ct_train_1001", "mr_train_1007")
    for modality, numbers in (("ct", "1003 1008 1014 1019"), ("mr_bssfp", "1007 1009 1018 1019")):
        published = discover("auto", tmp_path, modality).published_test
        assert published is not None
        assert [name[-4:] for name in published.subjects] == numbers.split()


def test_artefacts_of_mr_1002_are_told(write: Any, read: Any, tmp_path: Path) -> None:
    write_cases(write, "mr_train_1002")
    case = read(discover("auto", tmp_path, "mr_bssfp"), "mr_train_1002", "cardiac", "mr_bssfp")
    assert "artefacts at the borders" in case.findings[0].message


def test_half_a_download_is_listed(write: Any, tmp_path: Path) -> None:
    write_cases(write, "ct_train_1001")
    write("ct_train/ct_train_1002_label.nii.gz", ALL[:6])
    write("ct_train/ct_1003_new.nii.gz")
    write("ct_test/ct_test_2001_image.nii.gz")
    found = discover("auto", tmp_path, "ct")
    assert [(case.id, case.label is None) for case in found.cases] == [
        ("ct_test_2001", True),
        ("ct_train_1001", False),
    ]
    assert {p.case for p in found.problems} == {"ct_train_1002", "ct_1003_new.nii.gz"}
