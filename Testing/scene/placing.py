"""Results in the scene, for tests of what is done with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.surfaces import make_surfaces


def place_with_surfaces(*arguments: Any, **options: Any) -> Any:
    """Place segments as `place_segments` does, and make their surfaces."""
    node = place_segments(*arguments, **options)
    make_surfaces(node)
    return node


def surface_arrays(node: Any, segment_id: str) -> dict[str, np.ndarray]:
    """Return points, triangles and normals of a closed surface; nothing of an empty one."""
    from vtk.util.numpy_support import vtk_to_numpy

    surface = node.GetClosedSurfaceInternalRepresentation(segment_id)
    if surface.GetNumberOfPoints() == 0:
        return {}
    found = {
        "points": surface.GetPoints().GetData(),
        "triangles": surface.GetPolys().GetConnectivityArray(),
        "normals": surface.GetPointData().GetNormals(),
    }
    return {key: vtk_to_numpy(array) for key, array in found.items() if array is not None}
