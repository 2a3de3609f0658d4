"""Pairs of files from folders and from manifests, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.evaluation.pairing import CasePair, model_hashes, pair_folders, read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files that nobody reads."""
    for name in ("p/a.nii.gz", "p/b.nii.gz", "r/a.nii.gz", "r/c.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def manifest(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_folders_tell_what_is_missing_in_each(folder: Path) -> None:
    pairing = pair_folders(folder / "p", folder / "r")
    assert [pair.case for pair in pairing.cases] == ["a", "b", "c"]
    assert [pair.case for pair in pairing.scorable] == ["a", "c"]
    assert (pairing.missing_predictions, pairing.missing_references) == (("c",), ("b",))


@pytest.mark.parametrize(("name", "comma"), [("list.csv", ","), ("list.tsv", "\t")])
def test_a_manifest_pairs_files_of_any_name(folder: Path, name: str, comma: str) -> None:
    lines = ["case,prediction,reference", "one,p/b.nii.gz,r/c.nii.gz", "", "two,p/a.nii.gz,"]
    path = manifest(folder, "\n".join(lines).replace(",", comma), name)
    pairing = read_manifest(path)[""]
    assert pairing.cases[0] == CasePair(
        case="one", prediction=folder / "p/b.nii.gz", reference=folder / "r/c.nii.gz"
    )
    assert pairing.missing_references == ("two",)


def test_cases_without_a_name_are_named_after_their_reference(folder: Path) -> None:
    pairing = read_manifest(manifest(folder, "reference,prediction\nr/c.nii.gz,p/b.nii.gz\n"))[""]
    assert [pair.case for pair in pairing.cases] == ["c"]


def test_a_listed_file_that_is_not_there_is_a_missing_one(folder: Path) -> None:
    text = "prediction,reference\np/a.nii.gz,r/a.nii.gz\np/gone.nii.gz,r/c.nii.gz\n"
    assert read_manifest(manifest(folder, text))[""].missing_predictions == ("c",)


def test_a_manifest_may_list_several_methods_in_its_order(folder: Path) -> None:
    lines = ["method,case,prediction,reference"]
    lines += ["second,one,p/b.nii.gz,r/c.nii.gz", "first,one,p/a.nii.gz,r/a.nii.gz"]
    pairings = read_manifest(manifest(folder, "\n".join(lines)))
    assert list(pairings) == ["second", "first"]
    assert pairings["first"].cases[0].prediction == folder / "p/a.nii.gz"
    with pytest.raises(InputFileError, match="method 'second': no case has both"):
        read_manifest(
            manifest(folder, "\n".join([*lines, "third,one,p/b.nii.gz,"]).replace("p/b", "p/x"))
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns none"),
        ("prediction\np/a.nii.gz\n", "expected prediction and reference"),
        ("predicton,reference\n", "unknown column 'predicton'"),
        ("prediction,reference\np/a.nii.gz\n", "line 2 has 1 cells, expected 2"),
        ("prediction,reference\np/a.txt,r/a.nii.gz\n", "line 2: prediction 'p/a.txt' is no volume"),
        ("case,prediction,reference\n,,\n", "no case has both"),
        (
            "case,prediction,reference\na,p/a.nii.gz,r/a.nii.gz\na,p/b.nii.gz,r/c.nii.gz\n",
            "line 3 names the case 'a' again",
        ),
        ("prediction,reference\nx.nii.gz,y.nii.gz\n", "no case has both"),
        ('prediction,reference\n"p/a.nii.gz,r/a.nii.gz\n', "cannot be read as a table"),
    ],
)
def test_a_manifest_with_mistakes_is_refused_with_the_place(
    folder: Path, text: str, message: str
) -> None:
    with pytest.raises(InputFileError) as caught:
        read_manifest(manifest(folder, text))
    assert message in str(caught.value)


def test_another_kind_of_file_is_no_manifest(folder: Path) -> None:
    with pytest.raises(InputFileError, match=r"expected a \.csv or \.tsv"):
        read_manifest(manifest(folder, "prediction,reference\n", "list.txt"))


def test_hashes_of_models_are_read_beside_the_predictions(folder: Path) -> None:
    (folder / "p/a.json").write_text('{"model": {"content_hash": "12ab"}}')
    (folder / "p/b.json").write_text("something else")
    assert model_hashes(pair_folders(folder / "p", folder / "r")) == {"12ab"}
