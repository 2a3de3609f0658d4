"""Pictures of the Compare page: the models that ship, side by side on a phantom nobody has seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PySide6 import QtCore

from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.views import SliceView
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from Testing.scene.harness.interaction import choose, click, process_events, wait_until
from Testing.scene.harness.session import SlicerApplication

PATIENCE_SECONDS = 300.0
SIZE_PX = 300
UNSEEN_SEED = 950_001
METHODS = (
    "Cardiac substructures on bSSFP MR phantoms, DSAN",
    "Cardiac substructures on bSSFP MR phantoms, GLUA",
)


def take_comparison(
    application: SlicerApplication, module: Any, take: Callable[[str], None], folder: Path
) -> None:
    """Compare two models with a reference and take pictures of the page and of the views.

    Args:
        application: Around the module.
        module: The loaded module.
        take: Saves a picture of its panel under a name.
        folder: Where the picture of the views is saved.
    """
    subject = make_cardiac_subject("mr_bssfp", UNSEEN_SEED)
    volume = volume_to_node(subject.image, application.scene, "Unseen heart, MR")
    expert = place_segments(subject.labels, TASKS["cardiac"], volume, "Reference")
    pages = module.widget.pages
    pages.ui.pages.setCurrentWidget(pages.ui.compareTab)
    page, ui = pages.compare, pages.compare.ui
    process_events(0.5)
    ui.volumesBox.setCheckState(volume, QtCore.Qt.CheckState.Checked)
    choose(ui.taskBox, TASKS["cardiac"].label)
    ui.referencesBox.setCheckState(expert, QtCore.Qt.CheckState.Checked)
    _check_models(ui.methodsTable)
    click(ui.compareButton)
    wait_until(lambda: not page.is_running, PATIENCE_SECONDS, what="the end of the run")
    views = [SliceView(application.session, column.name) for column in page.grid.columns]
    for view in views:
        view.node.SetDimensions(SIZE_PX, SIZE_PX, 1)
    choose(ui.orientationBox, "Coronal")
    structures = _draw(page, views)
    click(ui.errorsBox)
    errors = _draw(page, views)
    Image.fromarray(np.concatenate([structures, errors])).save(
        folder / "compare-views.png", optimize=True
    )
    ui.chooseSection.collapsed = True
    take("compare-page")
    click(ui.leaveButton)


def _check_models(table: Any) -> None:
    for row in range(table.rowCount):
        item = table.item(row, 0)
        is_model = item.text() in METHODS  # names of earlier results end so, too
        state = QtCore.Qt.CheckState.Checked if is_model else QtCore.Qt.CheckState.Unchecked
        item.setCheckState(state)
    process_events(0.2)


def _draw(page: Any, views: list[SliceView]) -> Any:
    """Draw the views, once they show what they are to show, beside each other."""
    wait_until(lambda: not page.grid.is_busy, PATIENCE_SECONDS, what="the views")
    process_events(0.5)
    return np.concatenate([view.render_as_set(SIZE_PX) for view in views], axis=1)
