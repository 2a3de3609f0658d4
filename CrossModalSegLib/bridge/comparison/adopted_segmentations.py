"""Segmentations of other extensions as a method: the same voxels under the task's own names."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bridge.comparison.segment_matching import matched_structures
from CrossModalSegLib.bridge.comparison.segment_sampling import make_voxels
from CrossModalSegLib.bridge.result_placement import SEGMENTATION_CLASS
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.bridge.segments import describe_segment
from CrossModalSegLib.bridge.volumes import place_beside
from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.core.tasks import Region, Task

ADOPTED_ROLE = "CrossModalSeg.adopted"
"""Reference from a copy to the segmentation that it was made of."""


def adopt(node: Any, task: Task) -> Any:
    """Return a segmentation whose segments are named like the structures of a task.

    That is the node itself if its segments are so named already; otherwise a copy of the segments
    that are structures of the task (`segment_matching`). The user's segmentation is never changed,
    and a copy that was made of it before is brought up to date.

    Raises:
        LabelError: None of its segments is a structure of the task.
    """
    found = matched_structures(node, task)
    structures = {entry.name: entry for entry in structures_of(task)}
    if not found:
        raise LabelError(
            f"Segmentation {node.GetName()!r} has none of the structures of {task.label}; expected "
            f"segments named like {', '.join(entry.label for entry in structures.values())}.",
            hint="Choose another segmentation, or rename its segments.",
        )
    make_voxels(node)
    if all(_is_named_like(node, found[name], structures[name]) for name in found):
        return node
    return _copy(node, {structures[name]: identifier for name, identifier in found.items()})


def adopted_from(node: Any) -> Any:
    """Return the segmentation that a copy was made of, None if the node is no such copy."""
    return node.GetNodeReference(ADOPTED_ROLE)


def _is_named_like(node: Any, identifier: str, structure: Region) -> bool:
    name = str(node.GetSegmentation().GetSegment(identifier).GetName())
    return identifier == structure.name or name in {structure.label, structure.name}


def _copy(node: Any, found: dict[Region, str]) -> Any:
    slicer, scene = import_slicer(), node.GetScene()
    copy = _copy_made_before(node)
    if copy is None:
        name = scene.GenerateUniqueName(f"{node.GetName()} (for comparison)")
        copy = scene.AddNewNodeByClass(SEGMENTATION_CLASS, name)
        copy.SetNodeReferenceID(ADOPTED_ROLE, node.GetID())
        copy.CreateDefaultDisplayNodes()
        copy.GetDisplayNode().VisibilityOff()  # the user has the original
        place_beside(copy, node)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    own, segmentation = node.GetSegmentation(), copy.GetSegmentation()
    segmentation.RemoveAllSegments()
    copy.SetSourceRepresentationToBinaryLabelmap()
    role = node.GetReferenceImageGeometryReferenceRole()
    copy.SetNodeReferenceID(role, node.GetNodeReferenceID(role))
    for structure, identifier in found.items():
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(identifier, image)
        segment = slicer.vtkSegment()
        describe_segment(segment, structure)
        segment.SetColor(*own.GetSegment(identifier).GetColor())
        segment.AddRepresentation(
            slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName(), image
        )
        segmentation.AddSegment(segment, structure.name)
    return copy


def _copy_made_before(node: Any) -> Any:
    scene = node.GetScene()
    for index in range(scene.GetNumberOfNodesByClass(SEGMENTATION_CLASS)):
        candidate = scene.GetNthNodeByClass(index, SEGMENTATION_CLASS)
        if adopted_from(candidate) is node:
            return candidate
    return None
