"""A result's way into the scene: segments, surfaces, its place beside the scan, and the views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from CrossModalSegLib.bridge.closed_surface import SurfaceRecipe, surface_recipe
from CrossModalSegLib.bridge.result_views import show_result
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.segment_preparation import PreparedSegment, prepare_segments
from CrossModalSegLib.bridge.segmentations import (
    check_values,
    structures_of,
)
from CrossModalSegLib.bridge.segments import describe_segment, make_segment
from CrossModalSegLib.bridge.surfaces import (
    add_surfaces,
    has_surfaces,
    make_enclosing_surfaces_translucent,
)
from CrossModalSegLib.bridge.terminology import offer_terminology
from CrossModalSegLib.bridge.volumes import in_frame_of, place_beside
from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.slicer_segments import terminology_text

__all__ = [
    "SEGMENTATION_CLASS",
    "place_prepared",
    "place_segments",
    "recipe_of_result",
    "show_result",
    "wanted_structures",
]

SEGMENTATION_CLASS = "vtkMRMLSegmentationNode"


def place_segments(
    labels: Volume,
    task: Task,
    volume_node: Any,
    name: str,
    *,
    output_node: Any = None,
    structures: Sequence[str] = (),
) -> Any:
    """Put a label map into the scene as a segmentation that moves with the volume it belongs to.

    The segmentation has the volume's own coordinates and stands under the volume's transform, so
    that both coincide, also when the transform changes later. It is one step of undo, where undo is
    switched on.

    Args:
        labels: Values of the task's classes; its affine leads to the world, as of `node_to_volume`.
        task: Gives names, colours and terminology.
        volume_node: The volume that was segmented.
        name: Of a new segmentation.
        output_node: Segmentation whose segments are replaced; its name, identity, display and
            place in the subject hierarchy stay, and its surfaces follow if it has any. None: a new
            one.
        structures: Names of those that become segments; none given: all.

    Returns:
        The segmentation node.

    Raises:
        LabelError: The label map holds values that the task does not know.
        GeometryError: A grid is sheared, or the volume is under a transform that is not linear.
        UnknownNameError: The task has no such structure.
    """
    check_affine(labels.affine_ras, name)
    check_values(labels, task, name)
    wanted = wanted_structures(task, structures)
    local = in_frame_of(volume_node, labels)
    recipe = recipe_of_result(volume_node, output_node, with_surfaces=False)
    segments = prepare_segments(local, wanted, nested=task.nested, recipe=recipe)
    return place_prepared(segments, task, volume_node, name, output_node=output_node)


def recipe_of_result(
    volume_node: Any, output_node: Any, *, with_surfaces: bool
) -> SurfaceRecipe | None:
    """Return how to make the surfaces of a result before it is placed.

    Args:
        volume_node: The volume that was segmented.
        output_node: Segmentation to update, None: a new one.
        with_surfaces: Whether they are wanted in any case; those of a segmentation that has some
            always are.

    Returns:
        None where none are wanted, and where only Slicer knows how to make them.
    """
    if output_node is not None:
        is_wanted = with_surfaces or has_surfaces(output_node)
        return surface_recipe(output_node.GetSegmentation()) if is_wanted else None
    if not with_surfaces:
        return None
    node = volume_node.GetScene().CreateNodeByClass(SEGMENTATION_CLASS)  # with the scene's defaults
    node.UnRegister(None)
    return surface_recipe(node.GetSegmentation())


def place_prepared(
    segments: Sequence[PreparedSegment],
    task: Task,
    volume_node: Any,
    name: str,
    *,
    output_node: Any = None,
    with_surfaces: bool = False,
) -> Any:
    """Put prepared segments into the scene, see `place_segments`.

    Args:
        segments: In the volume's own coordinates; surfaces that they lack are made by Slicer.
        task: Gives terminology.
        volume_node: See `place_segments`.
        name: See `place_segments`.
        output_node: See `place_segments`.
        with_surfaces: Whether to give it closed surfaces, for 3D views.
    """
    offer_terminology([task])
    scene = volume_node.GetScene()
    scene.SaveStateForUndo()
    node = output_node or scene.AddNewNodeByClass(SEGMENTATION_CLASS, name)
    had_surfaces = has_surfaces(node)
    _fill(node, segments, volume_node, with_surfaces=with_surfaces or had_surfaces)
    if with_surfaces and not had_surfaces:
        make_enclosing_surfaces_translucent(node)
    if output_node is None:
        place_beside(node, volume_node)
    return node


def wanted_structures(task: Task, names: Sequence[str]) -> tuple[Region, ...]:
    """Return the structures of a task that become segments.

    Raises:
        UnknownNameError: The task has none of a name.
    """
    structures = structures_of(task)
    known = [entry.name for entry in structures]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"structure of {task.label}", name, known)
    return tuple(entry for entry in structures if not names or entry.name in names)


def _fill(
    node: Any, segments: Sequence[PreparedSegment], volume_node: Any, *, with_surfaces: bool
) -> None:
    """Replace the segments of a node, and what else depends on the volume."""
    converter = import_slicer().vtkSegmentationConverter
    segmentation = node.GetSegmentation()
    was_modifying = node.StartModify()
    try:
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        segmentation.RemoveRepresentation(converter.GetClosedSurfaceRepresentationName())
        if segmentation.GetSourceRepresentationName() != _labelmap():
            segmentation.RemoveAllSegments()  # nothing of a mesh is worth converting
            node.SetSourceRepresentationToBinaryLabelmap()
        _replace_segments(segmentation, segments)
        # After the transform: the geometry is stored in the segmentation's own coordinates.
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        if with_surfaces:
            add_surfaces(segmentation, {each.structure.name: each.surface for each in segments})
            node.CreateClosedSurfaceRepresentation()  # makes what is missing, if anything is
    finally:
        node.EndModify(was_modifying)


def _replace_segments(segmentation: Any, segments: Sequence[PreparedSegment]) -> None:
    """Give the segments of the same structures new voxels, so that their display stays."""
    names = [each.structure.name for each in segments]
    for segment_id in segmentation.GetSegmentIDs():
        if segment_id not in names:
            segmentation.RemoveSegment(segment_id)
    for each in segments:
        structure = each.structure
        segment = segmentation.GetSegment(structure.name)
        if segment is None:
            made = make_segment(structure, each.image, each.value)
            segmentation.AddSegment(made, structure.name)
            continue
        segment.RemoveAllRepresentations()
        segment.SetLabelValue(each.value)
        segment.AddRepresentation(_labelmap(), each.image)
        if segment.GetTerminology() != terminology_text(structure.terminology):
            describe_segment(segment, structure)  # it was something else of the same identifier
    segmentation.ReorderSegments(names)


def _labelmap() -> str:
    """Return Slicer's name for voxels."""
    converter = import_slicer().vtkSegmentationConverter
    return str(converter.GetBinaryLabelmapRepresentationName())
