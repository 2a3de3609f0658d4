"""Make the pictures of Resources/Screenshots: the module's pages, and what the views show.

    .venv/bin/python Testing/scene/make_screenshots.py [FOLDER]

The module's real code and forms, a real worker and the model that ships, on Slicer's real
libraries; the widgets that only the Slicer application has are stand-ins of the test harness.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["CROSSMODALSEG_HOME"] = tempfile.mkdtemp(prefix="crossmodalseg-pictures-")

import numpy as np
import slicer
from PIL import Image

from CrossModalSegLib.bridge import segment_service
from CrossModalSegLib.bridge.installation import InstallationState
from CrossModalSegLib.bridge.rendering import WINDOW_VARIABLE, find_render_window
from CrossModalSegLib.bridge.views import SliceView, SurfaceView
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.volume import Volume
from Testing.scene.comparison_screenshots import take_comparison
from Testing.scene.harness.interaction import click, process_events, screenshot, wait_until
from Testing.scene.harness.session import SlicerApplication, slicer_application
from Testing.scene.training_screenshots import take_training

FOLDER = ROOT / "Resources" / "Screenshots"
SLICES = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
SIZE_PX = 360
WIDTH_PX = 460
HOLD_SECONDS = 120.0


class Installer:
    """An installer that has found everything, or says that something is missing."""

    def __init__(self) -> None:
        self.state = InstallationState(ready=True, missing=(), torch="ready", explanation="")

    def check(self) -> InstallationState:
        """Say what is there."""
        return self.state

    def forget(self) -> None:
        """Nothing is remembered."""

    def shutdown(self) -> None:
        """Nothing runs."""


def make_pictures(application: SlicerApplication, installer: Installer, folder: Path) -> None:
    """Go through the tutorial and take a picture at each step."""
    for class_name in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode", "vtkMRMLCameraNode"):
        for node in slicer.util.getNodesByClass(class_name):  # the views bring their own
            application.scene.RemoveNode(node)
    slices = [SliceView(application.session, name) for name in SLICES]
    for view, orientation in zip(slices, SLICES.values(), strict=True):
        view.node.SetOrientation(orientation)
        view.node.SetDimensions(SIZE_PX, SIZE_PX, 1)
    surfaces = SurfaceView(application.session, "1")
    module = application.load_module(ROOT / "CrossModalSeg" / "CrossModalSeg.py")
    page = module.widget.pages.segment
    ui = page.ui

    def take(name: str) -> None:
        process_events(0.2)
        screenshot(module.panel, folder / f"{name}.png", width=WIDTH_PX)

    ready, installer.state = installer.state, _missing()
    page.enter()
    take("first-run")
    installer.state = ready
    page.enter()
    click(ui.sampleButton)
    wait_until(lambda: ui.inputSelector.currentNode() is not None, HOLD_SECONDS)
    jobs = module.widget.logic.service.jobs
    wait_until(lambda: not jobs.active_jobs, HOLD_SECONDS)
    ui.optionsButton.collapsed = False
    take("segment-page")
    ui.optionsButton.collapsed = True
    click(ui.applyButton)
    wait_until(lambda: ui.resultButton.enabled, HOLD_SECONDS)
    take("segment-result")
    pictures = [view.render_as_set(SIZE_PX) for view in slices]
    _save(_mosaic([*pictures, surfaces.render_as_set(SIZE_PX)]), folder)
    _take_running(application, module, take)
    module.widget.pages.ui.pages.setCurrentWidget(module.widget.pages.ui.modelsTab)
    take("models-page")
    take_comparison(application, module, take, folder)
    take_training(module, take)


def _take_running(application: SlicerApplication, module: Any, take: Any) -> None:
    """Segment a large volume of noise, so that there is something to see."""
    noise = np.random.default_rng(0).normal(100, 20, (155, 240, 240)).astype(np.float32)
    parameters = module.widget.logic.getParameterNode()
    parameters.inputVolume = volume_to_node(
        Volume(noise, np.eye(4)), application.scene, "Large bSSFP MR"
    )
    process_events(0.2)
    ui = module.widget.pages.segment.ui
    click(ui.applyButton)
    wait_until(lambda: "Segmenting" in ui.statusLabel.text, HOLD_SECONDS)
    take("segment-running")
    service = module.widget.logic.service
    wait_until(lambda: not service.is_busy, HOLD_SECONDS)
    take("segment-warning")


def _missing() -> InstallationState:
    from CrossModalSegLib.bridge.installation_survey import survey
    from CrossModalSegLib.bridge.installation_texts import explain
    from CrossModalSegLib.bridge.requirements import requirements_of

    found = survey(requirements_of("predict"), lambda _: None, lambda _: False)
    return InstallationState(
        ready=False,
        missing=tuple(each.name for each in found.wanted),
        torch=found.torch,
        explanation=explain(found, failure="", was_interrupted=False),
    )


def _mosaic(pictures: list[Any]) -> Any:
    return np.concatenate(
        [np.concatenate(pictures[:2], axis=1), np.concatenate(pictures[2:], axis=1)]
    )


def _save(picture: Any, folder: Path) -> None:
    Image.fromarray(picture).save(folder / "segment-views.png", optimize=True)


def main() -> None:
    """Make all pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[WINDOW_VARIABLE] = find_render_window().name or ""
    installer = Installer()
    vars(segment_service)["Installer"] = lambda: installer
    with slicer_application() as application:
        from CrossModalSegLib.widget import train_page  # there is no Qt before

        vars(train_page)["Installer"] = lambda _group: installer
        make_pictures(application, installer, folder)


if __name__ == "__main__":
    main()
