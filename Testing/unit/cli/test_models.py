"""Models leave the computer in the form that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.cli.models import ExportModel
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.methods import build_method


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


def test_a_bundle_is_copied_as_it_is(model: str, tmp_path: Path, reporter: Reporter) -> None:
    ExportModel(name=model, output=tmp_path / "copy.zip").run(reporter)
    assert read_bundle(tmp_path / "copy.zip").content_hash == read_bundle(model).content_hash


def test_other_forms_are_written_on_demand(
    model: str, tmp_path: Path, reporter: Reporter, heard: Any
) -> None:
    ExportModel(name=model, output=tmp_path / "m.onnx", format="onnx").run(reporter)
    onnx.checker.check_model(onnx.load(tmp_path / "m.onnx"))
    assert heard.summary["format"] == "onnx"


def test_monais_form_is_a_folder_with_a_configuration_to_run(
    model: str, tmp_path: Path, reporter: Reporter
) -> None:
    ExportModel(name=model, output=tmp_path / "monai", format="monai").run(reporter)
    assert (tmp_path / "monai" / "configs" / "inference.json").is_file()
    assert (tmp_path / "monai" / "scripts" / "pipeline.py").is_file()


def test_the_ending_must_fit_the_form(model: str, tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(ConfigError, match=r"\.onnx"):
        ExportModel(name=model, output=tmp_path / "m.pt", format="onnx").run(reporter)
