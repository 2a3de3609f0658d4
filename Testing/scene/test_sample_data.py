"""The sample scan is made beside the program, without third parties, and shown."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.modality_suggestion import suggest_modality
from CrossModalSegLib.bridge.processes import library_environment
from CrossModalSegLib.bridge.run_progress import RunProgress
from CrossModalSegLib.bridge.sample_data import (
    IMAGE_NAME,
    LABELS_NAME,
    SAMPLE_NAME,
    SAMPLE_TASK,
    SampleJob,
    SampleOutcome,
    place_sample,
)
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import node_to_volume
from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.geometry import orientation_code
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.nrrd_reading import read_nrrd
from CrossModalSegLib.data.volume_encoding import write_nrrd

BLOCKED = """
import importlib.abc, importlib.metadata, sys

ALLOWED = {"CrossModalSegLib", "SimpleITK", "numpy", "scipy"}
THIRD_PARTIES = set(importlib.metadata.packages_distributions()) - ALLOWED
assert {"torch", "monai", "tyro", "rich", "nibabel"} <= THIRD_PARTIES

class OnlyWhatSlicerHas(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in THIRD_PARTIES:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, OnlyWhatSlicerHas())
from CrossModalSegLib.bridge.sample_phantom import main
sys.exit(main(sys.argv[1:]))
"""


class Sampling:
    """A job, and what it told."""

    def __init__(self, session: HeadlessScene) -> None:
        self.progress: list[RunProgress] = []
        self.outcomes: list[SampleOutcome] = []
        self.job = SampleJob(
            on_progress=self.progress.append, on_end=self.outcomes.append, scene=session.mrml
        )

    def finish(self) -> SampleOutcome:
        end = time.monotonic() + 60
        while not self.outcomes:
            assert time.monotonic() < end
            self.job.poll()
            time.sleep(0.01)
        assert not self.job.is_active
        assert len(self.outcomes) == 1
        return self.outcomes[0]


def test_a_sample_comes_into_the_scene_with_its_reference(session: HeadlessScene) -> None:
    slice_node = session.mrml.AddNewNodeByClass("vtkMRMLSliceNode")
    slice_node.SetLayoutName("Red")
    composite = session.mrml.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetLayoutName("Red")
    sampling = Sampling(session)
    sampling.job.start(with_reference=True)
    folder = sampling.job._folder.path
    outcome = sampling.finish()
    assert (outcome.state, outcome.error) == ("done", None)
    assert outcome.seconds < 10
    image = node_to_volume(outcome.volume_node)
    assert outcome.volume_node.GetName() == SAMPLE_NAME
    assert (orientation_code(image.affine_ras), image.shape_ijk) == ("LIP", (128, 128, 64))
    assert max(image.spacing_mm) <= 2.0
    labels = node_to_labels(outcome.segmentation_node, SAMPLE_TASK, image)
    counts = np.bincount(labels.array_kji.ravel(), minlength=5)
    assert (counts[1:] * image.voxel_ml > 10).all(), "every structure is there"
    fractions = [progress.fraction for progress in sampling.progress]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 5
    assert fractions[-1] == 1.0
    assert composite.GetBackgroundVolumeID() == outcome.volume_node.GetID()
    assert not folder.exists()


def test_a_cancelled_sample_leaves_nothing(session: HeadlessScene) -> None:
    sampling = Sampling(session)
    sampling.job.start()
    folder = sampling.job._folder.path
    while len(sampling.progress) < 2:
        sampling.job.poll()
    sampling.job.cancel()
    began = time.monotonic()
    outcome = sampling.finish()
    assert time.monotonic() - began < 1.0
    assert (outcome.state, outcome.volume_node) == ("cancelled", None)
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert not folder.exists()


def test_one_sample_at_a_time(session: HeadlessScene) -> None:
    sampling = Sampling(session)
    sampling.job.start()
    with pytest.raises(RunError, match="already"):
        sampling.job.start()
    sampling.job.shutdown()
    assert sampling.finish().state == "cancelled"


def test_a_process_that_cannot_start_is_told(session: HeadlessScene) -> None:
    def fail(*_arguments: object) -> Any:
        raise OSError(2, "No such file")

    outcomes: list[SampleOutcome] = []
    job = SampleJob(
        on_progress=lambda _: None, on_end=outcomes.append, scene=session.mrml, launch=fail
    )
    job.start()
    job.poll()
    assert outcomes[0].state == "failed"
    assert "No such file" in str(outcomes[0].error)


def test_nothing_but_what_slicer_has_is_needed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, str(tmp_path)]
    assert _run_with_open_input(command) == 0
    image, labels = read_nrrd(tmp_path / IMAGE_NAME), read_nrrd(tmp_path / LABELS_NAME)
    assert image.shape_kji == labels.shape_kji


def _run_with_open_input(command: list[str]) -> int:
    with subprocess.Popen(
        command, env=library_environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        return process.wait(60)


def test_the_process_dies_with_its_input(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "CrossModalSegLib.bridge.sample_phantom", str(tmp_path)],
        env=library_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=30,
        check=False,
    )
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())


def test_the_modality_of_the_sample_is_known_and_its_window_fits(
    session: HeadlessScene, tmp_path: Path
) -> None:
    array = np.linspace(0, 1000, 1000, dtype=np.float32).reshape(10, 10, 10)
    write_nrrd(Volume(array, np.eye(4)), tmp_path / IMAGE_NAME)
    node, reference = place_sample(tmp_path, session.mrml, with_reference=False)
    assert reference is None
    assert suggest_modality(node) == "mr_bssfp"
    display = node.GetDisplayNode()
    assert display.GetWindowLevelMin() == 0.0
    assert display.GetWindowLevelMax() == pytest.approx(995, abs=1)
