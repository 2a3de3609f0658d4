"""The part of a volume that a user wants to have segmented: a box, or what a mask holds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError, GeometryError
from CrossModalSegLib.core.geometry import is_same_grid
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.itk_reading import affine_of, read_itk_image

TOLERANCE = 1e-6
"""A voxel centre on the box's face belongs to it, whatever the rounding."""


@runtime_checkable
class Area(Protocol):
    """Says of each voxel whether it is to be segmented."""

    def mask(self, grid: Volume) -> Volume:
        """Return truth values on the volume's grid, at least one of them true.

        Raises:
            GeometryError: None is.
        """
        ...


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

    @classmethod
    def from_bounds(cls, bounds_mm: Sequence[float]) -> RegionOfInterest:
        """Read an upright box: from and to along R, along A and along S, in mm.

        Raises:
            ConfigError: There are not six numbers, or the box has no extent.
        """
        numbers = np.asarray(bounds_mm, dtype=np.float64)
        if numbers.shape != (6,) or not np.isfinite(numbers).all():
            raise ConfigError(
                f"The region of interest has the bounds {list(bounds_mm)}, expected six numbers: "
                "from and to along R, along A and along S, in mm."
            )
        first, last = numbers.reshape(3, 2).T
        if not (first < last).all():
            raise ConfigError(
                f"The region of interest has the bounds {list(bounds_mm)}, expected the smaller "
                "one of each pair first.",
                hint="Left, posterior and inferior are negative: R = -60 lies left of R = -10.",
            )
        to_ras = np.diag([*((last - first) / 2), 1.0])
        to_ras[:3, 3] = (first + last) / 2
        return cls(np.asarray(np.linalg.inv(to_ras), dtype=np.float64))

    def mask(self, grid: Volume) -> Volume:
        """Return which voxels' centres lie in the box, as truth values on the volume's grid.

        Raises:
            GeometryError: None does.
        """
        index_to_box = self.ras_to_box @ grid.affine_ras
        inside = np.zeros(grid.shape_kji, bool)
        i, j, k = _index_box(index_to_box, grid.shape_ijk)
        inside[k, j, i] = _is_inside(index_to_box, (i, j, k))
        return grid.with_array(_not_empty(inside))


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """What is not 0 in a label map or segmentation, on whatever grid.

    Attributes:
        volume: Truth values.
    """

    volume: Volume

    @classmethod
    def read(cls, path: Path) -> MaskRegion:
        """Read a volume file; of a `.seg.nrrd` all segments together.

        Raises:
            InputFileError: The file cannot be read.
            ConfigError: It is neither a volume nor layers of one.
        """
        import SimpleITK

        image = read_itk_image(path)
        array = SimpleITK.GetArrayViewFromImage(image)
        if image.GetDimension() != 3 or array.ndim not in {3, 4}:
            raise ConfigError(
                f"{path} is {image.GetDimension()}-D, expected the mask of a volume.",
                hint="Give a label map or a segmentation.",
            )
        is_inside = array != 0 if array.ndim == 3 else (array != 0).any(axis=-1)
        return cls(Volume(np.asarray(is_inside), affine_of(image, path)))

    def mask(self, grid: Volume) -> Volume:
        """Return which voxels' centres lie in a voxel of the mask, on the volume's grid.

        Raises:
            GeometryError: None does.
        """
        if is_same_grid(self.volume, grid):
            return grid.with_array(_not_empty(self.volume.array_kji))
        inside = np.zeros(grid.shape_kji, bool)
        to_mask = np.linalg.solve(self.volume.affine_ras, grid.affine_ras)
        j, i = np.indices(grid.shape_kji[1:])
        sizes = np.reshape(self.volume.shape_ijk, (3, 1, 1))
        for k in range(len(inside)):
            places = [row[0] * i + row[1] * j + (row[2] * k + row[3]) for row in to_mask[:3]]
            found = np.rint(places).astype(int)
            is_there = ((found >= 0) & (found < sizes)).all(axis=0)
            at_i, at_j, at_k = found[:, is_there]
            inside[k, is_there] = self.volume.array_kji[at_k, at_j, at_i]
        return grid.with_array(_not_empty(inside))


def read_area(words: Sequence[str]) -> Area | None:
    """Read a region of interest from a command line: six bounds in mm, or a file; None if empty.

    Raises:
        ConfigError: It is neither.
        InputFileError: The file cannot be read.
    """
    if not words:
        return None
    if len(words) == 1:
        return MaskRegion.read(Path(words[0]))
    try:
        bounds = [float(word) for word in words]
    except ValueError as error:
        raise ConfigError(
            f"The region of interest is {' '.join(words)!r}, expected six numbers or one file.",
            hint="Give from and to along R, along A and along S in mm, or a mask's file.",
        ) from error
    return RegionOfInterest.from_bounds(bounds)


def _not_empty(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not inside.any():
        raise GeometryError(
            "The region of interest holds no voxel of the volume.",
            hint="Move or enlarge it so that it meets the volume, or choose none.",
        )
    return inside


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
