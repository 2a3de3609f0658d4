"""A model that takes two images of a case, from the Segment page through a real worker and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from CrossModalSegLib.bridge import segment_service
from CrossModalSegLib.bridge.installation import InstallationState
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.methods import build_method
from Testing.scene.harness.interaction import click, process_events, tool_tip, wait_until
from Testing.scene.harness.session import SlicerApplication, slicer_application

MODULE = Path(__file__).parents[2] / "CrossModalSeg" / "CrossModalSeg.py"
TASK = TASKS["brain_tumour"]


class Installed:
    """An installer that finds everything."""

    def check(self) -> InstallationState:
        return InstallationState(ready=True, missing=(), torch="ready", explanation="")

    def forget(self) -> None:
        """Nothing is remembered."""

    def shutdown(self) -> None:
        """Nothing runs."""


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Put a tiny model of T1 and FLAIR with random weights into the user's library."""
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(segment_service, "Installer", Installed)
    torch.manual_seed(3)
    backbone = {"name": "unet", "width": 4, "levels": 2, "in_channels": 2}
    method = build_method("supervised", {"num_classes": TASK.num_classes, "backbone": backbone})
    images = MODALITIES["t1"], MODALITIES["flair"]
    each = [default_preprocessing(TASK, entry, matrix=(32, 32)) for entry in images]
    config = BundleConfig(
        name="pair",
        title="T1 and FLAIR, tiny",
        method="supervised",
        method_settings=to_dict(method.config),
        task=TASK,
        modalities=Modalities(source=images[0], target=images[0], inputs=images),
        preprocessing=combine_preprocessing(each),
    )
    output = tmp_path / "home" / "models" / "pair"
    return write_bundle(output, config, dict(method.state_dict()))


@pytest.fixture
def application(pair: Bundle) -> Iterator[SlicerApplication]:
    del pair
    with slicer_application() as application:
        yield application


def scan(shape_kji: tuple[int, int, int], mm: float, seed: int) -> Volume:
    affine = np.diag([-mm, mm, mm, 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape_kji[::-1]) - 1) / 2)
    k, j, i = np.indices(shape_kji) * mm
    field = np.sin(i / 7 + seed) + np.cos(j / 5) + k / 40
    noise = np.random.default_rng(seed).normal(0, 0.1, shape_kji)
    return Volume((100 * (field + noise)).astype(np.float32), affine)


def test_two_images_are_chosen_and_segmented_together(
    application: SlicerApplication, pair: Bundle
) -> None:
    import slicer

    loaded = application.load_module(MODULE)
    logic, ui = loaded.widget.logic, loaded.widget.pages.segment.ui
    service, parameters = logic.service, logic.getParameterNode()
    t1, flair = scan((14, 30, 28), 2.0, 1), scan((34, 62, 66), 1.0, 2)
    first = volume_to_node(t1, application.scene, "first")
    second = volume_to_node(flair, application.scene, "second")
    parameters.inputVolume = first
    process_events(0.05)
    parameters.modality = "t1"
    parameters.model = "pair"
    process_events(0.05)
    assert ui.secondSelector.visible
    assert not ui.thirdSelector.visible
    assert ui.secondSelectorLabel.text == "FLAIR MR:"
    assert "needs 2 volumes: T1 MR, FLAIR MR" in tool_tip(ui.applyButton)
    parameters.secondVolume = second
    process_events(0.05)
    assert ui.applyButton.enabled, tool_tip(ui.applyButton)

    wait_until(lambda: not service.jobs.active_jobs, 90, what="a warm worker")
    click(ui.applyButton)
    wait_until(lambda: not service.is_busy, 90, what="the end of the run")
    process_events(0.05)
    assert ui.statusLabel.text.startswith("Done in"), ui.statusLabel.text
    (node,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    placed = node_to_labels(node, TASK, t1)
    predictor = Predictor.from_bundle(pair, device="cpu")
    expected = predictor.segment([t1, flair]).labels.array_kji
    assert len(np.unique(expected)) > 2
    np.testing.assert_array_equal(placed.array_kji, expected)
    swapped: Any = predictor.segment([t1, flair.with_array(flair.array_kji[::-1].copy())])
    assert not np.array_equal(swapped.labels.array_kji, expected)  # the second image counts
