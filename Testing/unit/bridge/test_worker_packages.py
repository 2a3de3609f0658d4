"""The real worker, where only what Slicer has and the list for prediction can be imported."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.bridge.requirements import PROTECTED, requirements_of
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.methods.source_only import SourceOnly, SourceOnlyConfig
from CrossModalSegLib.networks.backbones import Backbone

WORKER = """
import json, sys
from importlib.machinery import PathFinder

BLOCKED = set(json.loads(sys.argv.pop(1)))

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
from CrossModalSegLib.cli.main import main
sys.exit(main(["worker"]))
"""


def names_needed_by(name: str) -> set[str]:
    """Return a package and all that it needs in turn."""
    needed, waiting = set[str](), [name]
    while waiting:
        each = canonicalize_name(waiting.pop())
        if each in needed:
            continue
        needed.add(each)
        try:
            texts = importlib.metadata.requires(each) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        declared = [Requirement(text) for text in texts]
        waiting += [d.name for d in declared if d.marker is None or d.marker.evaluate()]
    return needed


def modules_to_block() -> list[str]:
    """Return the modules of all packages here that a Slicer with the list would not have."""
    allowed = {each.name for each in requirements_of("predict")} | set(PROTECTED)
    allowed |= names_needed_by("torch")
    return [
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if module != "CrossModalSegLib"
        and not {str(canonicalize_name(owner)) for owner in owners} & allowed
    ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    backbone = Backbone(name="unet", width=4, levels=3)
    intensity = IntensityRule(kind="window_hu", window_hu=(-3.0, 3.0))
    settings = SourceOnlyConfig(num_classes=5, backbone=backbone)
    config = BundleConfig(
        name="tiny",
        title="Tiny",
        method="source_only",
        method_settings=to_dict(settings),
        task=TASKS["cardiac"],
        modalities=Modalities(source=MODALITIES["ct"], target=MODALITIES["mr_bssfp"]),
        preprocessing=Preprocessing(slicing="coronal", matrix=(32, 32), intensity=intensity),
    )
    weights = SourceOnly(settings).state_dict()
    write_bundle(tmp_path / "tiny", config, {name: w.contiguous() for name, w in weights.items()})
    return tmp_path / "tiny"


def test_the_list_for_prediction_is_all_that_the_worker_needs(
    model: Path, tmp_path: Path, poll_until: Callable[..., float]
) -> None:
    blocked = modules_to_block()
    assert {"nibabel", "monai", "matplotlib", "rich"} <= set(blocked)
    noise = np.random.default_rng(0).normal(size=(16, 24, 24)).astype(np.float32)
    write_volume(Volume(noise, np.diag([2.0, 2.0, 2.0, 1.0])), tmp_path / "scan.nrrd")
    jobs = WorkerJobs(command=[sys.executable, "-u", "-c", WORKER, json.dumps(blocked)])
    events: list[Event] = []
    arguments = {
        "model": str(model),
        "inputs": [str(tmp_path / "scan.nrrd")],
        "output": str(tmp_path / "result.seg.nrrd"),
        "uncertainty": str(tmp_path / "uncertainty.nrrd"),
        "device": "cpu",
    }
    jobs.submit("devices", {}, events.append)
    jobs.submit("segment", arguments, events.append)
    poll_until(jobs, lambda: not jobs.active_jobs, 60.0)
    jobs.shutdown()
    assert [event["event"] for event in events if event["event"] in {"done", "error"}] == [
        "done",
        "done",
    ], jobs.log.errors_text()
    assert (tmp_path / "result.seg.nrrd").is_file()
