"""What the words of `segment` mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.cli.main import read_command
from CrossModalSegLib.cli.segment import Segment
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.inference import files
from CrossModalSegLib.inference.files import SegmentOptions
from CrossModalSegLib.methods import build_method

NEEDED = ("segment", "--model", "m", "--input", "a.nii.gz", "--output", "o.nrrd")


def read(*words: str) -> Segment:
    command = read_command([*NEEDED, *words])
    assert isinstance(command, Segment)
    return command


def test_several_models_and_images_are_listed() -> None:
    command = read("--model", "a", "b", "--input", "t1.nii.gz", "t2.nii.gz")
    assert command.model == ("a", "b")
    assert command.input == (Path("t1.nii.gz"), Path("t2.nii.gz"))


def test_a_box_has_negative_numbers() -> None:
    assert read("--region", "-40", "12.5", "-60", "-1e1", "0", "80").region == (
        *("-40", "12.5", "-60"),
        *("-1e1", "0", "80"),
    )
    assert read("--region", "mask.nii.gz").region == ("mask.nii.gz",)


def test_axes_are_named() -> None:
    assert read("--flips", "left-right", "anterior-posterior").flips == (
        "left-right",
        "anterior-posterior",
    )
    with pytest.raises(SystemExit):
        read("--flips", "sideways")


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Return the path of a tiny model."""
    torch.manual_seed(0)
    backbone = {"name": "unet", "width": 2, "levels": 2}
    method = build_method("supervised", {"num_classes": 5, "backbone": backbone})
    task, target = TASKS["cardiac"], MODALITIES["ct"]
    config = BundleConfig(
        name="tiny",
        title="Tiny",
        method="supervised",
        method_settings=to_dict(method.config),
        task=task,
        modalities=Modalities(source=target, target=target),
        preprocessing=default_preprocessing(task, target, matrix=(16, 16)),
    )
    write_bundle(tmp_path / "tiny", config, method.state_dict())
    return str(tmp_path / "tiny")


def test_every_option_arrives(
    model: str, monkeypatch: pytest.MonkeyPatch, reporter: Reporter, heard: Any
) -> None:
    got: list[Any] = []

    def watched(*arguments: Any) -> list[Any]:
        got.extend(arguments)
        return []

    monkeypatch.setattr(files, "segment_files", watched)
    command = read(
        *("--model", model, model, "--device", "cpu", "--precision", "32-true"),
        *("--batch-size", "3", "--suffix", ".dcm", "--overwrite", "--task", "cardiac"),
        *("--modality", "ct", "--series", "T2", "--structures", "AA", "MYO"),
        *("--region", "mask.mha", "--flips", "left-right", "--largest-component", "no"),
        *("--minimum-ml", "0.5", "--uncertainty", "u", "--probabilities", "p", "--maps", "m"),
        "--quality",
    )
    command.run(reporter)
    bundles, inputs, output, options, _ = got
    assert [bundle.config.name for bundle in bundles] == ["tiny", "tiny"]
    assert (inputs, output) == ((Path("a.nii.gz"),), Path("o.nrrd"))
    assert options == SegmentOptions(
        device="cpu",
        precision="32-true",
        batch_size=3,
        suffix=".dcm",
        overwrite=True,
        task="cardiac",
        modality="ct",
        series="T2",
        structures=("AA", "MYO"),
        region=("mask.mha",),
        flips=("left-right",),
        largest_component=False,
        minimum_ml=0.5,
        uncertainty=Path("u"),
        probabilities=Path("p"),
        maps=Path("m"),
        quality=True,
    )
    assert heard.summary["model"] == "Tiny + Tiny"


def test_by_default_the_model_and_the_input_decide(
    model: str, monkeypatch: pytest.MonkeyPatch, reporter: Reporter
) -> None:
    got: list[Any] = []

    def watched(*arguments: Any) -> list[Any]:
        got.extend(arguments)
        return []

    monkeypatch.setattr(files, "segment_files", watched)
    read("--model", model).run(reporter)
    assert got[3] == SegmentOptions()
