"""A tiny model of any method, its bundle, and archives made by someone else."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import (
    BundleConfig,
    CohortReference,
    MeasuredScores,
    Modalities,
    TrainingProvenance,
)
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.methods.base import Method

Weights = dict[str, torch.Tensor]


class Tools:
    """What the tests make tiny models with; tests are not importable modules."""

    @staticmethod
    def make_method(name: str) -> Method:
        """Return a method with random networks, always the same ones."""
        torch.manual_seed(0)
        backbone = {"name": "unet", "width": 2, "levels": 2}
        return build_method(name, {"num_classes": 5, "backbone": backbone})

    @staticmethod
    def weights_of(method: Method) -> Weights:
        """Return the weights that go into a bundle."""
        return {
            key: tensor
            for key, tensor in method.state_dict().items()
            if key.partition(".")[0] in method.deployed
        }

    @staticmethod
    def make_config(method: Method, name: str) -> BundleConfig:
        """Describe a method as if it had been trained."""
        task, target = TASKS["cardiac"], MODALITIES["mr_bssfp"]
        return BundleConfig(
            name=f"cardiac_{name}_tiny",
            title="Cardiac on bSSFP MR, tiny",
            description="Made for tests.",
            method=name,
            method_settings=to_dict(method.config),
            task=task,
            modalities=Modalities(source=MODALITIES["ct"], target=target),
            preprocessing=default_preprocessing(task, target, matrix=(16, 16)),
            training=_provenance(),
            scores=(_scores(),),
            references=("Somebody et al. 2020",),
        )


def _provenance() -> TrainingProvenance:
    return TrainingProvenance(
        preset="quick",
        overrides=("method.iterations=4",),
        settings={"batch_size": 2},
        seed=3,
        iterations=4,
        chosen_iteration=2,
        selection="a rule",
        selection_score=0.1 + 0.2,
        cohorts=(
            CohortReference(domain="source", dataset="folder", content_hash="a" * 64, num_cases=3),
            CohortReference(domain="target", dataset="folder", content_hash="b" * 64, num_cases=4),
        ),
        versions={"torch": "2.9.9"},
        device="cpu",
    )


def _scores() -> MeasuredScores:
    return MeasuredScores(
        domain="target", split="test", num_cases=2, means={"dice": {"MYO": 0.5, "AA": 0.25}}
    )


@pytest.fixture
def tools() -> type[Tools]:
    """Return the makers of tiny models."""
    return Tools


@pytest.fixture
def method() -> Method:
    """Return a tiny DSAN, which has networks that are not deployed."""
    return Tools.make_method("dsan")


@pytest.fixture
def config(method: Method) -> BundleConfig:
    """Return the description of the tiny DSAN."""
    return Tools.make_config(method, "dsan")


@pytest.fixture
def weights(method: Method) -> Weights:
    """Return the deployed weights, among them numbers that rounding or text would lose."""
    return _weights(method)


def _weights(method: Method) -> Weights:
    weights = Tools.weights_of(method)
    first = next(tensor for tensor in weights.values() if tensor.numel() >= 3)
    first.view(-1)[:3] = torch.tensor([-0.0, 1e-42, torch.finfo(torch.float32).max])
    return weights


@pytest.fixture(scope="session")
def sound_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the tiny DSAN as a folder that no test changes."""
    method = Tools.make_method("dsan")
    output = tmp_path_factory.mktemp("sound") / "bundle"
    return write_bundle(output, Tools.make_config(method, "dsan"), _weights(method))


@pytest.fixture
def bundle(tmp_path: Path, sound_bundle: Bundle) -> Bundle:
    """Return the tiny DSAN as a folder of the test's own."""
    shutil.copytree(sound_bundle.path, tmp_path / "bundle")
    return read_bundle(tmp_path / "bundle")


@pytest.fixture
def files(sound_bundle: Bundle) -> dict[str, bytes]:
    """Return the content of a sound bundle, to be made unsound."""
    return sound_bundle.read_files()


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Return a maker of zips that takes names as they are."""

    def make(content: dict[str, bytes]) -> Path:
        path = tmp_path / "foreign.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return path

    return make
