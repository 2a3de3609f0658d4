"""Pictures of the Train page: a real training on a few phantoms, short and therefore poor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from CrossModalSegLib.bridge.training.workspace import default_workspace
from Testing.scene.harness.interaction import choose, click, enter_text, process_events, wait_until
from Testing.scene.phantom_cohorts import MODALITIES, cohort_name, make_cohorts

PATIENCE_SECONDS = 900.0
SUBJECTS = 6
SECTIONS = ("dataSection", "methodSection", "progressSection", "runsSection")

FOLLOWED = 40
"""Iterations after which the training is shown."""

SHORTER = {
    "method.iterations": "60",
    "method.warm_up_iterations": "20",
    "training.validate_every": "10",
    "training.preview_every": "30",
    "training.log_every": "2",
}
"""Settings that make the training a matter of minutes, on any computer."""


def take_training(module: Any, take: Callable[[str], None]) -> None:
    """Go through the tutorial of the Train page and take a picture at each step.

    Args:
        module: The loaded module.
        take: Saves a picture of its panel under a name.
    """
    make_cohorts(default_workspace().cohorts, SUBJECTS)
    pages = module.widget.pages
    pages.ui.pages.setCurrentWidget(pages.ui.trainTab)
    page = pages.train
    _choose_data(page)
    _open(page, "dataSection")
    take("train-data")
    _choose_method(page)
    _open(page, "methodSection")
    take("train-method")
    click(page.method.ui.startButton)
    _open(page, "progressSection")
    wait_until(lambda: _done(page) >= FOLLOWED, PATIENCE_SECONDS, what="iterations")
    process_events(2.0)
    take("train-progress")
    monitor = page.progress.monitor
    wait_until(lambda: not monitor.is_active, PATIENCE_SECONDS, what="the end of the training")
    process_events(4.0)
    _open(page, "runsSection")
    page.runs.ui.runsTable.selectRow(0)
    process_events(0.5)
    take("train-runs")
    page.cleanup()


def _choose_data(page: Any) -> None:
    ui = page.data.ui
    page.data.refresh()
    choose(ui.taskBox, "Cardiac substructures")
    for role, modality in MODALITIES.items():
        choose(getattr(ui, f"{role}KindBox"), "Prepared cohort")
        choose(getattr(ui, f"{role}CohortBox"), cohort_name(modality))
    click(ui.checkButton)
    wait_until(lambda: not page.data.is_busy, PATIENCE_SECONDS, what="data checked")
    wait_until(lambda: page.method.ui.methodBox.count, PATIENCE_SECONDS, what="methods")


def _choose_method(page: Any) -> None:
    ui = page.method.ui
    _open(page, "methodSection")
    choose(ui.methodBox, "DSAN")
    ui.settingsButton.collapsed = False
    for name, value in SHORTER.items():
        choose(ui.settingBox, name)
        click(ui.addSettingButton)
        enter_text(ui.settingsTable.cellWidget(ui.settingsTable.rowCount - 1, 1), value)
    click(ui.estimateButton)
    wait_until(lambda: "Measured" in ui.estimateLabel.text, PATIENCE_SECONDS, what="an estimate")


def _open(page: Any, section: str) -> None:
    """Open one section and close the others, so that a picture fits a page."""
    for name in SECTIONS:
        getattr(page.ui, name).collapsed = name != section
    process_events(0.2)


def _done(page: Any) -> int:
    monitor = page.progress.monitor
    return 0 if monitor is None else int(monitor.log.done)
