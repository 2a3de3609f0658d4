"""BTCV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from CrossModalSegLib.data.adapters import discover


def write_case(write: Any, number: str, values: tuple[int, ...] = (1, 2, 3, 6, 4, 13)) -> None:
    write(f"RawData/Training/img/img{number}.nii.gz")
    write(f"RawData/Training/label/label{number}.nii.gz", values)


def test_images_and_labels_are_paired_by_number(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    write_case(write, "0001")
    write_case(write, "0021")
    write("RawData/Testing/img/img0061.nii.gz")
    for root in (tmp_path, tmp_path / "RawData" / "Training"):
        found = discover("auto", root, "ct")
        assert (found.dataset, [case.id for case in found.cases]) == (
            "btcv",
            ["btcv_0001", "btcv_0021"],
        )
    found = discover("auto", tmp_path, "ct")
    assert found.ignored == ("1 files of Testing, which have no labels",)
    case = read(found, "btcv_0001", "abdomen")
    assert values(case) == [0, 1, 2, 3, 4]
    assert case.labels.array_kji[1, :6, 3].tolist() == [4, 2, 3, 1, 0, 0]
    assert found.published_test is not None
    assert found.published_test.subjects[:2] == ("btcv_0001", "btcv_0009")


def test_missing_images_and_renamed_files_are_listed(write: Any, tmp_path: Path) -> None:
    write_case(write, "0001")
    write("RawData/Training/label/label0002.nii.gz", (1,))
    write("RawData/Training/img/liver scan.nii.gz")
    found = discover("auto", tmp_path, "ct")
    assert len(found.cases) == 1
    named = [problem.case for problem in found.problems]
    assert named == ["btcv_0002", "RawData/Training/img/liver scan.nii.gz"]
