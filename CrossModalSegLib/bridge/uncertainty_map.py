"""Where a model is unsure, as a volume of its own that can be laid over the scan."""

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
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.volume import Volume

UNCERTAINTY_ROLE = "CrossModalSeg.uncertainty"
"""Reference from a segmentation to its uncertainty map."""

HEAT_COLOURS = "vtkMRMLColorTableNodeIron"

LEAST_SHOWN = 0.02
"""Share of the highest uncertainty below which nothing is drawn over the scan."""


def place_uncertainty(
    uncertainty: Volume, volume_node: Any, segmentation_node: Any, name: str
) -> Any:
    """Put an uncertainty map beside the volume, in colours of heat; no view is changed.

    The map of an earlier result of the same segmentation is replaced.

    Args:
        uncertainty: Its affine leads to the world.
        volume_node: The volume that was segmented.
        segmentation_node: The result that the map belongs to; refers to it from now on.
        name: Of a new map.

    Returns:
        The volume node.

    Raises:
        GeometryError: A grid is sheared, or the volume is under a transform that is not linear.
    """
    check_affine(uncertainty.affine_ras, name)
    local = in_frame_of(volume_node, uncertainty)
    scene = volume_node.GetScene()
    node = segmentation_node.GetNodeReference(UNCERTAINTY_ROLE)
    if node is None:
        node = scene.AddNewNodeByClass(SCALAR_VOLUME_CLASS, scene.GenerateUniqueName(name))
        node.CreateDefaultDisplayNodes()
        segmentation_node.SetNodeReferenceID(UNCERTAINTY_ROLE, node.GetID())
        place_beside(node, volume_node)
    node.SetIJKToRASMatrix(matrix_to_vtk(local.affine_ras))
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    node.SetAndObserveImageData(array_to_image(local.array_kji))
    _show_as_heat(node, float(local.array_kji.max()))
    return node


def _show_as_heat(node: Any, highest: float) -> None:
    highest = highest or 1.0
    display = node.GetDisplayNode()
    if node.GetScene().GetNodeByID(HEAT_COLOURS) is not None:
        display.SetAndObserveColorNodeID(HEAT_COLOURS)
    set_window(node, 0.0, highest)
    display.SetThreshold(LEAST_SHOWN * highest, highest)
    display.ApplyThresholdOn()
