"""BraTS of all years."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.data.adapters import discover

PLAIN = ("t1", "t1ce", "t2", "flair")


def write_case(write: Any, folder: str, name: str, labels: tuple[int, ...] = (1, 2, 4)) -> None:
    for kind in PLAIN:
        write(f"{folder}/{name}/{name}_{kind}.nii.gz")
    write(f"{folder}/{name}/{name}_seg.nii.gz", labels)


@pytest.mark.parametrize(
    ("folder", "name", "year"),
    [
        ("MICCAI_BraTS_2018_Data_Training/HGG", "Brats18_2013_2_1", "2018"),
        ("MICCAI_BraTS_2019_Data_Training/LGG", "BraTS19_TCIA13_624_1", "2019"),
        ("MICCAI_BraTS2020_TrainingData", "BraTS20_Training_001", "2020"),
        ("TrainingData", "BraTS2021_00000", "2021"),
    ],
)
def test_the_names_of_2018_to_2021_are_recognised(
    write: Any, read: Any, values: Any, tmp_path: Path, folder: str, name: str, year: str
) -> None:
    write_case(write, folder, name)
    found = discover("auto", tmp_path, "t1ce")
    assert (found.dataset, found.is_co_registered) == ("brats", True)
    assert found.layout == f"BraTS {year}: 1 cases with t1ce, 1 with labels"
    (case,) = found.cases
    assert (case.id, case.subject) == (name, name)
    assert case.image.name == f"{name}_t1ce.nii.gz"
    assert "1 files of flair" in found.ignored
    assert values(read(found, name, "brain_tumour", "t1ce")) == [0, 1, 2, 3]
    assert values(read(found, name, "whole_tumour", "t1ce")) == [0, 1]


def test_2023_has_its_own_names_and_values_and_visits(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    for visit in ("000", "001"):
        name = f"BraTS-GLI-00005-{visit}"
        for kind in ("t1n", "t1c", "t2w", "t2f"):
            write(f"{name}/{name}-{kind}.nii.gz")
        write(f"{name}/{name}-seg.nii.gz", (1, 2, 3))
    found = discover("auto", tmp_path, "t1ce")
    assert [case.subject for case in found.cases] == ["BraTS-GLI-00005"] * 2
    assert found.cases[0].image.name == "BraTS-GLI-00005-000-t1c.nii.gz"
    assert values(read(found, "BraTS-GLI-00005-000", "brain_tumour", "t1ce")) == [0, 1, 2, 3]
    assert discover("auto", tmp_path, "flair").cases[0].image.name.endswith("-t2f.nii.gz")


def test_a_value_that_the_release_does_not_have_is_refused(
    write: Any, read: Any, tmp_path: Path
) -> None:
    write_case(write, ".", "BraTS2021_00001", labels=(1, 3))
    with pytest.raises(LabelError, match="3"):
        read(discover("auto", tmp_path, "t2"), "BraTS2021_00001", "brain_tumour", "t2")


def test_the_misnamed_segmentation_of_case_355_is_found(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    name = "BraTS20_Training_355"
    for kind in PLAIN:
        write(f"{name}/{name}_{kind}.nii")
    write(f"{name}/W39_1998.09.19_Segm.nii", (1, 2, 4))
    found = discover("auto", tmp_path, "t1")
    assert not found.problems
    case = read(found, name, "brain_tumour", "t1")
    assert values(case) == [0, 1, 2, 3]
    assert "misnamed" in case.findings[0].message


def test_mha_releases_of_2013_to_2015_are_read(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    place = "HGG/brats_2013_pat0001_1"
    for kind, number in (("MR_T1", 1), ("MR_T1c", 2), ("MR_T2", 3), ("MR_Flair", 4)):
        stem = f"VSD.Brain.XX.O.{kind}.5451{number}"
        write(f"{place}/{stem}/{stem}.mha")
    stem = "VSD.Brain_3more.XX.O.OT.54517"
    write(f"{place}/{stem}/{stem}.mha", (1, 2, 3, 4))
    found = discover("auto", tmp_path, "t1ce")
    (case,) = found.cases
    assert case.id == "HGG_brats_2013_pat0001_1"
    assert "MR_T1c" in case.image.name
    result = read(found, case.id, "brain_tumour", "t1ce")
    assert values(result) == [0, 1, 2, 3]  # 3, non-enhancing, is core like 1
    assert result.labels.array_kji[1, 2, 3] == 1


def test_2012_fits_the_whole_tumour_only(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    name = "BRATS_HG0001"
    for kind in ("T1", "T1C", "T2", "FLAIR"):
        write(f"{name}/{name}_{kind}.mha")
    write(f"{name}/{name}_truth.mha", (1, 2))
    found = discover("auto", tmp_path, "flair")
    assert values(read(found, name, "whole_tumour", "flair")) == [0, 1]


def test_missing_modalities_and_renamed_files_are_listed_and_the_rest_is_found(
    write: Any, tmp_path: Path
) -> None:
    write_case(write, ".", "BraTS2021_00001")
    write("BraTS2021_00002/BraTS2021_00002_t1.nii.gz")
    write("BraTS2021_00003/patient three t1.nii.gz")
    found = discover("auto", tmp_path, "t2")
    assert [case.id for case in found.cases] == ["BraTS2021_00001"]
    assert [(p.case, p.problem) for p in found.problems] == [
        ("BraTS2021_00002", "has no t2; it has t1"),
        ("BraTS2021_00003/patient three t1.nii.gz", "is named like no file of BraTS"),
    ]
    assert all(p.hint for p in found.problems)


def test_of_mixed_years_the_larger_is_taken(write: Any, tmp_path: Path) -> None:
    write_case(write, "a", "Brats18_2013_2_1")
    write_case(write, "b", "BraTS19_2013_2_1")
    write_case(write, "b", "BraTS19_2013_3_1")
    found = discover("auto", tmp_path, "t1")
    assert [case.id for case in found.cases] == ["BraTS19_2013_2_1", "BraTS19_2013_3_1"]
    assert found.problems[0].case == "1 cases of 2018"
    assert "share patients" in found.problems[0].problem


def test_twins_of_a_mac_archive_are_no_files_of_the_dataset(write: Any, tmp_path: Path) -> None:
    write_case(write, ".", "BraTS2021_00001")
    (tmp_path / "BraTS2021_00001" / "._BraTS2021_00001_t1.nii.gz").write_bytes(b"mac")
    assert not discover("auto", tmp_path, "t1").problems


def test_two_files_of_one_modality_are_a_problem(write: Any, tmp_path: Path) -> None:
    write_case(write, ".", "BraTS2021_00001")
    write("BraTS2021_00001/BraTS2021_00001_t1.nii")
    found = discover("auto", tmp_path, "t1")
    assert not found.cases
    assert "has t1 several times" in found.problems[0].problem
