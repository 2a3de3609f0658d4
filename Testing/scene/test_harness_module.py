"""The harness runs a scripted module: its panel, its parameters, its end."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from Testing.scene.harness.interaction import GuiClock, choose, click, enter_text, wait_until
from Testing.scene.harness.session import LoadedModule, SlicerApplication, slicer_application

MODULE = Path(__file__).parent / "harness" / "example" / "FruitBasket.py"


@pytest.fixture
def fruit(slicer_application: SlicerApplication) -> LoadedModule:
    return slicer_application.load_module(MODULE)


def test_widgets_show_what_the_parameters_are_at_first(fruit: LoadedModule) -> None:
    ui = fruit.widget.ui
    assert (ui.nameEdit.text, ui.ripeBox.checked, ui.countBox.value) == ("apple", True, 3)
    assert (ui.weightSlider.value, ui.sizeBox.currentText) == (0.5, "large")
    assert (ui.colourBox.currentText, ui.countBox.maximum) == ("GREEN", 10)


def test_what_the_user_enters_is_kept_in_the_node(fruit: LoadedModule) -> None:
    ui, parameters = fruit.widget.ui, fruit.widget.parameters
    enter_text(ui.nameEdit, "pear")
    click(ui.ripeBox)
    choose(ui.colourBox, "RED")
    ui.weightSlider.value = 1.25
    assert parameters.name == "pear"
    assert parameters.is_ripe is False
    assert parameters.colour.name == "RED"
    node = parameters.parameterNode
    assert node.GetParameter("colour") == "RED"
    assert float(node.GetParameter("weight")) == 1.25


def test_what_the_code_sets_is_shown(fruit: LoadedModule) -> None:
    fruit.widget.parameters.name = "plum"
    fruit.widget.parameters.size = "small"
    assert fruit.widget.ui.nameEdit.text == "plum"
    assert fruit.widget.ui.sizeBox.currentIndex == 0


def test_parameters_refuse_what_they_must_not_be(fruit: LoadedModule) -> None:
    parameters = fruit.widget.parameters
    with pytest.raises(ValueError, match="11 is not within 0 to 10"):
        parameters.count = 11
    with pytest.raises(TypeError, match="Expected str"):
        parameters.name = 5
    with pytest.raises(ValueError, match="none of"):
        parameters.size = "huge"
    parameters.marks = [4, 5]
    assert list(parameters.marks) == [4, 5]


def test_a_chosen_node_is_a_reference_that_goes_with_the_node(
    slicer_application: SlicerApplication, fruit: LoadedModule
) -> None:
    scene = slicer_application.scene
    first = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    second = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "second")
    choose(fruit.widget.ui.volumeBox, "second")
    assert fruit.widget.parameters.volume is second
    second.SetName("renamed")
    choose(fruit.widget.ui.volumeBox, "renamed")
    scene.RemoveNode(second)
    assert fruit.widget.parameters.volume is fruit.widget.ui.volumeBox.currentNode()
    fruit.widget.parameters.volume = first
    assert fruit.widget.ui.volumeBox.currentNodeID == first.GetID()


def test_a_closed_scene_gives_parameters_afresh(
    slicer_application: SlicerApplication, fruit: LoadedModule
) -> None:
    slicer_application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "scan")
    choose(fruit.widget.ui.volumeBox, "scan")
    slicer_application.scene.Clear(0)
    assert fruit.widget.ui.volumeBox.currentNode() is None
    assert fruit.widget.parameters.volume is None
    enter_text(fruit.widget.ui.nameEdit, "fig")
    assert fruit.widget.parameters.name == "fig"


def test_only_connecting_by_name_gives_a_tag_to_disconnect_with(fruit: LoadedModule) -> None:
    widget = fruit.widget
    assert widget.parameters.connectGui(widget.ui) is None
    widget.parameters.disconnectGui(widget.tag)
    enter_text(widget.ui.nameEdit, "fig")
    assert widget.parameters.name == "fig"  # the connection without a tag is still there


def test_references_of_a_loaded_scene_need_a_new_wrapper(
    slicer_application: SlicerApplication, fruit: LoadedModule, tmp_path: Path
) -> None:
    import slicer

    widget, path = fruit.widget, tmp_path / "scene.mrb"
    widget.parameters.volume = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4)))
    slicer_application.save_scene(path)
    slicer_application.load_scene(path)
    node = widget.parameters.parameterNode
    assert node.GetNodeReference("volume") is not None
    # A reference that comes back modifies nothing, so that the wrapper does not look again.
    assert widget.parameters.volume is None
    widget.connect_parameters()
    assert widget.parameters.volume is node.GetNodeReference("volume")


def test_a_saved_scene_brings_the_parameters_back(
    slicer_application: SlicerApplication, fruit: LoadedModule, tmp_path: Path
) -> None:
    enter_text(fruit.widget.ui.nameEdit, "quince")
    slicer_application.save_scene(tmp_path / "scene.mrb")
    enter_text(fruit.widget.ui.nameEdit, "fig")
    slicer_application.load_scene(tmp_path / "scene.mrb")
    assert fruit.widget.parameters.name == "quince"
    assert fruit.widget.ui.nameEdit.text == "quince"


def test_messages_are_answered_by_the_test(
    slicer_application: SlicerApplication, fruit: LoadedModule
) -> None:
    slicer_application.dialogs.answer_message("Ok", containing="Eat the apple?")
    click(fruit.widget.ui.eatButton)
    slicer_application.dialogs.answer_message("Cancel")
    click(fruit.widget.ui.eatButton)
    assert fruit.widget.parameters.count == 2
    assert slicer_application.status_message == "Eaten."
    wait_until(lambda: "yum" in fruit.widget.said, 1.0)
    assert [dialog.text for dialog in slicer_application.dialogs.opened] == ["Eat the apple?"] * 2


def test_an_unexpected_message_fails_the_test(fruit: LoadedModule) -> None:
    with pytest.raises(AssertionError, match="opened unexpectedly"):
        click(fruit.widget.ui.eatButton)


def test_an_expected_message_that_never_came_fails_the_test() -> None:
    with (
        pytest.raises(AssertionError, match="never opened: message Eat"),
        slicer_application() as application,
    ):
        application.dialogs.answer_message("Ok", containing="Eat")


def test_hidden_and_disabled_buttons_cannot_be_pressed(fruit: LoadedModule) -> None:
    button = fruit.widget.ui.eatButton
    button.enabled = False
    with pytest.raises(AssertionError, match="eatButton is disabled: Asks first"):
        click(button)
    button.setEnabled(True)
    button.setVisible(False)
    with pytest.raises(AssertionError, match="eatButton is hidden"):
        click(button)


def test_the_clock_sees_when_the_window_does_not_answer(fruit: LoadedModule) -> None:
    with GuiClock() as clock:
        wait_until(lambda: clock.ticks >= 5, 2.0)
    assert clock.longest_gap_seconds < 0.1
    with GuiClock() as clock:
        click(fruit.widget.ui.waitButton)
    assert 0.14 < clock.longest_gap_seconds < 0.5


def test_the_module_is_entered_left_and_cleaned_up(slicer_application: SlicerApplication) -> None:
    import slicer

    loaded = slicer_application.load_module(MODULE)
    said = loaded.widget.said
    assert slicer.modules.fruitbasket.title == "Fruit basket"
    assert slicer.util.getModuleWidget("FruitBasket") is loaded.widget
    loaded.exit()
    loaded.enter()
    assert slicer.app.moduleManager().loadedModulesNames() == ["FruitBasket"]
    slicer_application.unload_module(loaded)
    assert said == ["enter", "exit", "enter", "exit", "cleanup"]
    assert not hasattr(slicer.modules, "fruitbasket")
    assert "FruitBasket" not in sys.modules


def test_a_module_can_be_reloaded(fruit: LoadedModule) -> None:
    before = fruit.widget
    fruit.reload()
    assert before.said[-1] == "cleanup"
    assert fruit.widget is not before
    enter_text(fruit.widget.ui.nameEdit, "fig")
    assert fruit.widget.parameters.name == "fig"


def test_modules_and_applications_follow_one_another_and_leave_nothing() -> None:
    gone: list[Any] = []

    def run() -> None:
        with slicer_application() as application:
            loaded = application.load_module(MODULE)
            gone.extend([weakref.ref(loaded.widget), weakref.ref(application)])
            application.scene.AddObserver("DeleteEvent", lambda *_: gone.append("scene"))

    for _ in range(3):
        run()
    gc.collect()
    import slicer

    assert gone.count("scene") == 3
    assert all(reference() is None for reference in gone if reference != "scene")
    assert not {"qt", "ctk", "slicer.i18n", "slicer.packaging"} & set(sys.modules)
    assert not hasattr(slicer, "app")


def test_errors_of_slots_and_observers_fail_the_test(
    slicer_application: SlicerApplication, fruit: LoadedModule
) -> None:
    fruit.widget.ui.ripeBox.clicked.connect(lambda: 1 / 0)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        click(fruit.widget.ui.ripeBox)
    node = slicer_application.scene.AddNewNodeByClass("vtkMRMLTextNode")
    node.AddObserver("ModifiedEvent", lambda *_: int("many"))
    node.SetText("fig")
    with pytest.raises(AssertionError, match="invalid literal"):
        wait_until(lambda: False, 1.0)


def test_what_slicer_does_not_have_is_missing_here_too(
    slicer_application: SlicerApplication,
) -> None:
    import slicer

    for owner, name in ((slicer.app, "launchRockets"), (slicer.modules, "rockets")):
        with pytest.raises(AttributeError):
            getattr(owner, name)
    with pytest.raises(AttributeError):
        slicer.qMRMLRocketWidget()
    assert slicer.app.applicationVersion == "5.12.0"
    assert slicer_application.app.layoutManager().sliceViewNames() == ["Red", "Green", "Yellow"]
