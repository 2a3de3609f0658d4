"""Cases listed in a CSV or TSV file."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.data.adapters import discover


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scans").mkdir()
    for name in ("a b.nii.gz", "ü.nrrd", "a_label.nii.gz"):
        (tmp_path / "scans" / name).touch()
    return tmp_path


def write(folder: Path, text: str, name: str = "cases.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file_and_cells_may_be_empty(folder: Path) -> None:
    path = write(
        folder,
        "\ufeffimage,label,subject,case,split\n"
        "scans/a b.nii.gz,scans/a_label.nii.gz,P1,,train\n\n"
        "scans/ü.nrrd,,,second,test\n",
    )
    found = discover("auto", path, "ct")
    assert found.dataset == "csv"
    first, second = found.cases
    assert (first.id, first.subject, first.split) == ("a b", "P1", "train")
    assert first.label == folder / "scans" / "a_label.nii.gz"
    assert (second.id, second.subject, second.split) == ("second", "second", "test")
    assert second.label is None


def test_tab_separated_files_and_absolute_paths_are_read(folder: Path) -> None:
    image = folder / "scans" / "ü.nrrd"
    path = write(folder, f"case\timage\nx\t{image}\n", "cases.TSV")
    assert discover("csv", path, "ct").cases[0].image == image


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,lable\nscans/ü.nrrd,\n", "unknown column 'lable'.*Did you mean 'label'"),
        ("label\nscans/ü.nrrd\n", "expected image"),
        ("image,image\nscans/ü.nrrd,scans/ü.nrrd\n", "each column once"),
        ("", "is empty"),
        ("image\n\nscans/missing.nii\n", "line 3: image 'scans/missing.nii' does not exist"),
        ("image,label\nscans/ü.nrrd,nothing.nii\n", "line 2: label 'nothing.nii' does not exist"),
        ("image,split\nscans/ü.nrrd,trian\n", "line 2: split 'trian'.*Did you mean 'train'"),
        ("image,case\nscans/ü.nrrd,a,b\n", "line 2 has 3 cells, expected 2"),
        ("image,case\n,a\n", "line 2: no image is given"),
        ("image\ncases.csv\n", "line 2: image 'cases.csv' is none of"),
        ("image\nscans/ü.nrrd\nscans/ü.nrrd\n", "2 lines name case 'ü'"),
        ('image\n"scans/ü.nrrd\n', "line 2"),
        ("image\n", "no cases"),
    ],
)
def test_bad_lines_are_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(CohortError, match=message):
        discover("csv", write(folder, text), "ct")


def test_all_bad_lines_are_named_at_once(folder: Path) -> None:
    path = write(folder, "image\nx.nii\ny.nii\n")
    with pytest.raises(CohortError, match=r"line 2.*line 3"):
        discover("csv", path, "ct")


def test_other_encodings_are_an_error(folder: Path) -> None:
    path = folder / "cases.csv"
    path.write_bytes("image\nscans/ü.nrrd\n".encode("latin-1"))
    with pytest.raises(CohortError, match="not UTF-8"):
        discover("csv", path, "ct")


def test_bad_lines_may_be_left_out_instead(tmp_path: Path) -> None:
    for name in ("a.nii", "b.nii"):
        (tmp_path / name).touch()
    listed = tmp_path / "list.csv"
    listed.write_text("image,case\na.nii,a\nb.nii,b\na.nii,b\nc.nii,c\n")
    found = discover("auto", listed, "ct", is_strict=False)
    assert [case.id for case in found.cases] == ["a"]
    assert [problem.problem for problem in found.problems] == [
        "line 5: image 'c.nii' does not exist",
        "2 lines name case 'b'",
    ]
