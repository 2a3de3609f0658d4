"""Who is seen where: each method in its own views, the reference as outlines in all of them.

Display nodes of our own do it; those by which the user sees the segmentations elsewhere keep their
colours, and are merely not shown in our views.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_layout import VIEW_PREFIX, Column
from CrossModalSegLib.bridge.comparison.segment_matching import find_segment
from CrossModalSegLib.bridge.drawing import FILL_OPACITY, REFERENCE_COLOUR
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.bridge.segments import colour_fractions
from CrossModalSegLib.bridge.surfaces import surface_steps

SEGMENTATION_CLASS = "vtkMRMLSegmentationNode"
DISPLAY_CLASS = "vtkMRMLSegmentationDisplayNode"

OURS = "CrossModalSeg.comparison"
"""Attribute of our display nodes: "method" or "reference"."""

OUTLINE_PX, REFERENCE_OUTLINE_PX = 1, 2


@dataclass(frozen=True, kw_only=True)
class Look:
    """How methods and reference are drawn.

    Attributes:
        opacity: Of the structures' areas in slices, 0 to 1; with errors, outlines alone are drawn.
        with_methods: Whether what the methods found is drawn.
        with_reference: Whether the reference's outlines are drawn.
        structure: Name of the only structure that is drawn; "": all.
        with_errors: Whether what differs from the reference is drawn over the slices.
        error_opacity: Of the errors, 0 to 1.
    """

    opacity: float = FILL_OPACITY
    with_methods: bool = True
    with_reference: bool = True
    structure: str = ""
    with_errors: bool = False
    error_opacity: float = 1.0


class MethodViews:
    """Shows one comparison in its columns; nothing in the columns belongs to anybody else."""

    def __init__(self) -> None:
        self._comparison: Comparison | None = None
        self._methods: list[Any] = []
        self._references: list[Any] = []
        self._restricted: list[tuple[Any, tuple[str, ...]]] = []
        self._look = Look()

    def show(self, comparison: Comparison, columns: Sequence[Column], look: Look) -> None:
        """Show each method in its column; what was shown of another comparison goes.

        Args:
            comparison: Its methods are as many as the columns.
            columns: In the order of the methods.
            look: How.
        """
        if comparison is not self._comparison or not self._are_there(len(columns)):
            self.clear()
            self._comparison = comparison
            self._methods = [_add_display(s.segmentation, "method") for s in comparison.methods]
            if comparison.reference is not None:
                # What is added last is drawn on top.
                self._references.append(_add_display(comparison.reference, "reference"))
        for display, column in zip(self._methods, columns, strict=True):
            column.composite_node.SetBackgroundVolumeID(comparison.volume.GetID())
            _show_in(display, column.view_ids)
            display.SetVisibility3D(column.view_node is not None)
        for display in self._references:
            _show_in(display, [str(column.slice_node.GetID()) for column in columns])
            display.Visibility3DOff()
        self.keep_others_away()
        self.set_look(look)

    def _are_there(self, count: int) -> bool:
        """Tell whether our display nodes of so many methods are still in the scene."""
        nodes = (*self._methods, *self._references)
        return len(self._methods) == count and all(node.GetScene() is not None for node in nodes)

    def set_look(self, look: Look) -> None:
        """Draw as `look` says."""
        self._look = look
        for display in self._methods:
            display.SetVisibility(look.with_methods)
            # Areas over errors would change the colours of these.
            _fill(display, 0.0 if look.with_errors else look.opacity)
        for display in self._references:
            display.SetVisibility(look.with_reference)
            _outline(display)
        if self._comparison is not None:
            for display in (*self._methods, *self._references):
                _show_structure(display, self._comparison, look.structure)

    def keep_others_away(self) -> None:
        """Let no other segmentation be seen in our views; call it when nodes were added, too."""
        if self._comparison is None:
            return
        scene = self._comparison.volume.GetScene()
        if scene is None:
            return  # the volume was deleted just now
        elsewhere = tuple(_usual_views(scene))
        for display in list(_displays(scene)):
            is_ours = bool(display.GetAttribute(OURS))
            if not is_ours and display.GetNumberOfViewNodeIDs() == 0 and elsewhere:
                _show_in(display, elsewhere)
                self._restricted.append((display, elsewhere))

    def take_opacities(self) -> None:
        """Let surfaces be as translucent as elsewhere; call it when surfaces were made."""
        for display in self._methods:
            _take_opacities(display, display.GetDisplayableNode())

    def clear(self) -> None:
        """Remove our display nodes and let the others be seen everywhere again."""
        for display in (*self._methods, *self._references):
            if display.GetScene() is not None:
                display.GetScene().RemoveNode(display)
        for display, views in self._restricted:
            is_untouched = tuple(display.GetViewNodeIDs()) == views
            if display.GetScene() is not None and is_untouched:
                display.RemoveAllViewNodeIDs()
        self._methods, self._references, self._restricted = [], [], []
        self._comparison = None


def add_surfaces(comparison: Comparison) -> Iterator[None]:
    """Make the closed surfaces of all methods, of one structure with each step, for 3D views."""
    for shown in comparison.methods:
        yield from surface_steps(shown.segmentation)


def _add_display(segmentation: Any, role: str) -> Any:
    """Add a display node that is seen nowhere yet."""
    scene = segmentation.GetScene()
    display = scene.CreateNodeByClass(DISPLAY_CLASS)
    display.UnRegister(None)
    display.SetAttribute(OURS, role)
    display.SetSaveWithScene(0)
    display.SetName(f"{segmentation.GetName()} - {role} of the comparison")
    display.SetVisibility(0)
    # Voxels as they are: what is drawn of surfaces is smoothed, and slower.
    converter = import_slicer().vtkSegmentationConverter
    display.SetPreferredDisplayRepresentationName2D(converter.GetBinaryLabelmapRepresentationName())
    scene.AddNode(display)
    segmentation.AddAndObserveDisplayNodeID(display.GetID())
    return display


def _take_opacities(display: Any, segmentation: Any) -> None:
    """Let surfaces be as translucent as the user sees them elsewhere: what lies inside is seen."""
    usual = segmentation.GetDisplayNode()
    if usual is None or usual is display:
        return
    display.SetBackfaceCulling(usual.GetBackfaceCulling())
    for segment_id in segmentation.GetSegmentation().GetSegmentIDs():
        display.SetSegmentOpacity3D(segment_id, usual.GetSegmentOpacity3D(segment_id))


def _show_in(display: Any, view_ids: Sequence[str]) -> None:
    if tuple(display.GetViewNodeIDs()) == tuple(view_ids):
        return
    display.RemoveAllViewNodeIDs()
    for view_id in view_ids:
        display.AddViewNodeID(view_id)


def _fill(display: Any, opacity: float) -> None:
    display.Visibility2DFillOn()
    display.Visibility2DOutlineOn()
    display.SetOpacity2DFill(opacity)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(OUTLINE_PX)


def _outline(display: Any) -> None:
    display.Visibility2DFillOff()
    display.Visibility2DOutlineOn()
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(REFERENCE_OUTLINE_PX)
    for segment_id in display.GetDisplayableNode().GetSegmentation().GetSegmentIDs():
        display.SetSegmentOverrideColor(segment_id, *colour_fractions(REFERENCE_COLOUR))


def _show_structure(display: Any, comparison: Comparison, structure: str) -> None:
    """Show one structure, or all structures of the task; segments of anything else are hidden."""
    node, wanted = display.GetDisplayableNode(), set()
    for entry in structures_of(comparison.task):
        if structure in {"", entry.name}:
            wanted.add(find_segment(node, entry, comparison.task))
    for segment_id in node.GetSegmentation().GetSegmentIDs():
        display.SetSegmentVisibility(segment_id, segment_id in wanted)


def _displays(scene: Any) -> Iterator[Any]:
    for index in range(scene.GetNumberOfNodesByClass(DISPLAY_CLASS)):
        yield scene.GetNthNodeByClass(index, DISPLAY_CLASS)


def _usual_views(scene: Any) -> Iterator[str]:
    """Yield the identifiers of all views that are not ours."""
    for class_name in ("vtkMRMLSliceNode", "vtkMRMLViewNode"):
        for index in range(scene.GetNumberOfNodesByClass(class_name)):
            node = scene.GetNthNodeByClass(index, class_name)
            if not str(node.GetLayoutName()).startswith(VIEW_PREFIX):
                yield str(node.GetID())
