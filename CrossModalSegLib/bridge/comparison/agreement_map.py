"""The map of disagreement as a volume of the scene, in colours, over the scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from CrossModalSegLib.bridge.comparison.agreement import Disagreement
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.uncertainty_map import HEAT_COLOURS
from CrossModalSegLib.bridge.volumes import (
    SCALAR_VOLUME_CLASS,
    array_to_image,
    in_frame_of,
    matrix_to_vtk,
    place_beside,
    set_window,
)

MAP_ROLE = "CrossModalSeg.disagreement"
"""Reference from a volume to the map of disagreement about it."""

COMPOSITE_CLASS = "vtkMRMLSliceCompositeNode"

DEFAULT_OPACITY = 0.6


def place_map(disagreement: Disagreement, comparison: Comparison, name: str) -> Any:
    """Put the map beside the volume, in colours of heat; voxels where all agree are clear.

    The map of an earlier comparison of the same volume is replaced.

    Args:
        disagreement: What is shown.
        comparison: Whose it is.
        name: Of a new map.

    Returns:
        The volume node, in percent.

    Raises:
        GeometryError: The volume is under a transform that is not linear.
    """
    volume = comparison.volume
    local = in_frame_of(volume, disagreement.percent)
    scene = volume.GetScene()
    node = volume.GetNodeReference(MAP_ROLE)
    if node is None:
        node = scene.AddNewNodeByClass(SCALAR_VOLUME_CLASS, scene.GenerateUniqueName(name))
        node.CreateDefaultDisplayNodes()
        volume.SetNodeReferenceID(MAP_ROLE, node.GetID())
        place_beside(node, volume)
    node.SetIJKToRASMatrix(matrix_to_vtk(local.affine_ras))
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    node.SetAndObserveImageData(array_to_image(local.array_kji))
    display = node.GetDisplayNode()
    if scene.GetNodeByID(HEAT_COLOURS) is not None:
        display.SetAndObserveColorNodeID(HEAT_COLOURS)
    set_window(node, 0.0, 100.0)
    display.SetThreshold(1.0, 100.0)
    display.ApplyThresholdOn()
    display.InterpolateOff()  # or edges would fade into what all agree about
    return node


def map_of(comparison: Comparison) -> Any:
    """Return the map of disagreement about the volume, None if there is none."""
    return comparison.volume.GetNodeReference(MAP_ROLE)


def show_map(comparison: Comparison, *, visible: bool, opacity: float = DEFAULT_OPACITY) -> None:
    """Lay the map over the scan in all slice views that show it, or take it away."""
    node = map_of(comparison)
    if node is None:
        return
    for composite in _composites(comparison):
        if visible:
            composite.SetForegroundVolumeID(node.GetID())
            composite.SetForegroundOpacity(opacity)
        elif composite.GetForegroundVolumeID() == node.GetID():
            composite.SetForegroundVolumeID(None)
            composite.SetForegroundOpacity(0.0)


def is_shown(comparison: Comparison) -> bool:
    """Tell whether any slice view has the map over the scan."""
    node = map_of(comparison)
    return node is not None and any(
        composite.GetForegroundVolumeID() == node.GetID() for composite in _composites(comparison)
    )


def _composites(comparison: Comparison) -> Iterator[Any]:
    """Yield the slice views that have the volume in the background."""
    volume, scene = comparison.volume, comparison.volume.GetScene()
    for index in range(scene.GetNumberOfNodesByClass(COMPOSITE_CLASS)):
        composite = scene.GetNthNodeByClass(index, COMPOSITE_CLASS)
        if composite.GetBackgroundVolumeID() == volume.GetID():
            yield composite
