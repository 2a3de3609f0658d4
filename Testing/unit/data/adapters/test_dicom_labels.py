"""Segmentations and structure sets among the DICOM files of a case."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.dicom_reading import read_series
from CrossModalSegLib.data.volume_files import write_volume
from Testing.unit.label_object_files import (
    organ,
    write_cases_with_objects,
    write_scan,
    write_segmentation_object,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cases_with_objects(tmp_path / "scans")


def test_objects_anywhere_below_a_case_are_its_labels(root: Path, read: Any, values: Any) -> None:
    found = discover("auto", root, "ct")
    assert [case.id for case in found.cases] == ["anna", "bert"]
    assert [[path.name for path in case.objects] for case in found.cases] == [["s.dcm"], ["rs"]]
    assert not found.ignored
    case = read(found, "anna", "abdomen")
    assert values(case) == [0, 4]
    assert "its structures 'Leber', 'Body' are none of the task's" in case.findings[0].message
    assert found.cases[0].objects[0] in found.cases[0].files()


def test_an_object_of_another_series_is_named_and_ignored(tmp_path: Path) -> None:
    paths, grid = write_scan(tmp_path / "p" / "a", 1, SeriesDescription="portal")
    write_scan(tmp_path / "p" / "b", 2, SeriesDescription="native")
    write_segmentation_object(tmp_path / "p" / "s.dcm", paths, [organ(grid, 1, 0)], ["liver"])
    found = discover("auto", tmp_path, "ct", series="native")
    assert found.cases[0].label is None
    assert "p: s.dcm, a segmentation object (SEG) of another series" in found.ignored
    assert discover("auto", tmp_path, "ct", series="portal").cases[0].objects


def test_series_in_one_coordinate_system_share_their_labels(
    tmp_path: Path, read: Any, values: Any
) -> None:
    shared = {"FrameOfReferenceUID": "1.2.3.4", "StudyInstanceUID": "1.2.3"}
    paths, grid = write_scan(tmp_path / "p" / "a", 1, SeriesDescription="in", **shared)
    write_scan(tmp_path / "p" / "b", 2, SeriesDescription="out", **shared)
    write_segmentation_object(tmp_path / "p" / "s.dcm", paths, [organ(grid, 1, 0)], ["liver"])
    found = discover("auto", tmp_path, "ct", series="out")
    assert values(read(found, "p", "abdomen")) == [0, 1]


def test_a_label_map_comes_before_objects(root: Path, read: Any, values: Any) -> None:
    grid = read_series(sorted((root / "anna" / "ct").iterdir()))
    write_volume(organ(grid, 1, 1), root / "anna" / "label.nii.gz")
    found = discover("auto", root, "ct")
    assert values(read(found, "anna", "abdomen")) == [0, 1]
    assert "anna: s.dcm, a segmentation object (SEG) beside label.*" in found.ignored


def test_an_object_that_lacks_its_structures_is_listed(root: Path) -> None:
    shutil.copy(root / "anna" / "s.dcm", root / "anna" / "copy.dcm")
    content = bytearray((root / "anna" / "copy.dcm").read_bytes())
    (root / "anna" / "copy.dcm").write_bytes(content[:400])
    found = discover("auto", root, "ct")
    assert [case.id for case in found.cases] == ["anna", "bert"]
    assert "copy.dcm cannot be understood as DICOM" in found.problems[0].problem


def test_cases_travel_to_other_processes(root: Path) -> None:
    cases = discover("auto", root, "ct").cases
    assert pickle.loads(pickle.dumps(cases)) == cases  # noqa: S301  (made here)
