"""The Compare page, clicked: from the choice of methods to linked views and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6 import QtCore

from CrossModalSegLib.bridge.comparison.comparison_layout import FIRST_ARRANGEMENT, VIEW_PREFIX
from CrossModalSegLib.bridge.comparison.error_overlay import EXTRA, MISSED
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.views import SliceView
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import CARDIAC, COLOURS, has_colour, linking
from Testing.scene.compared_models import Models, as_scan, make_service
from Testing.scene.harness.interaction import (
    GuiClock,
    choose,
    click,
    process_events,
    tool_tip,
    wait_until,
)
from Testing.scene.harness.session import SlicerApplication, slicer_application

UI_FOLDER = Path(__file__).parents[2] / "CrossModalSeg" / "Resources" / "UI"
FOUR_UP = 3
SIZE_PX = 160
LONGEST_GAP_SECONDS = 0.1
CHECKED, UNCHECKED = QtCore.Qt.CheckState.Checked, QtCore.Qt.CheckState.Unchecked


class Parameters:
    """What the page asks of the module's parameters."""

    device = "cpu"

    def __init__(self, node: Any) -> None:
        self.parameterNode = node


class OpenPage:
    """The page in its own window, over made-up models."""

    def __init__(self, application: SlicerApplication, labels: Volume) -> None:
        import slicer

        from CrossModalSegLib.widget.compare_page import ComparePage

        self.application = application
        self.labels = labels
        self._link = linking(application.session)
        self.layout = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLayoutNode")
        self.layout.SetViewArrangement(FOUR_UP)
        self.models = Models()
        self.service, self.jobs = make_service(self.models)
        self.widget = slicer.util.loadUI(str(UI_FOLDER / "ComparePage.ui"))
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.widget.resize(480, 900)
        self.widget.show()
        self.page = ComparePage(self.widget, self.service, lambda name: str(UI_FOLDER / name))
        self.ui = self.page.ui
        self.node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        self.page.set_parameter_node(Parameters(self.node))
        self.page.enter()
        process_events(0.05)

    @property
    def methods(self) -> list[str]:
        """The first column of the table."""
        table = self.ui.methodsTable
        return [table.item(row, 0).text() for row in range(table.rowCount)]

    @property
    def message(self) -> str:
        """What the message area says."""
        return str(self.ui.messageLabel.text) if self.ui.messageFrame.visible else ""

    @property
    def shown_volume(self) -> Any:
        """The volume in the views."""
        comparison = self.page.grid.comparison
        return comparison.volume if comparison is not None else None

    def add(self, name: str = "scan") -> Any:
        """Load a scan and check it."""
        node = volume_to_node(as_scan(self.labels), self.application.scene, name)
        self.ui.volumesBox.setCheckState(node, CHECKED)
        process_events(0.05)
        return node

    def check(self, *names: str) -> None:
        """Check these methods."""
        for name in names:
            self.ui.methodsTable.item(self.methods.index(name), 0).setCheckState(CHECKED)
        process_events(0.05)

    def compare(self) -> None:
        """Press the button and wait for the views."""
        click(self.ui.compareButton)
        wait_until(lambda: not self.page.is_running, 60, what="the end of the run")
        self.settle()

    def settle(self) -> None:
        """Wait until the views show what they are to show."""
        wait_until(lambda: not self.page.grid.is_busy, 60, what="the views")
        process_events(0.1)


@pytest.fixture
def opened(plain_labels: Volume) -> Iterator[OpenPage]:
    with slicer_application() as application:
        opened = OpenPage(application, plain_labels)
        yield opened
        opened.page.cleanup()
        opened.widget.delete()


ALL_MODELS = ("Hearts by BIGL", "Hearts by DSAN", "Hearts by GLUA")


def test_the_button_says_what_is_missing(opened: OpenPage) -> None:
    assert not opened.ui.compareButton.enabled
    assert "at least one volume" in tool_tip(opened.ui.compareButton)
    opened.add()
    assert "There are 0." in tool_tip(opened.ui.compareButton)
    opened.check(ALL_MODELS[0])
    assert "There are 1." in tool_tip(opened.ui.compareButton)
    opened.check(ALL_MODELS[1])
    assert opened.ui.compareButton.enabled
    opened.ui.methodsTable.item(0, 0).setCheckState(UNCHECKED)
    process_events(0.05)
    assert not opened.ui.compareButton.enabled


def test_methods_are_models_of_the_task_and_segmentations_that_have_its_structures(
    opened: OpenPage,
) -> None:
    volume = opened.add()
    place_segments(opened.labels, CARDIAC, volume, "Drawn heart")
    place_segments(opened.labels, TASKS["abdomen"], volume, "Drawn organs")
    process_events(0.05)
    assert opened.methods == [*ALL_MODELS, "Drawn heart"]
    choose(opened.ui.taskBox, TASKS["abdomen"].label)
    process_events(0.05)
    assert opened.methods == ["Drawn organs"]


def test_the_reference_is_no_method(opened: OpenPage) -> None:
    volume = opened.add()
    expert = place_segments(opened.labels, CARDIAC, volume, "Expert")
    process_events(0.05)
    opened.check("Expert")
    opened.ui.referencesBox.setCheckState(expert, CHECKED)
    process_events(0.05)
    assert opened.methods == list(ALL_MODELS)
    assert opened.page.methods.request().segmentations == ()


def test_three_models_side_by_side_and_back(opened: OpenPage) -> None:
    opened.add()
    opened.check(*ALL_MODELS)
    opened.compare()
    assert opened.ui.statusLabel.text.startswith("Done. Segmentations: 3;")
    assert [each["device"] for each in opened.jobs.requests] == ["cpu"] * 3
    assert opened.layout.GetViewArrangement() >= FIRST_ARRANGEMENT
    assert [column.name for column in opened.page.grid.columns] == [
        f"{VIEW_PREFIX}{number}" for number in (1, 2, 3)
    ]
    assert opened.ui.leaveButton.enabled
    assert opened.methods == list(ALL_MODELS), "results of models are no methods of their own"
    click(opened.ui.leaveButton)
    assert opened.layout.GetViewArrangement() == FOUR_UP
    click(opened.ui.showButton)
    assert opened.layout.GetViewArrangement() >= FIRST_ARRANGEMENT


def test_a_failure_is_told_and_the_others_are_shown(opened: OpenPage) -> None:
    opened.models.broken.add("dsan")
    opened.add()
    opened.check(*ALL_MODELS)
    opened.compare()
    assert "Hearts by DSAN, scan: dsan is broken." in opened.message
    assert len(opened.page.grid.columns) == 2


def test_cancelling_shows_nothing(opened: OpenPage) -> None:
    opened.jobs.holds = True
    opened.add()
    opened.check(*ALL_MODELS)
    click(opened.ui.compareButton)
    assert opened.ui.compareButton.text == "Cancel"
    wait_until(lambda: "(1 of 3)" in opened.ui.statusLabel.text, 30)
    click(opened.ui.compareButton)
    wait_until(lambda: not opened.page.is_running, 30)
    process_events(0.05)
    assert opened.ui.compareButton.text == "Compare"
    assert not opened.page.grid.is_shown
    assert opened.layout.GetViewArrangement() == FOUR_UP


def test_several_volumes_are_shown_in_turn(opened: OpenPage) -> None:
    first, second = opened.add("first"), opened.add("second")
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    assert opened.shown_volume is first
    choose(opened.ui.shownVolumeBox, "second")
    opened.settle()
    assert opened.shown_volume is second
    column = opened.page.grid.columns[0]
    assert column.composite_node.GetBackgroundVolumeID() == second.GetID()


def test_controls_change_the_views(opened: OpenPage) -> None:
    volume = opened.add()
    expert = place_segments(opened.labels, CARDIAC, volume, "Expert")
    opened.ui.referencesBox.setCheckState(expert, CHECKED)
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    grid, ui = opened.page.grid, opened.ui
    choose(ui.orientationBox, "Coronal")
    assert grid.columns[0].slice_node.GetOrientation() == "Coronal"
    ui.opacitySlider.value = 80
    ui.errorSlider.value = 40
    click(ui.errorsBox)
    opened.settle()
    assert grid.look.opacity == pytest.approx(0.8)
    assert grid.columns[1].composite_node.GetLabelOpacity() == pytest.approx(0.4)
    assert grid.columns[1].composite_node.GetLabelVolumeID()
    click(ui.errorsBox)
    assert not grid.columns[1].composite_node.GetLabelVolumeID()
    click(ui.nextButton)
    assert ui.structureBox.currentText == "Myocardium"
    click(ui.previousButton)
    assert ui.structureBox.currentText == "Ascending aorta"
    choose(ui.structureBox, "All structures")
    assert grid.look.structure == ""
    click(ui.surfacesBox)
    assert all(column.view_node is not None for column in grid.columns)
    opened.settle()


def test_without_a_reference_there_are_no_errors_to_show(opened: OpenPage) -> None:
    opened.add()
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    assert not opened.ui.errorsBox.enabled
    assert not opened.ui.referenceBox.enabled


def test_closing_the_scene_ends_it_and_brings_the_layout_back(opened: OpenPage) -> None:
    opened.add()
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    opened.page.set_parameter_node(None)
    assert opened.layout.GetViewArrangement() == FOUR_UP
    assert opened.page.grid.comparison is None
    opened.application.scene.Clear(0)
    process_events(0.1)
    assert not opened.ui.viewsSection.enabled


def test_deleting_a_volume_takes_its_comparison_away(opened: OpenPage) -> None:
    first, second = opened.add("first"), opened.add("second")
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    opened.application.scene.RemoveNode(first)
    wait_until(lambda: opened.page.views.shown is not None and opened.page.grid.is_shown, 10)
    opened.settle()
    assert opened.shown_volume is second
    opened.application.scene.RemoveNode(second)
    wait_until(lambda: opened.page.views.shown is None, 10)
    assert opened.layout.GetViewArrangement() == FOUR_UP


def test_the_program_stays_responsive_while_models_run(opened: OpenPage) -> None:
    opened.add()
    opened.check(*ALL_MODELS)
    with GuiClock() as clock:
        click(opened.ui.compareButton)
        wait_until(lambda: "(3 of 3)" in opened.ui.statusLabel.text, 60)
    assert clock.longest_gap_seconds < LONGEST_GAP_SECONDS
    wait_until(lambda: not opened.page.is_running, 60)


@pytest.mark.usefixtures("rendering")
def test_what_is_drawn_after_the_press_of_the_button(opened: OpenPage) -> None:
    application = opened.application
    volume = opened.add()
    expert = place_segments(opened.labels, CARDIAC, volume, "Expert")
    opened.ui.referencesBox.setCheckState(expert, CHECKED)
    opened.check(*ALL_MODELS[::2])
    opened.compare()
    columns = opened.page.grid.columns
    views = [SliceView(application.session, column.name) for column in columns]
    application.app.layoutManager().take_views(views)
    process_events(0.1)
    choose(opened.ui.structureBox, "Left ventricle")
    opened.settle()
    opened.ui.opacitySlider.value = 100
    pictures = [view.render_as_set(SIZE_PX) for view in views]
    assert all(has_colour(picture, COLOURS[3], tolerance=6) for picture in pictures)
    assert all((picture[:30, :80] > 200).any() for picture in pictures), "names in the corners"
    click(opened.ui.errorsBox)
    opened.settle()
    right, moved = (view.render_as_set(SIZE_PX) for view in views)
    for kind in (MISSED, EXTRA):
        assert has_colour(moved, kind.colour)
        assert not has_colour(right, kind.colour)
    click(opened.ui.leaveButton)
    assert not np.array_equal(moved, views[1].render_as_set(SIZE_PX))
    application.app.layoutManager().take_views(())


def test_a_jump_of_the_scores_shows_the_slice(opened: OpenPage) -> None:
    opened.add()
    opened.check(*ALL_MODELS[:2])
    opened.compare()
    click(opened.ui.leaveButton)
    opened.page.views.jump("sagittal", 9)
    assert opened.page.grid.is_shown
    assert opened.ui.orientationBox.currentText == "Sagittal"
    r_mm = (opened.labels.affine_ras @ (9, 0, 0, 1))[0]
    for column in opened.page.grid.columns:
        assert column.slice_node.GetSliceToRAS().GetElement(0, 3) == pytest.approx(r_mm)
