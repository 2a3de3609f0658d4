"""A result's way into the scene: segments, surfaces, its place beside the scan, and the views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from CrossModalSegLib.bridge.result_views import show_result
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.segmentations import (
    check_values,
    structures_of,
)
from CrossModalSegLib.bridge.segments import describe_segment, make_segment, structure_images
from CrossModalSegLib.bridge.surfaces import make_surfaces
from CrossModalSegLib.bridge.terminology import offer_terminology
from CrossModalSegLib.bridge.volumes import in_frame_of, place_beside
from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.slicer_segments import terminology_text

__all__ = [
    "SEGMENTATION_CLASS",
    "place_result",
    "place_segments",
    "show_result",
    "wanted_structures",
]

SEGMENTATION_CLASS = "vtkMRMLSegmentationNode"


def place_result(
    labels: Volume,
    task: Task,
    volume_node: Any,
    name: str,
    *,
    output_node: Any = None,
    structures: Sequence[str] = (),
) -> Any:
    """As `place_segments`, with closed surfaces for 3D views; arguments and errors are the same."""
    node = place_segments(
        labels, task, volume_node, name, output_node=output_node, structures=structures
    )
    make_surfaces(node)
    return node


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
    images = structure_images(local, wanted, nested=task.nested, cropped=True)
    offer_terminology([task])
    scene = volume_node.GetScene()
    scene.SaveStateForUndo()
    node = output_node or scene.AddNewNodeByClass(SEGMENTATION_CLASS, name)
    _fill(node, images, volume_node)
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


def _fill(node: Any, images: list[tuple[Region, Any, int]], volume_node: Any) -> None:
    """Replace the segments of a node, and what else depends on the volume."""
    converter = import_slicer().vtkSegmentationConverter
    binary = converter.GetBinaryLabelmapRepresentationName()
    closed_surface = converter.GetClosedSurfaceRepresentationName()
    segmentation = node.GetSegmentation()
    was_modifying = node.StartModify()
    try:
        node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        had_surfaces = segmentation.ContainsRepresentation(closed_surface)
        segmentation.RemoveRepresentation(closed_surface)
        if segmentation.GetSourceRepresentationName() != binary:
            segmentation.RemoveAllSegments()  # nothing of a mesh is worth converting
            node.SetSourceRepresentationToBinaryLabelmap()
        _replace_segments(segmentation, images)
        # After the transform: the geometry is stored in the segmentation's own coordinates.
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        if had_surfaces:
            node.CreateClosedSurfaceRepresentation()
    finally:
        node.EndModify(was_modifying)


def _replace_segments(segmentation: Any, images: list[tuple[Region, Any, int]]) -> None:
    """Give the segments of the same structures new voxels, so that their display stays."""
    names = [structure.name for structure, _, _ in images]
    for segment_id in segmentation.GetSegmentIDs():
        if segment_id not in names:
            segmentation.RemoveSegment(segment_id)
    binary = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    for structure, image, label_value in images:
        segment = segmentation.GetSegment(structure.name)
        if segment is None:
            made = make_segment(structure, image, label_value)
            segmentation.AddSegment(made, structure.name)
            continue
        segment.RemoveAllRepresentations()
        segment.SetLabelValue(label_value)
        segment.AddRepresentation(binary, image)
        if segment.GetTerminology() != terminology_text(structure.terminology):
            describe_segment(segment, structure)  # it was something else of the same identifier
    segmentation.ReorderSegments(names)
