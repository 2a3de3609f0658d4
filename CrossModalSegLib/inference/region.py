"""The part of a volume that a user wants to have segmented: a box, however it is turned."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError, GeometryError
from CrossModalSegLib.core.volume import Volume

TOLERANCE = 1e-6
"""A voxel centre on the box's face belongs to it, whatever the rounding."""


@dataclass(frozen=True, eq=False)
class RegionOfInterest:
    """A box in the patient.

    Attributes:
        ras_to_box: 4x4; a point (RAS, mm) is inside where all its coordinates become -1 to 1.
    """

    ras_to_box: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse what is no box.

        Raises:
            ConfigError: The matrix is not 4x4, not finite, not affine, or has no inverse.
        """
        matrix = np.asarray(self.ras_to_box, dtype=np.float64)
        is_matrix = matrix.shape == (4, 4) and bool(np.isfinite(matrix).all())
        is_affine = is_matrix and np.allclose(matrix[3], (0, 0, 0, 1))
        if not is_affine or np.linalg.matrix_rank(matrix[:3, :3]) < 3:
            raise ConfigError(
                f"The region of interest is {matrix.tolist()}, expected an affine 4x4 matrix that "
                "has an inverse, from RAS in mm to a box of -1 to 1.",
                hint="Give the box some extent in every direction.",
            )
        object.__setattr__(self, "ras_to_box", matrix)

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> RegionOfInterest:
        """Read 16 numbers, row after row.

        Raises:
            ConfigError: They describe no box.
        """
        if len(numbers) != 16:
            raise ConfigError(
                f"The region of interest has {len(numbers)} numbers, expected the 16 of a 4x4 "
                "matrix, row after row."
            )
        return cls(np.array(numbers, dtype=np.float64).reshape(4, 4))

    def mask(self, grid: Volume) -> Volume:
        """Return which voxels' centres lie in the box, as truth values on the volume's grid.

        Raises:
            GeometryError: None does.
        """
        index_to_box = self.ras_to_box @ grid.affine_ras
        inside = np.zeros(grid.shape_kji, bool)
        i, j, k = _index_box(index_to_box, grid.shape_ijk)
        inside[k, j, i] = _is_inside(index_to_box, (i, j, k))
        if not inside.any():
            raise GeometryError(
                "The region of interest holds no voxel of the volume.",
                hint="Move or enlarge it so that it meets the volume, or choose none.",
            )
        return grid.with_array(inside)


def _index_box(
    index_to_box: NDArray[np.float64], shape_ijk: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    """Return the ranges of indices outside which no voxel lies in the box."""
    corners = np.array([(*signs, 1.0) for signs in itertools.product((-1, 1), repeat=3)]).T
    corners_ijk = (np.linalg.inv(index_to_box) @ corners)[:3]
    sizes = np.array(shape_ijk)
    first = np.clip(np.floor(corners_ijk.min(axis=1)), 0, sizes).astype(int)
    last = np.clip(np.ceil(corners_ijk.max(axis=1)), -1, sizes - 1).astype(int)
    i, j, k = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return i, j, k


def _is_inside(
    index_to_box: NDArray[np.float64], ranges_ijk: tuple[slice, slice, slice]
) -> NDArray[np.bool_]:
    """Tell for each voxel (k, j, i) of some ranges whether its centre lies in the box."""
    i, j, k = (np.arange(part.start, part.stop, dtype=np.float64) for part in ranges_ijk)
    inside = np.ones((k.size, j.size, i.size), bool)
    for along_i, along_j, along_k, start in index_to_box[:3]:
        place = along_k * k[:, None, None] + along_j * j[:, None] + along_i * i + start
        inside &= np.abs(place) <= 1.0 + TOLERANCE
    return inside
