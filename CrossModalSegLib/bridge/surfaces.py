"""Closed surfaces of a segmentation's segments, for 3D views."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.background_work import YIELD_SECONDS
from CrossModalSegLib.bridge.closed_surface import (
    SegmentVoxels,
    SurfaceRecipe,
    closed_surface,
    slicers_surface,
    surface_recipe,
)
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.volumes import image_to_array


def has_surfaces(node: Any) -> bool:
    """Tell whether a segmentation has closed surfaces."""
    closed = import_slicer().vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    return bool(node.GetSegmentation().ContainsRepresentation(closed))


def make_surfaces(node: Any) -> None:
    """Make closed surfaces for 3D views, unless they are there, so that inner ones are seen too."""
    for _ in surface_steps(node):
        pass


def surface_steps(node: Any) -> Iterator[None]:
    """Make closed surfaces as `make_surfaces` does, beside the program's own thread.

    Between two steps the program can do other things; the surfaces appear all at once, after the
    last one. They are what Slicer makes of the segments, by the segmentation's own parameters.
    Nothing happens to a segmentation that was deleted meanwhile.
    """
    if has_surfaces(node):
        return
    segmentation = node.GetSegmentation()
    labelmap = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if segmentation.GetSourceRepresentationName() == labelmap:
        sources = yield from _copied_sources(segmentation, labelmap)
        surfaces = yield from _made(segmentation, sources)
        if node.GetScene() is None:
            return
        made = {
            source.segment_id: surface
            for source, surface in zip(sources, surfaces, strict=True)
            if source.is_of_today(segmentation)
        }
        add_surfaces(segmentation, made)
    node.CreateClosedSurfaceRepresentation()  # makes what is missing, if anything is
    make_enclosing_surfaces_translucent(node)


def add_surfaces(segmentation: Any, surfaces: Mapping[str, Any]) -> None:
    """Give segments, by their identifiers, closed surfaces; None: as before."""
    closed = import_slicer().vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    for segment_id, surface in surfaces.items():
        segment = segmentation.GetSegment(segment_id)
        if segment is not None and surface is not None:
            segment.AddRepresentation(closed, surface)
    segmentation.InvokeEvent(segmentation.ContainedRepresentationNamesModified)


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


@dataclass(frozen=True, eq=False)
class _Source:
    """A segment, and what its voxels were when they were copied."""

    segment_id: str
    segment: Any
    image: Any
    version: int
    voxels: SegmentVoxels

    def is_of_today(self, segmentation: Any) -> bool:
        labelmap = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
        return (
            segmentation.GetSegment(self.segment_id) is self.segment
            and self.segment.GetLabelValue() == self.voxels.value
            and self.segment.GetRepresentation(labelmap) is self.image
            and self.image.GetMTime() == self.version
        )


def _copied_sources(segmentation: Any, labelmap: str) -> Generator[None, None, list[_Source]]:
    """Copy the voxels of all segments, those of one image with each step."""
    copies: dict[Any, tuple[NDArray[Any], int]] = {}
    sources = []
    for segment_id in segmentation.GetSegmentIDs():
        segment = segmentation.GetSegment(segment_id)
        image = None if segment is None else segment.GetRepresentation(labelmap)
        if image is None or image.IsEmpty():  # deleted since, or emptied
            continue
        if image not in copies:
            copies[image] = (image_to_array(image).copy(), image.GetMTime())
            yield
        array_kji, version = copies[image]
        voxels = SegmentVoxels.of_image(image, int(segment.GetLabelValue()), array_kji)
        sources.append(_Source(segment_id, segment, image, version, voxels))
    return sources


def _made(segmentation: Any, sources: Sequence[_Source]) -> Generator[None, None, list[Any]]:
    """Make surfaces, in a thread where it makes Slicer's."""
    recipe = surface_recipe(segmentation)
    if recipe is None:
        return (yield from _made_by_slicer(segmentation, sources))
    return (yield from _made_by_thread(recipe, [source.voxels for source in sources]))


def _made_by_slicer(
    segmentation: Any, sources: Sequence[_Source]
) -> Generator[None, None, list[Any]]:
    surfaces = []
    for source in sources:
        surfaces.append(slicers_surface(segmentation, source.image, source.voxels.value))
        yield
    return surfaces


def _made_by_thread(
    recipe: SurfaceRecipe, segments: Sequence[SegmentVoxels]
) -> Generator[None, None, list[Any]]:
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="CrossModalSeg")
    try:
        futures = [executor.submit(closed_surface, voxels, recipe) for voxels in segments]
        while not all(future.done() for future in futures):
            yield
            wait(futures, timeout=YIELD_SECONDS)
        return [future.result() for future in futures]
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


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
