"""Where a model is unsure, as a volume of its own that can be laid over the scan."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bridge.heat_map import place_heat_map
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.volume import Volume

UNCERTAINTY_ROLE = "CrossModalSeg.uncertainty"
"""Reference from a segmentation to its uncertainty map."""

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
    highest = float(uncertainty.array_kji.max()) or 1.0
    return place_heat_map(
        uncertainty,
        volume_node,
        owner=segmentation_node,
        role=UNCERTAINTY_ROLE,
        name=name,
        shown=(LEAST_SHOWN * highest, highest),
    )
