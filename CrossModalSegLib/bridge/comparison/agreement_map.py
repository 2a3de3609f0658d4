"""The map of disagreement as a volume of the scene, in colours, over the scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from CrossModalSegLib.bridge.comparison.agreement import Disagreement
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.heat_map import place_heat_map

MAP_ROLE = "CrossModalSeg.disagreement"
"""Reference from a volume to the map of disagreement about it."""

LEAST_SHOWN_PERCENT = 1.0

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
    node = place_heat_map(
        disagreement.percent,
        volume,
        owner=volume,
        role=MAP_ROLE,
        name=name,
        shown=(LEAST_SHOWN_PERCENT, 100.0),
    )
    node.GetDisplayNode().InterpolateOff()  # or edges would fade into what all agree about
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
