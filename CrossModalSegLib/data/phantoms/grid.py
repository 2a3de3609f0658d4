"""The voxel grid on which a phantom is imaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.data.phantoms.anatomy import Points

DIRECTIONS_RAS = {
    "R": (1.0, 0.0, 0.0),
    "L": (-1.0, 0.0, 0.0),
    "A": (0.0, 1.0, 0.0),
    "P": (0.0, -1.0, 0.0),
    "S": (0.0, 0.0, 1.0),
    "I": (0.0, 0.0, -1.0),
}
FINEST_SAMPLING_MM = 3.2
"""Thicker voxels are averaged from several samples; finer ones rely on soft edges alone."""

POINTS_PER_CHUNK = 16_384
"""Keeps the working arrays of one chunk within a processor's cache."""


@dataclass(frozen=True, kw_only=True)
class PhantomGrid:
    """A grid of any size: what the scanner was told to acquire.

    `orientation` names the anatomical direction in which each of i, j, k increases. `tilt_degrees`
    turns the grid about the R, A and S axes, in this order. The grid is centred on `centre_ras_mm`,
    or on the subject where that is None.
    """

    matrix_ijk: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str = "LPS"
    tilt_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre_ras_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: A size or spacing is not positive, or the orientation is not one letter
                from each of RL, AP and SI.
        """
        if min(self.matrix_ijk) < 1:
            raise ConfigError(
                f"The phantom's matrix is {self.matrix_ijk}, expected three numbers of at least 1."
            )
        if not all(0 < spacing < np.inf for spacing in self.spacing_mm):
            raise ConfigError(
                f"The phantom's spacing is {self.spacing_mm} mm, expected three numbers above 0."
            )
        if sorted(map(_axis, self.orientation)) != [0, 1, 2]:
            raise ConfigError(
                f"The phantom's orientation is {self.orientation!r}, expected three letters, one "
                "each of R or L, A or P, S or I, such as 'LPS'."
            )

    def affine_ras(self, subject_ras_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the 4x4 matrix from voxel index (i, j, k) to RAS mm."""
        directions = np.array([DIRECTIONS_RAS[code] for code in self.orientation]).T
        scaled = rotation(self.tilt_degrees) @ directions * np.asarray(self.spacing_mm)
        centre = subject_ras_mm if self.centre_ras_mm is None else np.asarray(self.centre_ras_mm)
        affine = np.eye(4)
        affine[:3, :3] = scaled
        affine[:3, 3] = centre - scaled @ ((np.asarray(self.matrix_ijk) - 1) / 2)
        return affine

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        i, j, k = self.matrix_ijk
        return k, j, i

    @property
    def samples_ijk(self) -> tuple[int, int, int]:
        """How many samples are averaged in a voxel along each axis."""
        first, second, third = (int(np.ceil(s / FINEST_SAMPLING_MM)) for s in self.spacing_mm)
        return first, second, third

    @property
    def sample_width_mm(self) -> float:
        """The edge of the cube that one sample stands for."""
        widths = np.asarray(self.spacing_mm) / np.asarray(self.samples_ijk)
        return float(np.prod(widths) ** (1 / 3))

    def chunks(self, affine_ras: NDArray[np.float64]) -> Iterator[Points]:
        """Yield the sample points of successive runs of voxels of the flattened (k, j, i) array.

        The points of a run of m voxels are (3, samples * m) RAS mm, the voxel varying fastest.
        """
        count = int(np.prod(self.shape_kji))
        offsets = sample_offsets(self.samples_ijk)
        step = max(1, POINTS_PER_CHUNK // offsets.shape[1])
        for start in range(0, count, step):
            run = np.arange(start, min(start + step, count))
            index_kji = np.unravel_index(run, self.shape_kji)
            index_ijk = np.stack(index_kji[::-1])[:, np.newaxis, :] + offsets[:, :, np.newaxis]
            points = affine_ras[:3, :3] @ index_ijk.reshape(3, -1) + affine_ras[:3, 3:]
            yield points.astype(np.float32)

    def centres_ras(self, affine_ras: NDArray[np.float64]) -> Points:
        """Return the voxel centres in the order of the flattened (k, j, i) array."""
        index_ijk = np.indices(self.shape_kji).reshape(3, -1)[::-1]
        points: Points = (affine_ras[:3, :3] @ index_ijk + affine_ras[:3, 3:]).astype(np.float32)
        return points


def _axis(code: str) -> int:
    """Return the RAS axis along which a direction lies, -1 where it is none."""
    return "RLAPSI".find(code) // 2


def sample_offsets(samples_ijk: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return (3, samples) offsets in voxels, evenly spread and centred."""
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in samples_ijk]
    return np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)


def rotation(degrees: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the 3x3 matrix that turns about the R, A and S axes, in this order."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[second, first], turn[first, second] = np.sin(angle), -np.sin(angle)
        matrix = turn @ matrix
    return matrix
