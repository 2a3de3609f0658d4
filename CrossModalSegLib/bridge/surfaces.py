"""Closed surfaces of a segmentation's segments, for 3D views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer


def make_surfaces(node: Any) -> None:
    """Make closed surfaces for 3D views, unless they are there, so that inner ones are seen too."""
    for _ in surface_steps(node):
        pass


def surface_steps(node: Any) -> Iterator[None]:
    """Make closed surfaces as `make_surfaces` does, of one segment with each step.

    Between two steps the program can do other things; the surfaces appear all at once, after the
    last one. They are what Slicer makes of the segments, by the segmentation's own parameters.
    """
    segmentation = node.GetSegmentation()
    converter = import_slicer().vtkSegmentationConverter
    closed_surface = converter.GetClosedSurfaceRepresentationName()
    if segmentation.ContainsRepresentation(closed_surface):
        return
    labelmap = converter.GetBinaryLabelmapRepresentationName()
    if segmentation.GetSourceRepresentationName() == labelmap:
        yield from _convert_one_by_one(segmentation, labelmap, closed_surface)
    node.CreateClosedSurfaceRepresentation()  # makes what is missing, if anything is
    make_enclosing_surfaces_translucent(node)


def make_enclosing_surfaces_translucent(node: Any, opacity: float = 0.3) -> None:
    """Let 3D views show what lies inside another structure, a ventricle in its wall for example."""
    boxes = _surface_boxes(node)
    # Otherwise the inside of a wall and the surface of what it touches flicker through each other.
    node.GetDisplayNode().BackfaceCullingOn()
    for segment_id, box in boxes.items():
        encloses = any(
            other != segment_id and _lies_within(inner, box) for other, inner in boxes.items()
        )
        node.GetDisplayNode().SetSegmentOpacity3D(segment_id, opacity if encloses else 1.0)


def _convert_one_by_one(segmentation: Any, labelmap: str, closed_surface: str) -> Iterator[None]:
    """Convert each segment in a segmentation of its own; take over what is still of today."""
    made = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        image = None if segment is None else segment.GetRepresentation(labelmap)
        if image is None:  # deleted since, or emptied
            continue
        version = image.GetMTime()
        made.append((segment, image, version, _surface(segmentation, segment, closed_surface)))
        yield
    for segment, image, version, surface in made:
        is_same = segment.GetRepresentation(labelmap) is image and image.GetMTime() == version
        if is_same and surface is not None:
            segment.AddRepresentation(closed_surface, surface)
    segmentation.InvokeEvent(segmentation.ContainedRepresentationNamesModified)


def _surface(segmentation: Any, segment: Any, closed_surface: str) -> Any:
    """Return a segment's surface, None where Slicer makes none."""
    slicer = import_slicer()
    alone = slicer.vtkSegmentation()
    alone.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    alone.CopyConversionParameters(segmentation)
    copy = slicer.vtkSegment()
    copy.SetLabelValue(segment.GetLabelValue())
    source = segmentation.GetSourceRepresentationName()
    copy.AddRepresentation(source, segment.GetRepresentation(source))
    alone.AddSegment(copy, "alone")
    alone.CreateRepresentation(closed_surface)
    return copy.GetRepresentation(closed_surface)


def _surface_boxes(node: Any) -> dict[str, NDArray[np.float64]]:
    """Return the bounding box of each segment's closed surface, (axis, low and high)."""
    boxes = {}
    for segment_id in node.GetSegmentation().GetSegmentIDs():
        surface = node.GetClosedSurfaceInternalRepresentation(segment_id)
        if surface is not None and surface.GetNumberOfPoints():
            boxes[segment_id] = np.array(surface.GetBounds()).reshape(3, 2)
    return boxes


def _lies_within(inner: NDArray[np.float64], outer: NDArray[np.float64]) -> bool:
    """Tell whether a box lies in a larger one, give or take a tenth of its own size."""
    slack = 0.1 * (inner[:, 1] - inner[:, 0])
    inside = (inner[:, 0] >= outer[:, 0] - slack) & (inner[:, 1] <= outer[:, 1] + slack)
    smaller = np.prod(inner[:, 1] - inner[:, 0]) < np.prod(outer[:, 1] - outer[:, 0])
    return bool(inside.all() and smaller)
