"""What the metrics ask of the two masks that they compare."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, LabelError

Mask: TypeAlias = NDArray[np.bool_]
"""Voxels of one region, indexed (k, j, i)."""


def require_comparable(prediction: NDArray[Any], reference: NDArray[Any]) -> None:
    """Refuse what is no pair of masks on one grid.

    Raises:
        LabelError: An array is not boolean.
        GeometryError: The shapes differ.
    """
    for name, mask in (("prediction", prediction), ("reference", reference)):
        if mask.dtype != np.bool_:
            raise LabelError(
                f"The {name} is an array of {mask.dtype}, a mask of bool was expected.",
                hint="Compare with the label values of one region first.",
            )
    if prediction.shape != reference.shape:
        raise GeometryError(
            f"The prediction has shape {prediction.shape} and the reference {reference.shape}; "
            "one shape was expected."
        )
