"""Segmentations and structure sets of DICOM, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.command import NegativeAnswer, UsageError
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.cohort import Cohort
from Testing.unit.label_object_files import write_cases_with_objects


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_cases_with_objects(tmp_path / "scans")


def prepare(root: Path, **options: Any) -> Prepare:
    given: dict[str, Any] = {"modality": ("ct",), "task": "abdomen", "matrix": (16, 16)}
    given |= {"root": root, "output": root.parent / "cohort", "split": "100/0/0"}
    return Prepare(**{**given, **options})


def test_a_dry_run_lists_structures_and_what_they_are_read_as(
    root: Path, reporter: Reporter, heard: Any
) -> None:
    prepare(root, dry_run=True, label_names=("Leber=liver", "body=")).run(reporter)
    rows = {row["case"]: row for row in heard.summary["cases"]}
    assert rows["anna"]["label_values"] == "Leber=1, Spleen=4, Body=0"
    assert rows["anna"]["problems"] == ""
    assert rows["bert"]["label_values"] == "liver=1, Couch=?"
    assert "'Couch' are none of the task's" in rows["bert"]["problems"]


def test_named_structures_are_prepared_as_was_said(root: Path, reporter: Reporter) -> None:
    prepare(root, label_names=("Leber=liver", "Couch=", "Body=")).run(reporter)
    cohort = Cohort.open(root.parent / "cohort")
    counts = {case.id: case.class_voxels for case in cohort.cases}
    assert counts["anna"] is not None
    assert counts["anna"][1:] == (2 * 3 * 3, 0, 0, 2 * 3 * 6)
    stored = np.array(cohort.labels(cohort.cases[1]))
    assert sorted(set(np.argwhere(stored == 1)[:, 0].tolist())) == [1, 2]


def test_ignored_labels_are_not_opened(root: Path, reporter: Reporter) -> None:
    (root / "anna" / "s.dcm").write_bytes((root / "anna" / "s.dcm").read_bytes()[:-20])
    prepare(root, labels="ignored", dry_run=True).run(reporter)
    prepare(root, labels="ignored").run(reporter)
    assert not Cohort.open(root.parent / "cohort").is_labelled


def test_a_damaged_object_is_listed_and_the_other_case_prepared(
    root: Path, reporter: Reporter, heard: Any
) -> None:
    (root / "anna" / "s.dcm").write_bytes((root / "anna" / "s.dcm").read_bytes()[:-20])
    with pytest.raises(NegativeAnswer):
        prepare(root).run(reporter)
    (row,) = heard.summary["left_out"]
    assert row["case"] == "anna"
    assert "pixels cannot be read" in row["problem"]
    assert [case.id for case in Cohort.open(root.parent / "cohort").cases] == ["bert"]


@pytest.mark.parametrize(
    ("names", "kind", "message"),
    [
        (("Leber",), UsageError, "like LV=LVC"),
        (("=liver",), UsageError, "like LV=LVC"),
        (("Leber=livr",), UnknownNameError, "Did you mean 'liver'"),
    ],
)
def test_names_that_mean_nothing_are_refused_before_the_work(
    root: Path, names: tuple[str, ...], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        prepare(root, label_names=names).run(Reporter())
