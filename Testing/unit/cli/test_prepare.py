"""Cohorts from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.errors import LabelError, UnknownNameError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.volume_files import write_volume


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Write four subjects whose labels are MMWHS's values."""
    generator = np.random.default_rng(0)
    for number in range(4):
        labels = np.zeros((6, 10, 12), np.uint16)
        labels[2:4, 2:5, 3:6] = 205
        labels[2:4, 5:8, 3:6] = 420
        image = generator.normal(0, 50, labels.shape).astype(np.float32)
        for name, array in (("image", image), ("label", labels)):
            volume = Volume(array, np.diag([-2.0, -2.0, 2.0, 1.0]))
            write_volume(volume, tmp_path / "raw" / f"case {number}" / f"{name}.nii.gz")
    return tmp_path / "raw"


def prepare(root: Path, **options: Any) -> Prepare:
    given = {"root": root, "modality": ("ct",), "task": "cardiac", "matrix": (8, 8)}
    return Prepare(**{**given, "output": root.parent / "cohort", **options})


def test_options_reach_the_cohort(dataset: Path, reporter: Reporter, heard: Any) -> None:
    prepare(
        dataset,
        label_values=("205=1", "420=2"),
        spacing=(3.0, 4.0),
        slicing="axial",
        validation_fraction=0.25,
        test_fraction=0.25,
        image_type="float32",
    ).run(reporter)
    cohort = Cohort.open(dataset.parent / "cohort")
    assert cohort.preprocessing.matrix == (8, 8)
    assert cohort.preprocessing.spacing_mm == (3.0, 4.0)
    assert cohort.preprocessing.slicing == "axial"
    assert cohort.images(cohort.cases[0]).dtype == np.float32
    assert cohort.statistics.class_voxels is not None
    assert [count > 0 for count in cohort.statistics.class_voxels] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert heard.summary["cases"] == {"train": 2, "validation": 1, "test": 1}
    assert heard.summary["hash"] == cohort.content_hash


def test_labels_can_be_ignored(dataset: Path, reporter: Reporter, heard: Any) -> None:
    prepare(dataset, labels="ignored").run(reporter)
    assert not Cohort.open(dataset.parent / "cohort").is_labelled
    assert heard.summary["labelled"] is False


def test_values_that_the_task_does_not_know_are_refused(dataset: Path, reporter: Reporter) -> None:
    with pytest.raises(LabelError, match="205"):
        prepare(dataset).run(reporter)
    assert not (dataset.parent / "cohort").exists()


@pytest.mark.parametrize("pair", ["205", "205=", "a=b", "1=2=3"])
def test_label_values_that_cannot_be_read_are_usage_errors(
    dataset: Path, reporter: Reporter, pair: str
) -> None:
    with pytest.raises(UsageError, match="like 205=1"):
        prepare(dataset, label_values=(pair,)).run(reporter)


@pytest.mark.parametrize(
    ("options", "suggested"),
    [
        ({"task": "cardaic"}, "cardiac"),
        ({"modality": ("mr_bsfp",)}, "mr_bssfp"),
        ({"dataset": "foldr"}, "folder"),
    ],
)
def test_unknown_names_are_answered_with_a_suggestion(
    dataset: Path, reporter: Reporter, options: dict[str, Any], suggested: str
) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{suggested}'"):
        prepare(dataset, **options).run(reporter)
