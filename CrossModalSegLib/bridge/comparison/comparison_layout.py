"""The grid of views of a comparison, made of nodes: one column for each method, all linked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.bridge.comparison.comparison import MAX_METHODS
from CrossModalSegLib.bridge.planes import Orientation

FIRST_ARRANGEMENT = 73100
"""Numbers from here on are our arrangements of views; Slicer's own are below 1000."""

_NUM_ARRANGEMENTS = 4 * (MAX_METHODS + 1)

VIEW_PREFIX = "CompareMethod"
"""Of the layout names of our views; slices of views named "Compare..." are shown in 3D views of
such names alone."""

VIEW_GROUP = 731
"""Views are linked within their group alone, so that the usual ones stay where they are."""

FOLDED_FROM = 5
"""Number of columns from which two lines of views are easier to see than one."""


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """What the grid looks like.

    Attributes:
        orientation: Of the slices.
        with_surfaces: Whether each column has a 3D view under its slice.
        folded: Whether many columns stand in two lines, one below the other.
    """

    orientation: Orientation = "axial"
    with_surfaces: bool = False
    folded: bool = True


@dataclass(frozen=True, eq=False)
class Column:
    """The views of one method.

    Attributes:
        name: Layout name of its views.
        slice_node: `vtkMRMLSliceNode`.
        composite_node: `vtkMRMLSliceCompositeNode`: which volumes the slice shows.
        view_node: `vtkMRMLViewNode`; None: slices only.
    """

    name: str
    slice_node: Any
    composite_node: Any
    view_node: Any = None

    @property
    def view_ids(self) -> tuple[str, ...]:
        """Identifiers of its view nodes."""
        views = (self.slice_node, self.view_node)
        return tuple(str(view.GetID()) for view in views if view is not None)


class ComparisonLayout:
    """Replaces the user's layout by the grid, and brings it back.

    Args:
        scene: Its layout node says which views are shown.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._former: int | None = None
        self.columns: tuple[Column, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether the grid is what the user sees."""
        return bool(self.columns) and _is_ours(_layout_node(self._scene).GetViewArrangement())

    def show(self, count: int, arrangement: Arrangement) -> tuple[Column, ...]:
        """Show `count` columns.

        The nodes of the views are made first, so that the application finds them as they are to be.
        """
        layout_node = _layout_node(self._scene)
        present = layout_node.GetViewArrangement()
        if not _is_ours(present):
            self._former = present
        self.columns = tuple(self._column(index, arrangement) for index in range(count))
        number = _number(count, arrangement)
        if not layout_node.IsLayoutDescription(number):
            layout_node.AddLayoutDescription(number, layout_text(count, arrangement))
        layout_node.SetViewArrangement(number)
        return self.columns

    def leave(self) -> None:
        """Bring the user's layout back, unless another one was chosen meanwhile."""
        if self.is_shown and self._former is not None:
            _layout_node(self._scene).SetViewArrangement(self._former)
        for column in self.columns:
            for role in ("Background", "Foreground", "Label"):
                getattr(column.composite_node, f"Set{role}VolumeID")(None)
        self.columns = ()
        self._former = None

    def _column(self, index: int, arrangement: Arrangement) -> Column:
        name = f"{VIEW_PREFIX}{index + 1}"
        slice_node = self._view("vtkMRMLSliceNode", name)
        composite_node = self._view("vtkMRMLSliceCompositeNode", name)
        slice_node.SetOrientation(arrangement.orientation.capitalize())
        composite_node.SetLinkedControl(1)
        composite_node.SetHotLinkedControl(1)
        columns = [slice_node]
        if arrangement.with_surfaces:
            columns.append(self._surface_view(name))
        for node in columns:
            node.SetLayoutLabel(str(index + 1))
            node.SetViewGroup(VIEW_GROUP)
        return Column(name, slice_node, composite_node, *columns[1:])

    def _surface_view(self, name: str) -> Any:
        node = self._view("vtkMRMLViewNode", name)
        node.SetLinkedControl(1)
        node.SetBoxVisible(0)
        node.SetAxisLabelsVisible(0)
        node.SetUseDepthPeeling(1)  # so that translucent surfaces are blended back to front
        return node

    def _view(self, class_name: str, name: str) -> Any:
        """Return the node of that layout name, made if need be; it is not saved with the scene."""
        node = self._scene.GetSingletonNode(name, class_name)
        if node is None:
            made = self._scene.CreateNodeByClass(class_name)
            made.UnRegister(None)
            made.SetSingletonTag(name)
            made.SetLayoutName(name)
            # Slicer's link between views compares names of slices with layout names.
            made.SetName(name)
            made.SetSaveWithScene(0)
            node = self._scene.AddNode(made)
        return node


def layout_text(count: int, arrangement: Arrangement) -> str:
    """Return the description of the grid in the language of Slicer's layouts."""
    per_line = columns_per_line(count, folded=arrangement.folded)
    rows_per_line = 2 if arrangement.with_surfaces else 1
    items = []
    for index in range(count):
        line, column = divmod(index, per_line)
        row = line * rows_per_line
        items.append(_item(row, column, "vtkMRMLSliceNode", index))
        if arrangement.with_surfaces:
            items.append(_item(row + 1, column, "vtkMRMLViewNode", index))
    return f'<layout type="grid">{"".join(items)}</layout>'


def columns_per_line(count: int, *, folded: bool) -> int:
    """Return how many columns stand side by side."""
    return -(-count // 2) if folded and count >= FOLDED_FROM else count


def _item(row: int, column: int, class_name: str, index: int) -> str:
    return (
        f'<item row="{row}" column="{column}">'
        f'<view class="{class_name}" singletontag="{VIEW_PREFIX}{index + 1}">'
        f'<property name="viewlabel" action="default">{index + 1}</property>'
        "</view></item>"
    )


def _number(count: int, arrangement: Arrangement) -> int:
    """Return the arrangement's number; the views' nodes say all that is not in it."""
    kind = 2 * arrangement.with_surfaces + arrangement.folded
    return FIRST_ARRANGEMENT + kind * (MAX_METHODS + 1) + count


def _is_ours(number: int) -> bool:
    return FIRST_ARRANGEMENT <= number < FIRST_ARRANGEMENT + _NUM_ARRANGEMENTS


def _layout_node(scene: Any) -> Any:
    """Return the node that says which views are shown; made where there is no application."""
    node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    return node if node is not None else scene.AddNewNodeByClass("vtkMRMLLayoutNode")
