"""A three-dimensional image with its place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError


@dataclass(frozen=True, eq=False)
class Volume:
    """An array on a grid in patient space.

    Attributes:
        array_kji: Voxels, slowest axis first (k, j, i).
        affine_ras: 4x4 matrix from voxel index (i, j, k, 1) to RAS in mm, at voxel centres.
    """

    array_kji: NDArray[Any]
    affine_ras: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse arrays that are not three-dimensional and affines that are not 4x4.

        Raises:
            GeometryError: The shapes are wrong.
        """
        affine = np.asarray(self.affine_ras, dtype=np.float64)
        if affine.shape != (4, 4):
            raise GeometryError(f"An affine of shape {affine.shape} was given, expected (4, 4).")
        if self.array_kji.ndim != 3:
            raise GeometryError(
                f"An array with {self.array_kji.ndim} dimensions was given, expected 3 (k, j, i)."
            )
        object.__setattr__(self, "affine_ras", affine)

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = self.array_kji.shape
        return k, j, i

    @property
    def shape_ijk(self) -> tuple[int, int, int]:
        """Number of voxels along i, j, k."""
        k, j, i = self.array_kji.shape
        return i, j, k

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along i, j, k."""
        i, j, k = np.linalg.norm(self.affine_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine_ras[:3, :3]))) / 1000.0

    def with_array(self, array_kji: NDArray[Any]) -> Volume:
        """Return the same grid with other voxels.

        Raises:
            GeometryError: The array has another shape.
        """
        if array_kji.shape != self.array_kji.shape:
            raise GeometryError(
                f"An array of shape {array_kji.shape} (k, j, i) was given for a grid of shape "
                f"{self.array_kji.shape}."
            )
        return replace(self, array_kji=array_kji)
