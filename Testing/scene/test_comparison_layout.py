"""The grid of views as nodes: one column for each method, linked, and the way back."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from CrossModalSegLib.bridge.comparison.comparison import MAX_METHODS, MIN_METHODS
from CrossModalSegLib.bridge.comparison.comparison_layout import (
    VIEW_GROUP,
    Arrangement,
    ComparisonLayout,
    columns_per_line,
    layout_text,
)
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer

FOUR_UP = 3


def _cells(text: str) -> list[tuple[int, int, str, str]]:
    """Return row, column, class and name of each view of a layout."""
    found = []
    for item in ET.fromstring(text):  # noqa: S314  our own text
        (view,) = item
        place = int(item.get("row", -1)), int(item.get("column", -1))
        found.append((*place, view.get("class", ""), view.get("singletontag", "")))
    return found


@pytest.mark.parametrize("count", range(MIN_METHODS, MAX_METHODS + 1))
@pytest.mark.parametrize("with_surfaces", [False, True])
def test_each_method_has_one_column(count: int, with_surfaces: bool) -> None:  # noqa: FBT001
    text = layout_text(count, Arrangement(with_surfaces=with_surfaces, folded=False))
    cells = _cells(text)
    slices = [cell for cell in cells if cell[2] == "vtkMRMLSliceNode"]
    assert [(row, column) for row, column, _, _ in slices] == [(0, n) for n in range(count)]
    surfaces = [cell for cell in cells if cell[2] == "vtkMRMLViewNode"]
    below = [(1, n) for n in range(count)] if with_surfaces else []
    assert [(row, column) for row, column, _, _ in surfaces] == below
    assert len({name for *_, name in slices}) == count


def test_many_columns_fold_into_two_lines() -> None:
    cells = _cells(layout_text(5, Arrangement(with_surfaces=True)))
    slices = [(row, column) for row, column, name, _ in cells if name == "vtkMRMLSliceNode"]
    assert slices == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]
    surfaces = [(row, column) for row, column, name, _ in cells if name == "vtkMRMLViewNode"]
    assert surfaces == [(row + 1, column) for row, column in slices]
    assert columns_per_line(4, folded=True) == 4
    assert columns_per_line(8, folded=True) == 4


@pytest.fixture
def layout_node(session: HeadlessScene) -> Any:
    """The application's layout, four up, obeyed by Slicer's own logic."""
    logic = import_slicer().vtkMRMLLayoutLogic()
    logic.SetMRMLApplicationLogic(session.application)
    logic.SetMRMLScene(session.mrml)
    session.on_close(lambda: logic.SetMRMLScene(None))
    node = logic.GetLayoutNode()
    node.SetViewArrangement(FOUR_UP)
    return node


def test_slicers_logic_reads_the_layout_and_finds_our_nodes(
    session: HeadlessScene, layout_node: Any
) -> None:
    layout = ComparisonLayout(session.mrml)
    columns = layout.show(3, Arrangement(orientation="coronal", with_surfaces=True))
    root = layout_node.GetLayoutRootElement()
    assert root is not None
    assert root.GetNumberOfNestedElements() == 6
    names = [column.name for column in columns]
    count = session.mrml.GetNumberOfNodesByClass("vtkMRMLSliceNode")
    all_slices = [session.mrml.GetNthNodeByClass(n, "vtkMRMLSliceNode") for n in range(count)]
    ours = [node for node in all_slices if node.GetLayoutName() in names]
    assert len(ours) == 3, "the logic must not make views of its own"
    assert [node.GetOrientation() for node in ours] == ["Coronal"] * 3


def test_views_are_linked_among_themselves(session: HeadlessScene, layout_node: Any) -> None:
    del layout_node
    columns = ComparisonLayout(session.mrml).show(2, Arrangement(with_surfaces=True))
    for column in columns:
        assert column.composite_node.GetLinkedControl()
        assert column.composite_node.GetHotLinkedControl()
        assert column.slice_node.GetViewGroup() == VIEW_GROUP
        assert column.slice_node.GetName() == column.slice_node.GetLayoutName()
        assert column.view_node.GetLinkedControl()
        assert not column.slice_node.GetSaveWithScene()


def test_leaving_brings_the_former_layout_back(session: HeadlessScene, layout_node: Any) -> None:
    layout = ComparisonLayout(session.mrml)
    layout.show(2, Arrangement())
    assert layout.is_shown
    layout.show(6, Arrangement(orientation="sagittal"))
    assert layout.is_shown
    layout.leave()
    assert layout_node.GetViewArrangement() == FOUR_UP


def test_a_layout_that_the_user_chose_meanwhile_stays(
    session: HeadlessScene, layout_node: Any
) -> None:
    layout = ComparisonLayout(session.mrml)
    layout.show(2, Arrangement())
    other = layout_node.SlicerLayoutOneUpRedSliceView
    layout_node.SetViewArrangement(other)
    assert not layout.is_shown
    layout.leave()
    assert layout_node.GetViewArrangement() == other


def test_each_arrangement_has_its_own_number(session: HeadlessScene, layout_node: Any) -> None:
    layout, numbers = ComparisonLayout(session.mrml), set()
    for count in range(MIN_METHODS, MAX_METHODS + 1):
        for kind in range(4):
            arrangement = Arrangement(with_surfaces=kind > 1, folded=bool(kind % 2))
            layout.show(count, arrangement)
            number = layout_node.GetViewArrangement()
            assert layout_node.GetLayoutDescription(number) == layout_text(count, arrangement)
            numbers.add(number)
    assert len(numbers) == 4 * (MAX_METHODS - MIN_METHODS + 1)
