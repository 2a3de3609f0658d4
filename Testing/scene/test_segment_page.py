"""The Segment page with the module's real code, a real worker and a real model, clicked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from CrossModalSegLib.bridge import segment_service
from CrossModalSegLib.bridge.installation import InstallationState
from CrossModalSegLib.bridge.segmentations import volume_of
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.errors import Cancelled, MissingDependencyError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from Testing.frozen_heap import least_seconds
from Testing.scene.harness.interaction import (
    GuiClock,
    click,
    process_events,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.session import LoadedModule, SlicerApplication, slicer_application

MODULE = Path(__file__).parents[2] / "CrossModalSeg" / "CrossModalSeg.py"
MODEL = "cardiac_ct_to_mr_bssfp_dsan"

LONGEST_GAP_SECONDS = 0.1
"""Of the GUI thread, from Apply until the result is shown."""


class Installed:
    """An installer of which a test says what it finds."""

    def __init__(self) -> None:
        self.is_ready = True
        self.error: Exception | None = None
        self.questions: list[bool] = []

    def check(self) -> InstallationState:
        """Say what the test says."""
        return InstallationState(
            ready=self.is_ready,
            missing=() if self.is_ready else ("safetensors",),
            torch="ready" if self.is_ready else "missing",
            explanation="" if self.is_ready else "PyTorch and safetensors are missing.",
        )

    def forget(self) -> None:
        """Nothing is remembered."""

    def shutdown(self) -> None:
        """Nothing runs."""

    def install(self, *, on_line: Any, ask: Any) -> InstallationState:
        """Ask, then do as if."""
        self.questions.append(ask("Install 2 packages?"))
        if not self.questions[-1]:
            raise Cancelled
        if self.error is not None:
            raise self.error
        on_line("Installing safetensors.")
        self.is_ready = True
        return self.check()


class OpenModule:
    """The module as a user sees it."""

    def __init__(self, application: SlicerApplication, installed: Installed) -> None:
        self.application = application
        self.installed = installed
        self.loaded: LoadedModule = application.load_module(MODULE)

    @property
    def service(self) -> Any:
        """Worker, models, installation."""
        return self.loaded.widget.logic.service

    @property
    def page(self) -> Any:
        """The Segment page."""
        return self.loaded.widget.pages.segment

    @property
    def ui(self) -> Any:
        """Its widgets."""
        return self.page.ui

    @property
    def parameters(self) -> Any:
        """The parameter node of the present scene."""
        return self.loaded.widget.logic.getParameterNode()

    @property
    def message(self) -> str:
        """What the message area says."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""

    @property
    def segmentations(self) -> list[Any]:
        """Those of the scene."""
        import slicer

        return list(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))

    def add(self, volume: Volume, name: str = "Heart MR") -> Any:
        """Load a volume and choose it as a bSSFP scan."""
        node = volume_to_node(volume, self.application.scene, name)
        self.parameters.inputVolume = node
        process_events(0.05)
        self.parameters.modality = "mr_bssfp"
        process_events(0.05)
        return node

    def wait_for_worker(self) -> None:
        """Wait until it has said what devices there are and has loaded the model."""
        wait_until(lambda: not self.service.jobs.active_jobs, 90, what="a warm worker")

    def wait(self) -> None:
        """Wait for the end of a run."""
        wait_until(lambda: not self.service.is_busy, 90, what="the end of the run")
        process_events(0.05)

    def wait_until_segmenting(self) -> None:
        """Wait until the worker is in the middle of it."""
        wait_until(lambda: "Segmenting" in self.ui.statusLabel.text, 90, what="slices segmented")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    installed = Installed()
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(segment_service, "Installer", lambda: installed)
    return installed


@pytest.fixture
def opened(installed: Installed) -> Iterator[OpenModule]:
    with slicer_application() as application:
        yield OpenModule(application, installed)


@pytest.fixture(scope="module")
def heart() -> Volume:
    """A phantom that the shipped model has not seen."""
    return make_cardiac_subject("mr_bssfp", 918_273).image


@pytest.fixture(scope="module")
def large() -> Volume:
    """A volume of 240x240x155 voxels, which takes the worker seconds."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in (155, 240, 240)), indexing="ij")
    ball = (np.sum(np.square(axes), axis=0) < 0.6).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, ball.shape).astype(np.float32)
    return Volume(100 * (ball + noise), np.diag([1.0, 1.0, 1.0, 1.0]))


def test_apply_says_what_is_missing_first(opened: OpenModule, heart: Volume) -> None:
    assert not opened.ui.applyButton.enabled
    assert "Choose a volume" in tool_tip(opened.ui.applyButton)
    opened.parameters.inputVolume = volume_to_node(heart, opened.application.scene, "Series 4")
    process_events(0.05)
    assert "what kind of scan" in tool_tip(opened.ui.applyButton)
    opened.parameters.modality = "mr_bssfp"
    process_events(0.05)
    assert opened.parameters.model == MODEL
    assert opened.ui.applyButton.enabled
    opened.parameters.modality = "mr_t2spir"  # no model of abdomens ships
    process_events(0.05)
    assert not opened.ui.applyButton.enabled
    assert "Choose a model" in tool_tip(opened.ui.applyButton)


def test_the_modality_is_only_suggested(opened: OpenModule, heart: Volume) -> None:
    scene = opened.application.scene
    opened.parameters.inputVolume = volume_to_node(heart, scene, "thorax CT 5 mm")
    process_events(0.05)
    assert opened.parameters.modality == "ct"
    assert "check" in opened.ui.modalityHint.text
    opened.parameters.modality = "mr_bssfp"
    process_events(0.05)
    assert opened.parameters.modality == "mr_bssfp"


def test_from_the_sample_to_a_result(opened: OpenModule) -> None:
    click(opened.ui.sampleButton)
    wait_until(lambda: opened.parameters.inputVolume is not None, 60, what="the sample")
    opened.wait_for_worker()
    click(opened.ui.applyButton)
    assert opened.ui.applyButton.text == "Cancel"
    opened.wait()
    assert opened.ui.statusLabel.text.startswith("Done in")
    (segmentation,) = opened.segmentations
    assert segmentation.GetName().startswith("Sample cardiac MR (phantom)")
    table = opened.ui.volumesTable
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == [
        "Myocardium",
        "Left atrium",
        "Left ventricle",
        "Ascending aorta",
    ]
    assert all(float(table.item(row, 1).text()) > 5 for row in range(4))
    opened.ui.opacitySlider.value = 80
    assert segmentation.GetDisplayNode().GetOpacity2DFill() == pytest.approx(0.8)


def test_applying_again_updates_or_makes_a_new_one_as_chosen(
    opened: OpenModule, heart: Volume
) -> None:
    opened.add(heart)
    for _ in range(2):
        click(opened.ui.applyButton)
        opened.wait()
    assert len(opened.segmentations) == 1
    opened.ui.optionsButton.collapsed = False
    click(opened.ui.updateCheckBox)
    opened.parameters.outputSegmentation = None
    process_events(0.05)
    click(opened.ui.applyButton)
    opened.wait()
    assert len(opened.segmentations) == 2
    assert opened.parameters.outputSegmentation is None


def test_the_result_of_one_volume_is_never_updated_by_another(
    opened: OpenModule, heart: Volume
) -> None:
    first_volume = opened.add(heart, "First patient")
    click(opened.ui.applyButton)
    opened.wait()
    assert opened.parameters.outputSegmentation is not None
    opened.add(heart, "Second patient")
    assert opened.parameters.outputSegmentation is None
    click(opened.ui.applyButton)
    opened.wait()
    assert sorted(node.GetName().partition(" -")[0] for node in opened.segmentations) == [
        "First patient",
        "Second patient",
    ]
    first = next(node for node in opened.segmentations if node.GetName().startswith("First"))
    assert volume_of(first) is first_volume


def test_how_good_a_result_probably_is_is_said_when_asked_for(
    opened: OpenModule, heart: Volume
) -> None:
    opened.add(heart)
    click(opened.ui.applyButton)
    opened.wait()
    assert not opened.ui.qualityLabel.visible
    opened.ui.optionsButton.collapsed = False
    click(opened.ui.qualityCheckBox)
    assert opened.parameters.withQuality
    click(opened.ui.applyButton)
    opened.wait()
    assert opened.ui.qualityLabel.visible
    text = opened.ui.qualityLabel.text
    mean = float(text.rpartition("mean ")[2].rstrip("."))
    assert "MYO 0." in text
    assert 0.5 < mean <= 1.0


def test_a_mirrored_scan_is_warned_of_in_the_page(opened: OpenModule, heart: Volume) -> None:
    opened.add(heart.with_array(heart.array_kji[:, :, ::-1].copy()))
    click(opened.ui.applyButton)
    opened.wait()
    assert "looks unlike the bSSFP MR scans that this model was adapted to" in opened.message
    assert "mirrored" in opened.message


def test_structures_that_are_left_out_do_not_come(opened: OpenModule, heart: Volume) -> None:
    import qt

    opened.add(heart)
    opened.ui.optionsButton.collapsed = False
    opened.ui.structureList.item(0).setCheckState(qt.Qt.Unchecked)
    process_events(0.05)
    assert opened.parameters.leftOutStructures == "MYO"
    click(opened.ui.applyButton)
    opened.wait()
    segmentation = opened.segmentations[0].GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(3)]
    assert segmentation.GetNumberOfSegments() == 3
    assert "Myocardium" not in names


@pytest.mark.slow
def test_the_gui_is_free_while_a_volume_is_segmented(opened: OpenModule, large: Volume) -> None:
    opened.add(large)
    opened.wait_for_worker()

    def longest_gap() -> float:
        fractions = []
        click(opened.ui.applyButton)
        with GuiClock() as clock:

            def is_placed() -> bool:
                fractions.append(opened.ui.progressBar.value)
                return not opened.service.is_busy

            wait_until(is_placed, 90, what="a result")
        opened.wait()
        assert "looks unlike the bSSFP MR scans" in opened.message
        assert fractions == sorted(fractions)
        assert len(set(fractions)) > 5
        return clock.longest_gap_seconds

    assert least_seconds(longest_gap, LONGEST_GAP_SECONDS) < LONGEST_GAP_SECONDS


@pytest.mark.slow
def test_cancel_gives_everything_back_within_a_second(opened: OpenModule, large: Volume) -> None:
    opened.add(large)
    opened.wait_for_worker()
    before = opened.application.scene.GetNumberOfNodes()
    click(opened.ui.applyButton)
    opened.wait_until_segmenting()
    began = time.monotonic()
    click(opened.ui.applyButton)
    opened.wait()
    assert time.monotonic() - began < 1.0
    assert opened.ui.applyButton.text == "Apply"
    assert opened.application.scene.GetNumberOfNodes() == before
    assert "Cancelled" in opened.ui.statusLabel.text


@pytest.mark.slow
def test_a_worker_that_is_killed_is_reported_and_replaced(
    opened: OpenModule, large: Volume, heart: Volume
) -> None:
    opened.add(large)
    opened.wait_for_worker()
    click(opened.ui.applyButton)
    opened.wait_until_segmenting()
    for process in psutil.Process().children(recursive=True):
        process.kill()
    opened.wait()
    assert opened.message
    assert opened.segmentations == []
    opened.add(heart, "Another")
    click(opened.ui.applyButton)
    opened.wait()
    assert len(opened.segmentations) == 1


@pytest.mark.slow
def test_a_volume_that_is_deleted_meanwhile_ends_the_run(opened: OpenModule, large: Volume) -> None:
    node = opened.add(large, "Doomed")
    opened.wait_for_worker()
    click(opened.ui.applyButton)
    opened.wait_until_segmenting()
    opened.application.scene.RemoveNode(node)
    opened.wait()
    assert "'Doomed' was removed" in opened.message
    assert opened.segmentations == []


@pytest.mark.slow
def test_closing_the_scene_ends_the_run(opened: OpenModule, large: Volume, heart: Volume) -> None:
    opened.add(large)
    opened.wait_for_worker()
    click(opened.ui.applyButton)
    opened.wait_until_segmenting()
    opened.application.scene.Clear(0)
    opened.wait()
    assert opened.segmentations == []
    assert opened.parameters.inputVolume is None
    opened.add(heart, "Of the new scene")
    click(opened.ui.applyButton)
    opened.wait()
    assert len(opened.segmentations) == 1


def test_a_model_that_is_gone_is_reported(opened: OpenModule, heart: Volume) -> None:
    import shutil

    name = "a-copy"
    shipped = opened.service.model(MODEL).path
    opened.service.catalogue.import_model(shipped, name=name)
    opened.page.refresh_models()
    opened.add(heart)
    opened.parameters.model = name
    process_events(0.05)
    opened.wait_for_worker()
    shutil.rmtree(opened.service.model(name).path)
    opened.service.jobs.restart()
    click(opened.ui.applyButton)
    opened.wait()
    assert name in opened.message
    assert opened.segmentations == []


def test_a_saved_scene_brings_everything_back(
    opened: OpenModule, heart: Volume, tmp_path: Path
) -> None:
    opened.add(heart)
    click(opened.ui.applyButton)
    opened.wait()
    volumes = [opened.ui.volumesTable.item(row, 1).text() for row in range(4)]
    opened.application.save_scene(tmp_path / "scene.mrb")
    opened.application.load_scene(tmp_path / "scene.mrb")
    process_events(0.1)
    parameters = opened.parameters
    assert parameters.inputVolume.GetName() == "Heart MR"
    assert parameters.modality == "mr_bssfp"
    assert parameters.lastSegmentation.GetSegmentation().GetNumberOfSegments() == 4
    table = opened.ui.volumesTable
    assert [table.item(row, 1).text() for row in range(table.rowCount)] == volumes
    click(opened.ui.applyButton)
    opened.wait()
    assert len(opened.segmentations) == 1


def test_a_result_that_is_deleted_is_no_longer_shown(opened: OpenModule, heart: Volume) -> None:
    opened.add(heart)
    click(opened.ui.applyButton)
    opened.wait()
    assert opened.ui.resultButton.enabled
    opened.application.scene.RemoveNode(opened.segmentations[0])
    process_events(0.1)
    assert not opened.ui.resultButton.enabled


def test_surfaces_that_were_not_wanted_at_first_are_made_when_it_is_shown(
    opened: OpenModule, heart: Volume
) -> None:
    _segment_without_surfaces(opened, heart)
    node = opened.segmentations[0]
    name = node.GetSegmentation().GetNthSegmentID(0)
    assert node.GetClosedSurfaceInternalRepresentation(name) is None
    assert not node.GetDisplayNode().GetVisibility3D()
    opened.parameters.showIn3D = True
    click(opened.ui.showButton)
    wait_until(lambda: not opened.page.result.is_busy)
    assert node.GetClosedSurfaceInternalRepresentation(name).GetNumberOfPoints() > 100
    assert node.GetDisplayNode().GetVisibility3D()


def test_a_result_deleted_while_its_surfaces_are_made_does_no_harm(
    opened: OpenModule, heart: Volume
) -> None:
    _segment_without_surfaces(opened, heart)
    opened.parameters.showIn3D = True
    click(opened.ui.showButton)
    assert opened.page.result.is_busy
    opened.application.scene.RemoveNode(opened.segmentations[0])
    wait_until(lambda: not opened.page.result.is_busy)


def _segment_without_surfaces(opened: OpenModule, heart: Volume) -> None:
    opened.add(heart)
    opened.parameters.showIn3D = False
    click(opened.ui.applyButton)
    opened.wait()


def test_what_is_missing_is_installed_after_asking(opened: OpenModule, heart: Volume) -> None:
    opened.installed.is_ready = False
    opened.add(heart)
    opened.page.enter()
    process_events(0.05)
    assert opened.ui.installationFrame.visible
    assert "safetensors" in opened.ui.installationLabel.text
    assert "Packages are missing" in tool_tip(opened.ui.applyButton)
    opened.application.dialogs.answer_message("Cancel", containing="Install 2 packages?")
    click(opened.ui.installButton)
    assert opened.installed.questions == [False]
    assert opened.ui.statusLabel.text == "Nothing was installed."
    opened.installed.error = MissingDependencyError("There is no network.", hint="Try by hand.")
    opened.application.dialogs.answer_message("Ok")
    click(opened.ui.installButton)
    assert "There is no network." in opened.ui.installationLabel.text
    opened.installed.error = None
    opened.application.dialogs.answer_message("Ok")
    click(opened.ui.installButton)
    assert not opened.ui.installationFrame.visible
    assert opened.ui.applyButton.enabled


def test_scripts_segment_with_and_without_waiting(opened: OpenModule, heart: Volume) -> None:
    logic = opened.loaded.python.CrossModalSegLogic()
    assert MODEL in logic.models()
    volume = volume_to_node(heart, opened.application.scene, "Scripted")
    node = logic.segment(volume, model=MODEL)
    assert node.GetSegmentation().GetNumberOfSegments() == 4
    outcomes: list[Any] = []
    run = logic.segment(
        volume, model=MODEL, structures=["LVC"], blocking=False, onEnd=outcomes.append
    )
    assert run.is_active
    wait_until(lambda: bool(outcomes), 60, what="the end of the run")
    assert outcomes[0].segmentation_node.GetSegmentation().GetNumberOfSegments() == 1
    logic.shutdown()


def test_leaving_slicer_leaves_no_process(installed: Installed) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with slicer_application() as application:
        opened = OpenModule(application, installed)
        opened.wait_for_worker()
        assert {p.pid for p in psutil.Process().children(recursive=True)} - before
    wait_until(
        lambda: not {p.pid for p in psutil.Process().children(recursive=True)} - before,
        10,
        what="processes gone",
    )
