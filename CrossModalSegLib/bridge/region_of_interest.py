"""Boxes that users draw, as the worker takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from CrossModalSegLib.bridge.volumes import matrix_from_vtk, world_matrix
from CrossModalSegLib.core.errors import GeometryError


def ras_to_box(roi_node: Any) -> list[float]:
    """Return the matrix that takes points of a markups box to within [-1, 1] along each axis.

    Args:
        roi_node: `vtkMRMLMarkupsROINode`, in any orientation and under any linear transform.

    Returns:
        16 numbers, row after row; they apply to RAS in mm of the world.

    Raises:
        GeometryError: The box has no extent, or stands under a transform that is not linear.
    """
    world_matrix(roi_node)  # refuses what is not linear
    name, size_mm = roi_node.GetName(), np.array(roi_node.GetSize())
    to_world = matrix_from_vtk(roi_node.GetObjectToWorldMatrix())
    to_world[:3, :3] = to_world[:3, :3] * (size_mm / 2)
    if not np.isfinite(to_world).all() or abs(np.linalg.det(to_world)) < 1e-6:
        raise GeometryError(
            f"The region of interest {name!r} is {' x '.join(f'{mm:g}' for mm in size_mm)} mm; "
            "expected a box.",
            hint="Place the box in the views, or choose no region of interest.",
        )
    return [float(value) for value in np.linalg.inv(to_world).ravel()]
