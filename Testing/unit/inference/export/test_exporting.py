"""Exports say what the network says, in programs that know nothing of ours."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession  # type: ignore[import-untyped,unused-ignore]

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities, PostProcessing
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import ConfigError, OutputExistsError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume
from CrossModalSegLib.inference.export.exporting import (
    Predicting,
    export_bundle,
    monai_files,
    onnx_bytes,
    torchscript_bytes,
)
from CrossModalSegLib.inference.export.portable_sources import external_imports, portable_sources
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.methods import build_method

ONNX_TOLERANCE = 1e-3

RUN = """
import runpy, sys
for name in ("CrossModalSegLib", "SimpleITK", "pydicom", "highdicom", "safetensors", "tyro"):
    sys.modules[name] = None  # as if it were not installed: importing it fails
sys.argv = ["monai.bundle", "run", *sys.argv[1:]]
runpy.run_module("monai.bundle", run_name="__main__")
"""
"""`python -m monai.bundle run` where neither our package nor what it needs besides is installed."""


@pytest.fixture
def plain_bundle(tmp_path: Path) -> Bundle:
    """Return a tiny model with random weights that resamples slices and cleans labels."""
    torch.manual_seed(0)
    backbone = {"name": "unet", "width": 2, "levels": 2}
    method = build_method("dsan", {"num_classes": 5, "backbone": backbone})
    task, target = TASKS["cardiac"], MODALITIES["mr_bssfp"]
    config = BundleConfig(
        name="cardiac_tiny",
        title="Cardiac, tiny",
        method="dsan",
        method_settings=to_dict(method.config),
        task=task,
        modalities=Modalities(source=MODALITIES["ct"], target=target),
        preprocessing=default_preprocessing(task, target, matrix=(16, 16), spacing_mm=(1.5, 1.5)),
        post_processing=PostProcessing(largest_component=True),
    )
    weights = {
        key: tensor
        for key, tensor in method.state_dict().items()
        if key.partition(".")[0] in method.deployed
    }
    return write_bundle(tmp_path / "plain", config, weights)


def slices_for(bundle: Bundle, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, 1, *bundle.config.preprocessing.matrix, generator=generator) * 2 - 1


def probabilities_of(bundle: Bundle, slices: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = Predicting(load_method(bundle)).eval()(slices)
    return result


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of TorchScript
@pytest.mark.parametrize("count", [1, 5])
def test_torchscript_gives_the_probabilities_of_the_network(
    plain_bundle: Bundle, count: int
) -> None:
    extra = {"metadata.json": ""}
    load: Any = torch.jit.load
    loaded = load(io.BytesIO(torchscript_bytes(plain_bundle)), _extra_files=extra)
    slices = slices_for(plain_bundle, count)
    torch.testing.assert_close(loaded(slices), probabilities_of(plain_bundle, slices))
    assert json.loads(extra["metadata.json"])["name"] == plain_bundle.config.title


@pytest.mark.parametrize("count", [1, 3])
def test_onnx_gives_the_probabilities_of_the_network(plain_bundle: Bundle, count: int) -> None:
    content = onnx_bytes(plain_bundle)
    slices = slices_for(plain_bundle, count)
    expected = probabilities_of(plain_bundle, slices).numpy()
    (found,) = ReferenceEvaluator(content).run(None, {"images": slices.numpy()})
    np.testing.assert_allclose(np.asarray(found), expected, atol=ONNX_TOLERANCE)
    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": slices.numpy()})
    np.testing.assert_allclose(np.asarray(found), expected, atol=ONNX_TOLERANCE)
    properties = {p.key: p.value for p in onnx.load_from_string(content).metadata_props}
    assert properties["content_hash"] == plain_bundle.content_hash
    assert json.loads(properties["config"])["name"] == plain_bundle.config.name


def test_the_sources_of_an_export_need_numpy_and_scipy_alone() -> None:
    sources = portable_sources()
    assert "scripts/pipeline.py" in sources
    assert "scripts/data/preprocessing.py" in sources
    only_for_n4 = "scripts/data/bias_field.py"
    used = [text for name, text in sources.items() if name != only_for_n4]
    outside = external_imports(used) - set(sys.stdlib_module_names)
    assert outside == {"numpy", "scipy", "torch", "monai"}
    assert external_imports([sources[only_for_n4]]) >= {"SimpleITK"}
    assert not any("adapters" in name for name in sources)
    assert not any(b"CrossModalSegLib." in text for text in sources.values())


def test_the_monai_form_has_every_key_of_the_specification(plain_bundle: Bundle) -> None:
    """As docs.monai.io/en/stable/mb_specification.html lists them (2024), files included.

    `required_packages_version` is what the schema of 2024-07-25 has instead of
    `optional_packages_version`; both are there.
    """
    files = monai_files(plain_bundle)
    described = json.loads(files["configs/metadata.json"])
    for key in (
        *("version", "monai_version", "pytorch_version", "numpy_version"),
        *("required_packages_version", "optional_packages_version", "task", "description"),
        *("authors", "copyright", "network_data_format"),
    ):
        assert described[key], key
    assert "crossmodalseg" not in described["required_packages_version"]
    for direction, name in (("inputs", "image"), ("outputs", "pred")):
        entry = described["network_data_format"][direction][name]
        for key in (
            *("type", "format", "num_channels", "spatial_shape", "dtype"),
            *("value_range", "is_patch_data", "channel_def"),
        ):
            assert key in entry, (direction, key)
    for name in ("configs/inference.json", "models/model.ts", "docs/README.md", "LICENSE"):
        assert files[name]
    state = torch.load(io.BytesIO(files["models/model.pt"]), weights_only=True)
    expected = load_method(plain_bundle).state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def scan(folder: Path, name: str, orientation: Any) -> Path:
    """Write a scan of odd sizes with the given axes."""
    generator = np.random.default_rng(3)
    k, j, i = np.indices((9, 21, 19))
    field = np.sin(i / 3) + np.cos(j / 4) + k / 9 + generator.normal(0, 0.1, i.shape)
    affine = np.eye(4)
    affine[:3, :3] = orientation @ np.diag([1.1, 1.9, 2.5])
    affine[:3, 3] = (-12, 7, 30)
    path = folder / f"{name}.nii.gz"
    write_volume(Volume((100 * field).astype(np.float32), affine), path)
    return path


def rotation(degrees: float) -> Any:
    angle = np.deg2rad(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def test_monais_runner_gives_the_same_labels_without_our_package(
    plain_bundle: Bundle, tmp_path: Path
) -> None:
    images, exported = tmp_path / "images", tmp_path / "exported"
    images.mkdir()
    scan(images, "upright", np.eye(3))
    scan(images, "oblique", rotation(20) @ np.diag([-1.0, -1.0, 1.0])[:, [2, 0, 1]])
    export_bundle(plain_bundle, exported, "monai")
    options = ["--config_file", "configs/inference.json", "--bundle_root", str(exported)]
    options += ["--dataset_dir", str(images), "--output_dir", str(tmp_path / "made")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *options],
        cwd=exported,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    predictor = Predictor.from_bundle(plain_bundle, device="cpu", precision="32-true")
    for name in ("upright", "oblique"):
        ours = predictor.segment(read_image(images / f"{name}.nii.gz")).labels
        theirs = read_labels(tmp_path / "made" / f"{name}_seg.nii.gz")
        np.testing.assert_array_equal(theirs.array_kji, ours.array_kji)
        np.testing.assert_allclose(theirs.affine_ras, ours.affine_ras, atol=1e-4)
        assert len(np.unique(ours.array_kji)) > 2  # not all background


@pytest.mark.parametrize(("form", "name"), [("onnx", "m.onnx"), ("torchscript", "m.pt")])
def test_outputs_are_replaced_on_demand_only(
    plain_bundle: Bundle, tmp_path: Path, form: Any, name: str
) -> None:
    export_bundle(plain_bundle, tmp_path / "new" / name, form)
    with pytest.raises(OutputExistsError):
        export_bundle(plain_bundle, tmp_path / "new" / name, form)
    export_bundle(plain_bundle, tmp_path / "new" / name, form, overwrite=True)
    with pytest.raises(ConfigError, match="ends in"):
        export_bundle(plain_bundle, tmp_path / "model.bin", form)
