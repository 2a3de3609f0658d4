"""The harness's .ui loader and its placeholders for widgets of CTK and Slicer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.harness.interaction import choose, click, screenshot
from Testing.scene.harness.session import SlicerApplication
from Testing.scene.harness.ui_loader import UiFileError

EXAMPLE = Path(__file__).parent / "harness" / "example" / "FruitBasket.py"
VOLUMES = "<stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist>"

SCOPED = (
    '<widget class="QLabel" name="a"><property name="alignment">'
    "<set>Qt::AlignmentFlag::AlignCenter</set></property></widget>"
)

Load = Callable[..., Any]


@pytest.fixture
def load(slicer_application: SlicerApplication, tmp_path: Path) -> Load:  # noqa: ARG001
    """Load a .ui file with some widgets in a qMRMLWidget."""
    import slicer

    def make(widgets: str, connections: str = "") -> Any:
        path = tmp_path / "page.ui"
        items = "".join(f"<item>{widget}</item>" for widget in widgets.split("\n"))
        path.write_text(
            '<ui version="4.0"><class>Page</class><widget class="qMRMLWidget" name="Page">'
            f'<layout class="QVBoxLayout" name="all">{items}</layout></widget>'
            f"<connections>{connections}</connections></ui>",
            encoding="utf-8",
        )
        widget = slicer.util.loadUI(str(path))
        widget.setMRMLScene(slicer.mrmlScene)
        widget.show()
        return widget, slicer.util.childWidgetVariables(widget)

    return make


def node_box(name: str = "box", **flags: bool) -> str:
    """Describe a box that chooses volumes."""
    values = {"addEnabled": False, "removeEnabled": False, "noneEnabled": False} | flags
    properties = "".join(
        f'<property name="{key}"><bool>{str(value).lower()}</bool></property>'
        for key, value in values.items()
    )
    return (
        f'<widget class="qMRMLNodeComboBox" name="{name}">'
        f'<property name="nodeTypes">{VOLUMES}</property>{properties}</widget>'
    )


def connection(signal: str, receiver: str, slot: str) -> str:
    return (
        f"<connection><sender>Page</sender><signal>{signal}</signal>"
        f"<receiver>{receiver}</receiver><slot>{slot}</slot></connection>"
    )


SET_SCENE = ("mrmlSceneChanged(vtkMRMLScene*)", "setMRMLScene(vtkMRMLScene*)")


@pytest.mark.parametrize(
    ("widget", "complaint"),
    [
        ('<widget class="qMRMLRocket" name="a"/>', r"No class qMRMLRocket \(a\)"),
        (
            '<widget class="QLabel" name="a"><property name="texts"><string/></property></widget>',
            "QLabel a has no property texts",
        ),
        (
            SCOPED,
            "cannot be read by Qt 5",
        ),
    ],
)
def test_what_slicer_would_not_understand_is_refused(
    load: Load, widget: str, complaint: str
) -> None:
    with pytest.raises(UiFileError, match=complaint):
        load(widget)


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        (connection(SET_SCENE[0], "nobody", SET_SCENE[1]), "No widget nobody"),
        (connection("sceneChanged()", "box", SET_SCENE[1]), "does not exist on qMRMLWidget"),
        (connection(SET_SCENE[0], "box", "setScene(vtkMRMLScene*)"), "no slot setScene"),
    ],
)
def test_connections_must_have_their_ends(load: Load, link: str, complaint: str) -> None:
    with pytest.raises(UiFileError, match=complaint):
        load(node_box(), link)


def test_the_scene_is_handed_on_by_connections(
    load: Load, slicer_application: SlicerApplication
) -> None:
    link = connection(SET_SCENE[0], "box", SET_SCENE[1])
    _, ui = load(node_box() + "\n" + node_box("alone"), link)
    assert ui.box.mrmlScene() is slicer_application.scene
    assert ui.alone.mrmlScene() is None
    with pytest.raises(AssertionError):
        choose(ui.alone, "scan")


@pytest.fixture
def box(load: Load) -> Iterator[Any]:
    """A box that has neither "none" nor a menu."""
    page, ui = load(node_box(), connection(SET_SCENE[0], "box", SET_SCENE[1]))
    yield ui.box
    page.delete()


def add_volume(application: SlicerApplication, name: str) -> Any:
    return application.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_a_box_follows_the_scene(box: Any, slicer_application: SlicerApplication) -> None:
    seen: list[Any] = []
    box.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    first, second = (add_volume(slicer_application, name) for name in ("first", "second"))
    slicer_application.scene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    hidden = slicer_application.scene.CreateNodeByClass("vtkMRMLScalarVolumeNode")
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(1)
    slicer_application.scene.AddNode(hidden)
    assert box.nodeCount() == 2
    assert box.currentNode() is first
    choose(box, "second")
    second.SetName("2nd")
    assert box.currentText == "2nd"
    slicer_application.scene.RemoveNode(second)
    assert box.currentNodeID == first.GetID()
    box.setCurrentNode(hidden)
    assert box.currentNode() is None
    assert seen == [first, second, first, None]


def test_a_box_with_a_menu_chooses_nothing_by_itself(
    load: Load, slicer_application: SlicerApplication
) -> None:
    link = connection(SET_SCENE[0], "box", SET_SCENE[1])
    _, ui = load(node_box(addEnabled=True), link)
    node = add_volume(slicer_application, "scan")
    assert ui.box.currentNode() is None
    made = ui.box.addNode()
    assert made is ui.box.currentNode()
    ui.box.removeCurrentNode()
    assert ui.box.currentNode() is node
    slicer_application.scene.Clear(0)
    assert ui.box.currentNode() is None
    assert ui.box.nodeCount() == 0


def test_a_node_can_be_chosen_before_there_is_a_scene(
    load: Load, slicer_application: SlicerApplication
) -> None:
    _, ui = load(node_box(noneEnabled=True))
    node = add_volume(slicer_application, "scan")
    ui.box.setCurrentNode(node)
    assert ui.box.currentNode() is None
    ui.box.setMRMLScene(slicer_application.scene)
    assert ui.box.currentNode() is node
    choose(ui.box, "None")
    assert ui.box.currentNode() is None


def test_several_nodes_can_be_checked(load: Load, slicer_application: SlicerApplication) -> None:
    _, ui = load(
        '<widget class="qMRMLCheckableNodeComboBox" name="box">'
        f'<property name="nodeTypes">{VOLUMES}</property></widget>'
    )
    ui.box.setMRMLScene(slicer_application.scene)
    nodes = [add_volume(slicer_application, name) for name in "abc"]
    ui.box.setCheckState(nodes[2], 2)
    ui.box.setCheckState(nodes[0], 2)
    assert ui.box.checkedNodes() == [nodes[0], nodes[2]]
    slicer_application.scene.RemoveNode(nodes[0])
    assert ui.box.checkedNodes() == [nodes[2]]
    assert ui.box.uncheckedNodes() == [nodes[1]]


def test_a_collapsed_button_hides_what_is_in_it(load: Load) -> None:
    widget, ui = load(
        '<widget class="ctkCollapsibleButton" name="button">'
        '<property name="text"><string>Options</string></property>'
        '<property name="collapsed"><bool>true</bool></property>'
        '<layout class="QVBoxLayout" name="inner">'
        '<item><widget class="QLabel" name="shown"/></item>'
        '<item><widget class="QLabel" name="kept"/></item></layout></widget>'
    )
    assert (ui.button.text, ui.button.collapsed, ui.shown.visible) == ("Options", True, False)
    low = widget.sizeHint.height()
    ui.kept.setVisible(False)
    click(ui.button)
    assert not ui.button.collapsed
    assert (ui.shown.visible, ui.kept.visible) == (True, False)
    assert widget.sizeHint.height() > low
    ui.button.collapsed = True
    ui.kept.setVisible(True)
    assert not ui.kept.visible
    ui.button.collapsed = False
    assert ui.kept.visible


def test_numbers_and_paths_of_ctk(load: Load, slicer_application: SlicerApplication) -> None:
    _, ui = load(
        '<widget class="ctkSliderWidget" name="slider"/>\n'
        '<widget class="ctkPathLineEdit" name="path"/>'
    )
    seen: list[Any] = []
    ui.slider.valueChanged.connect(seen.append)
    ui.slider.maximum = 2.0
    ui.slider.value = 5.0
    assert (ui.slider.value, seen) == (2.0, [2.0])
    ui.path.currentPathChanged.connect(seen.append)
    slicer_application.dialogs.choose_file("/data/scan.nrrd")
    ui.path.browse()
    assert ui.path.currentPath == seen[-1] == "/data/scan.nrrd"


def test_tables_show_segments_and_tables(load: Load, slicer_application: SlicerApplication) -> None:
    _, ui = load(
        '<widget class="qMRMLSegmentsTableView" name="segments"/>\n'
        '<widget class="qMRMLTableView" name="table"/>'
    )
    labels = Volume(np.ones((2, 3, 4), dtype=np.uint8), np.eye(4))
    task = TASKS["cardiac"]
    node = labels_to_node(labels, task, slicer_application.scene, "result")
    ui.segments.setSegmentationNode(node)
    names = [ui.segments.item(row, 1).text() for row in range(ui.segments.rowCount)]
    assert names == [entry.label for entry in task.classes]
    table = slicer_application.scene.AddNewNodeByClass("vtkMRMLTableNode")
    ui.table.setMRMLTableNode(table)
    table.AddColumn().SetName("mL")
    table.AddEmptyRow()
    table.SetCellText(0, 0, "12.5")
    assert ui.table.horizontalHeaderItem(0).text() == "mL"
    assert ui.table.item(0, 0).text() == "12.5"


def test_a_picture_is_as_large_as_asked_and_shows_the_contents(
    slicer_application: SlicerApplication, tmp_path: Path
) -> None:
    from PySide6.QtGui import QImage

    loaded = slicer_application.load_module(EXAMPLE)
    path = tmp_path / "pictures" / "panel.png"
    screenshot(loaded.panel, path, width=420)
    closed = QImage(str(path))
    loaded.widget.ui.detailsButton.collapsed = True
    screenshot(loaded.panel, path, width=420)
    assert closed.width() == QImage(str(path)).width() == 420
    assert closed.height() > QImage(str(path)).height() + 10
    colours = {closed.pixel(x, y) for x in range(0, 420, 5) for y in range(0, closed.height(), 5)}
    assert len(colours) > 20
    screenshot(loaded.panel, path, width=420)
    again = path.read_bytes()
    screenshot(loaded.panel, path, width=420)
    assert path.read_bytes() == again
