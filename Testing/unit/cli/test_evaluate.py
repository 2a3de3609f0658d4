"""Scores from the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.evaluate import Evaluate
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import (
    CrossModalSegError,
    GeometryError,
    InputFileError,
    LabelError,
    OutputExistsError,
)
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.tasks import TASKS, task_to_dict
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.evaluation.provenance import read_provenance
from CrossModalSegLib.evaluation.records import read_scores
from CrossModalSegLib.evaluation.scores import evaluate_folder


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


def test_a_manifest_scores_several_methods_at_once(
    folders: dict[str, Any], tmp_path: Path, reporter: Reporter, heard: Any
) -> None:
    lines = ["method,case,prediction,reference"]
    lines += ["half,c1,my method/c1.nii.gz,references/c1/label.nii.gz"]
    lines += ["whole,c1,references/c1/label.nii.gz,references/c1/label.nii.gz"]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(lines))
    output = folders["output"]
    Evaluate(task="cardiac", manifest=manifest, output=output).run(reporter)
    dice = {(r.method, r.region): r.dice for r in read_scores(output / "scores.json")}
    assert dice["half", "LAC"] == pytest.approx(2 / 3)
    assert dice["whole", "LAC"] == 1
    assert heard.summary["mean_dice_percent"] == pytest.approx({"half": 200 / 3, "whole": 100})
    assert [row["method"] for row in heard.summary["scores"]] == ["half"] * 4 + ["whole"] * 4
    with pytest.raises(UsageError, match="half, whole"):
        Evaluate(task="cardiac", manifest=manifest, method="x", output=tmp_path / "o").run(reporter)


def test_a_task_of_a_program_is_read_from_json(
    folders: dict[str, Any], tmp_path: Path, reporter: Reporter
) -> None:
    task = replace(TASKS["cardiac"], name="own")
    write_json(tmp_path / "task.json", task_to_dict(task))
    Evaluate(task=str(tmp_path / "task.json"), **folders).run(reporter)
    assert len(read_scores(folders["output"] / "scores.json")) == 4


def test_scores_are_replaced_on_demand_only(folders: dict[str, Any], reporter: Reporter) -> None:
    Evaluate(task="cardiac", **folders).run(reporter)
    with pytest.raises(OutputExistsError):
        Evaluate(task="cardiac", **folders).run(reporter)
    Evaluate(task="cardiac", method="again", overwrite=True, **folders).run(reporter)
    records = json.loads((folders["output"] / "scores.json").read_text())
    assert {record["method"] for record in records} == {"again"}


def test_the_command_and_the_library_give_the_same_numbers(
    folders: dict[str, Any], reporter: Reporter
) -> None:
    Evaluate(task="cardiac", **folders).run(reporter)
    pair = folders["predictions"], folders["references"]
    by_library = evaluate_folder(*pair, TASKS["cardiac"], "my method", "brats", silent_reporter())
    assert read_scores(folders["output"] / "scores.json") == by_library


def test_a_manifest_gives_the_numbers_of_the_folders(
    folders: dict[str, Any], reporter: Reporter, tmp_path: Path
) -> None:
    Evaluate(task="cardiac", **folders).run(reporter)
    manifest = tmp_path / "my method.csv"
    manifest.write_text(
        "prediction,reference,case\nmy method/c1.nii.gz,references/c1/label.nii.gz,c1\n"
    )
    Evaluate(task="cardiac", manifest=manifest, output=tmp_path / "other").run(reporter)
    first, second = (tmp_path / name / "scores.json" for name in ("scores", "other"))
    assert first.read_text() == second.read_text()


def test_folders_and_a_manifest_together_or_neither_are_misuse(
    folders: dict[str, Any], reporter: Reporter, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--manifest"):
        Evaluate(task="cardiac", manifest=tmp_path / "list.csv", **folders).run(reporter)
    with pytest.raises(UsageError):
        Evaluate(task="cardiac", output=folders["output"]).run(reporter)


def test_results_carry_what_produced_them(
    folders: dict[str, Any], reporter: Reporter, heard: Any, tmp_path: Path
) -> None:
    (folders["predictions"] / "c1.json").write_text('{"model": {"content_hash": "12ab"}}')
    other = tmp_path / "references" / "c2.nii.gz"
    write_volume(Volume(np.ones((1, 4, 2), np.uint8), np.eye(4)), other)
    Evaluate(task="cardiac", tolerance_mm=2.5, **folders).run(reporter)
    provenance = read_provenance(folders["output"] / "provenance.json")
    assert provenance.bundle_hashes == {"my method": "12ab"}
    assert provenance.nsd_tolerance_mm == 2.5
    assert provenance.missing_predictions == {"my method": ("c2",)}
    assert provenance.packages["numpy"] == np.__version__
    assert heard.summary["missing_predictions"] == ["c2"]
    assert heard.of("warning")[0]["kind"] == "missing_prediction"
    summary = (folders["output"] / "summary.md").read_text()
    for expected in ("Policy", "Cases without a prediction", "2.5 mm", "NSD"):
        assert expected.lower() in summary.lower()


def write_four_dimensional(path: Path) -> None:
    series = SimpleITK.GetImageFromArray(np.ones((2, 3, 4, 2), np.uint8), isVector=False)
    SimpleITK.WriteImage(series, str(path))


def write_colour(path: Path) -> None:
    colour = SimpleITK.GetImageFromArray(np.ones((5, 4, 2, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(colour, str(path))


def write_unknown_value(path: Path) -> None:
    write_volume(Volume(np.full((1, 4, 2), 205, np.uint8), np.eye(4)), path, overwrite=True)


def write_another_patient(path: Path) -> None:
    affine = np.eye(4)
    affine[2, 3] = 40.0
    write_volume(Volume(np.ones((1, 4, 2), np.uint8), affine), path, overwrite=True)


@pytest.mark.parametrize("which", ["prediction", "reference"])
@pytest.mark.parametrize(
    ("write", "kind", "message"),
    [
        (write_four_dimensional, InputFileError, "4-D"),
        (write_colour, InputFileError, "expected one real number a voxel"),
        (write_unknown_value, LabelError, "205"),
        (write_another_patient, GeometryError, "do not lie on the same grid"),
    ],
)
def test_what_cannot_be_scored_is_an_error_that_names_the_file(
    folders: dict[str, Any],
    reporter: Reporter,
    which: str,
    write: Callable[[Path], None],
    kind: type[CrossModalSegError],
    message: str,
) -> None:
    name = "c1.nii.gz" if which == "prediction" else "c1/label.nii.gz"
    path = folders[f"{which}s"] / name
    write(path)
    with pytest.raises(kind, match=message) as caught:
        Evaluate(task="cardiac", **folders).run(reporter)
    assert str(path) in caught.value.message
    assert not folders["output"].exists()
