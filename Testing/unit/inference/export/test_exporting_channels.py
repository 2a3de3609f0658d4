"""Exports of models that take several images of a case."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume
from CrossModalSegLib.inference.export.exporting import (
    export_bundle,
    onnx_bytes,
    torchscript_bytes,
)
from CrossModalSegLib.inference.export.monai_config import inference_config, readme_section
from CrossModalSegLib.inference.export.monai_pipeline import find_cases
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.methods import build_method

NAMES = ("t1", "flair")

RUN = """
import sys
sys.modules["CrossModalSegLib"] = None  # as if it were not installed: importing it fails
from monai.bundle import run
run(config_file=sys.argv[1], bundle_root=".", dataset_dir=sys.argv[2], output_dir=sys.argv[3])
"""


@pytest.fixture
def pair(tmp_path: Path) -> Bundle:
    """Return a tiny model of T1 and FLAIR with random weights, that crops to the foreground."""
    torch.manual_seed(3)
    backbone = {"name": "unet", "width": 4, "levels": 2, "in_channels": 2}
    task = TASKS["brain_tumour"]
    method = build_method("supervised", {"num_classes": task.num_classes, "backbone": backbone})
    images = tuple(MODALITIES[name] for name in NAMES)
    each = [
        default_preprocessing(task, entry, matrix=(16, 16), spacing_mm=(1.5, 1.5))
        for entry in images
    ]
    config = BundleConfig(
        name="pair",
        title="T1 and FLAIR, tiny",
        method="supervised",
        method_settings=to_dict(method.config),
        task=task,
        modalities=Modalities(source=images[0], target=images[0], inputs=images),
        preprocessing=replace(combine_preprocessing(each), crop="foreground"),
    )
    return write_bundle(tmp_path / "pair", config, dict(method.state_dict()))


def slices(count: int) -> torch.Tensor:
    return torch.rand(count, 2, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of TorchScript
def test_the_network_alone_takes_all_channels(pair: Bundle) -> None:
    with torch.no_grad():
        expected = load_method(pair).predict(slices(3))
    load: Any = torch.jit.load
    loaded = load(io.BytesIO(torchscript_bytes(pair)))
    torch.testing.assert_close(loaded(slices(3)), expected)
    content = onnx_bytes(pair)
    (found,) = ReferenceEvaluator(content).run(None, {"images": slices(3).numpy()})
    np.testing.assert_allclose(np.asarray(found), expected.numpy(), atol=1e-3)


def write_case(folder: Path, seed: int) -> None:
    """Write a T1 of odd sizes, oblique, and a finer upright FLAIR of the same place."""
    generator = np.random.default_rng(seed)
    angle = np.deg2rad(10 * seed)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    turn = np.vstack([turn, [0, 0, 1]])
    for name, shape, mm in (
        ("t1", (9, 21, 19), (1.1, 1.4, 2.5)),
        ("flair", (20, 30, 30), (1,) * 3),
    ):
        affine = np.eye(4)
        affine[:3, :3] = (turn if name == "t1" else np.eye(3)) @ np.diag(mm)
        affine[:3, 3] = -affine[:3, :3] @ (np.array(shape[::-1]) / 2)
        k, j, i = np.indices(shape)
        field = np.sin(i / 3) + np.cos(j / 4) + k / 9 + generator.normal(0, 0.1, shape)
        write_volume(Volume((100 * field).astype(np.float32), affine), folder / f"image_{name}.nii")


def test_monais_runner_gives_the_same_labels_without_our_package(
    pair: Bundle, tmp_path: Path
) -> None:
    for number in (1, 2):
        write_case(tmp_path / "data" / f"p{number}", number)
    export_bundle(pair, tmp_path / "exported", "monai")
    places = ["configs/inference.json", str(tmp_path / "data"), str(tmp_path / "made")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *places],
        cwd=tmp_path / "exported",
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    predictor = Predictor.from_bundle(pair, device="cpu", precision="32-true")
    for number in (1, 2):
        case = tmp_path / "data" / f"p{number}"
        ours = predictor.segment([read_image(case / f"image_{name}.nii") for name in NAMES]).labels
        theirs = read_labels(tmp_path / "made" / f"p{number}" / "image_t1_seg.nii.gz")
        np.testing.assert_array_equal(theirs.array_kji, ours.array_kji)
        np.testing.assert_allclose(theirs.affine_ras, ours.affine_ras, atol=1e-4)
        assert len(np.unique(ours.array_kji)) > 1


def test_cases_are_folders_with_an_image_of_each_modality(tmp_path: Path) -> None:
    for case in ("b", "a"):
        for name in ("flair", "t1", "t2"):
            path = tmp_path / case / f"image_{name}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    found = find_cases(str(tmp_path), NAMES)
    assert found == [
        [str(tmp_path / case / f"image_{name}.nii.gz") for name in NAMES] for case in ("a", "b")
    ]
    (tmp_path / "a" / "image_flair.nii.gz").unlink()
    with pytest.raises(InputFileError, match="image_flair"):
        find_cases(str(tmp_path), NAMES)


def test_the_export_says_how_cases_must_lie(pair: Bundle) -> None:
    config = inference_config(pair)
    assert json.loads(json.dumps(config)) == config
    assert "`image_t1.nii.gz`, `image_flair.nii.gz`" in readme_section(pair)
    assert "FOLDER_OF_CASE_FOLDERS" in readme_section(pair)
