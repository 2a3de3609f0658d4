"""Where results of compared models are kept: one folder a volume, one segmentation a model."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bridge.result_placement import SEGMENTATION_CLASS
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.segmentations import volume_of

COMPARED_MODEL = "CrossModalSeg.comparedModel"
"""Attribute of results: name of the model."""


def earlier_result(volume: Any, model: str) -> Any:
    """Return the segmentation that an earlier comparison made of a volume, None if there is none.

    Args:
        volume: Volume node.
        model: Name of the model.
    """
    scene = volume.GetScene()
    for index in range(scene.GetNumberOfNodesByClass(SEGMENTATION_CLASS)):
        node = scene.GetNthNodeByClass(index, SEGMENTATION_CLASS)
        if node.GetAttribute(COMPARED_MODEL) == model and volume_of(node) is volume:
            return node
    return None


def keep_result(node: Any, volume: Any, model: str) -> None:
    """Put a result into the folder of its volume, where the next comparison finds it.

    A new one is not shown in the usual views, where all results would lie one over the other.
    """
    is_new = not node.GetAttribute(COMPARED_MODEL)
    node.SetAttribute(COMPARED_MODEL, model)
    if not is_new:
        return
    if node.GetDisplayNode() is not None:
        node.GetDisplayNode().VisibilityOff()
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(node.GetScene())
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if item:
        hierarchy.SetItemParent(item, _folder(hierarchy, volume))


def _folder(hierarchy: Any, volume: Any) -> int:
    """Return the item of the folder beside a volume, made if need be."""
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume))
    name = f"Comparison of {volume.GetName()}"
    found = int(hierarchy.GetItemChildWithName(parent, name))
    return found or int(hierarchy.CreateFolderItem(parent, name))
