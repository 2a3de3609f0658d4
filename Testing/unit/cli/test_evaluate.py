"""Scores from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.evaluate import Evaluate
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.evaluation.provenance import read_provenance


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Any]:
    """Write a reference of two voxels of each class and a prediction that has one of them."""
    reference = np.zeros((1, 4, 2), np.uint8)
    reference[0] = np.arange(1, 5)[:, np.newaxis]
    prediction = reference.copy()
    prediction[:, :, 1] = 0
    affine = np.eye(4)
    write_volume(Volume(prediction, affine), tmp_path / "my method" / "c1.nii.gz")
    write_volume(Volume(reference, affine), tmp_path / "references" / "c1" / "label.nii.gz")
    return {
        "predictions": tmp_path / "my method",
        "references": tmp_path / "references",
        "output": tmp_path / "scores",
    }


def test_scores_are_written_and_summarised(
    folders: dict[str, Any], reporter: Reporter, heard: Any
) -> None:
    Evaluate(task="cardiac", empty="worst", **folders).run(reporter)
    records = json.loads((folders["output"] / "scores.json").read_text())
    assert [record["region"] for record in records] == ["MYO", "LAC", "LVC", "AA"]
    assert {record["method"] for record in records} == {"my method"}
    assert [record["dice"] for record in records] == pytest.approx([2 / 3] * 4)
    with (folders["output"] / "scores.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 4
    provenance = read_provenance(folders["output"] / "provenance.json")
    assert (provenance.policy, provenance.task) == ("worst", "cardiac")
    assert heard.summary["mean_dice_percent"] == pytest.approx(200 / 3)
    assert heard.summary["scores"][0]["Dice (%)"] == "66.7 ± 0.0"


def test_the_method_can_be_named(folders: dict[str, Any], reporter: Reporter) -> None:
    Evaluate(task="cardiac", method="dsan", **folders).run(reporter)
    records = json.loads((folders["output"] / "scores.json").read_text())
    assert {record["method"] for record in records} == {"dsan"}


def test_scores_are_replaced_on_demand_only(folders: dict[str, Any], reporter: Reporter) -> None:
    Evaluate(task="cardiac", **folders).run(reporter)
    with pytest.raises(OutputExistsError):
        Evaluate(task="cardiac", **folders).run(reporter)
    Evaluate(task="cardiac", method="again", overwrite=True, **folders).run(reporter)
    records = json.loads((folders["output"] / "scores.json").read_text())
    assert {record["method"] for record in records} == {"again"}
