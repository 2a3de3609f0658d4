"""A map of numbers about a volume, as a volume of the scene in colours of heat."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bridge.volumes import (
    SCALAR_VOLUME_CLASS,
    array_to_image,
    in_frame_of,
    matrix_to_vtk,
    place_beside,
    set_window,
)
from CrossModalSegLib.core.volume import Volume

HEAT_COLOURS = "vtkMRMLColorTableNodeIron"


def place_heat_map(
    values: Volume,
    volume_node: Any,
    *,
    owner: Any,
    role: str,
    name: str,
    shown: tuple[float, float],
) -> Any:
    """Put a map beside the volume that it is about; no view is changed.

    The map that the owner already has in that role is replaced.

    Args:
        values: Its affine leads to the world.
        volume_node: The volume that the map is about.
        owner: The node that refers to the map from now on.
        role: Name of that reference.
        name: Of a new map.
        shown: Least and highest value drawn; the colours go from 0 to the highest.

    Returns:
        The volume node of the map.

    Raises:
        GeometryError: The volume is under a transform that is not linear.
    """
    local = in_frame_of(volume_node, values)
    scene = volume_node.GetScene()
    node = owner.GetNodeReference(role)
    if node is None:
        node = scene.AddNewNodeByClass(SCALAR_VOLUME_CLASS, scene.GenerateUniqueName(name))
        node.CreateDefaultDisplayNodes()
        owner.SetNodeReferenceID(role, node.GetID())
        place_beside(node, volume_node)
    node.SetIJKToRASMatrix(matrix_to_vtk(local.affine_ras))
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetAndObserveImageData(array_to_image(local.array_kji))
    _show_as_heat(node, *shown)
    return node


def _show_as_heat(node: Any, least: float, highest: float) -> None:
    display = node.GetDisplayNode()
    if node.GetScene().GetNodeByID(HEAT_COLOURS) is not None:
        display.SetAndObserveColorNodeID(HEAT_COLOURS)
    set_window(node, 0.0, highest)
    display.SetThreshold(least, highest)
    display.ApplyThresholdOn()
