"""Frames, axis orders and the comparison of grids. Everything else speaks RAS in mm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.volume import Volume

Affine = NDArray[np.float64]

AXIS_OF_LETTER = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}
"""Patient axis (R-L, A-P, S-I) of each orientation letter."""

POSITIVE_LETTERS, NEGATIVE_LETTERS = "RAS", "LPI"

SHEAR_TOLERANCE = 1e-3
"""Largest cosine between two axes of a grid that still counts as orthogonal."""

GRID_TOLERANCE_MM = 1e-2
"""Two grids are the same when no corner voxel moves by more than this."""

_LPS_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(affine_lps: Affine) -> Affine:
    """Convert an index-to-LPS matrix (ITK, DICOM) to index-to-RAS (NIfTI, Slicer)."""
    return _LPS_FLIP @ affine_lps


def ras_to_lps(affine_ras: Affine) -> Affine:
    """Convert an index-to-RAS matrix to index-to-LPS."""
    return _LPS_FLIP @ affine_ras


def affine_from(
    spacing_mm: Sequence[float], directions: NDArray[np.float64], origin_mm: Sequence[float]
) -> Affine:
    """Compose an affine of spacing, direction cosines (columns i, j, k) and first voxel centre."""
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(directions, dtype=np.float64) * np.asarray(spacing_mm)
    affine[:3, 3] = origin_mm
    return affine


def check_affine(affine_ras: Affine, where: Path | str) -> None:
    """Refuse grids that are degenerate or sheared.

    Raises:
        GeometryError: The matrix is not finite, has an axis of no length, or its axes are not
            at right angles.
    """
    columns = affine_ras[:3, :3]
    lengths = np.linalg.norm(columns, axis=0)
    if not np.isfinite(affine_ras).all() or (lengths < 1e-6).any():
        raise GeometryError(
            f"{where}: the voxel spacing {_numbers(lengths)} mm is not usable; expected three "
            "positive finite numbers.",
            hint="Export the image again, or correct its header.",
        )
    cosines = (columns / lengths).T @ (columns / lengths)
    if np.abs(cosines - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise GeometryError(
            f"{where}: the axes are sheared (i {_numbers(columns[:, 0])}, "
            f"j {_numbers(columns[:, 1])}, k {_numbers(columns[:, 2])} mm a voxel in RAS); "
            "expected axes at right angles.",
            hint="Resample the image onto a rectangular grid first (gantry tilt, for example).",
        )


def orientation_code(affine_ras: Affine) -> str:
    """Name the patient directions in which i, j, k grow, e.g. "LPS"; oblique grids get the closest.

    Each patient axis is used once: the largest direction cosine is given out first.
    """
    cosines = affine_ras[:3, :3] / np.linalg.norm(affine_ras[:3, :3], axis=0)
    remaining = np.abs(cosines)
    letters = [""] * 3
    for _ in range(3):
        patient, index = np.unravel_index(int(remaining.argmax()), (3, 3))
        positive = cosines[patient, index] > 0
        letters[index] = (POSITIVE_LETTERS if positive else NEGATIVE_LETTERS)[patient]
        remaining[patient, :] = remaining[:, index] = -1.0
    return "".join(letters)


def reorient(volume: Volume, code: str) -> Volume:
    """Flip and permute axes so that i, j, k grow towards `code`; no voxel value changes.

    Oblique grids stay oblique.

    Raises:
        GeometryError: `code` does not name each patient axis once.
    """
    check_orientation_code(code)
    current = orientation_code(volume.affine_ras)
    order = [[AXIS_OF_LETTER[c] for c in current].index(AXIS_OF_LETTER[c]) for c in code]
    flipped = [current[axis] != letter for axis, letter in zip(order, code, strict=True)]

    index_map = np.zeros((4, 4))  # new index -> old index
    index_map[3, 3] = 1.0
    for new_axis, (old_axis, flip) in enumerate(zip(order, flipped, strict=True)):
        index_map[old_axis, new_axis] = -1.0 if flip else 1.0
        index_map[old_axis, 3] = volume.shape_ijk[old_axis] - 1 if flip else 0.0

    array_ijk = volume.array_kji.transpose(2, 1, 0).transpose(order)
    array_ijk = array_ijk[tuple(slice(None, None, -1 if flip else 1) for flip in flipped)]
    array_kji = np.ascontiguousarray(array_ijk.transpose(2, 1, 0))
    return Volume(array_kji, volume.affine_ras @ index_map)


def check_orientation_code(code: str) -> None:
    """Refuse codes that do not name each patient axis once.

    Raises:
        GeometryError: See above.
    """
    if sorted(AXIS_OF_LETTER.get(letter, -1) for letter in code) != [0, 1, 2]:
        raise GeometryError(
            f"{code!r} is not an orientation.",
            hint="Use three letters, one of each pair R/L, A/P and S/I, for example LPS.",
        )


def grid_distance_mm(first: Volume, second: Volume) -> float:
    """Return the largest distance between the same corner voxel on two grids of one shape."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.shape_ijk])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    moved = (first.affine_ras - second.affine_ras) @ corners
    return float(np.linalg.norm(moved[:3], axis=0).max())


def is_same_grid(first: Volume, second: Volume, tolerance_mm: float = GRID_TOLERANCE_MM) -> bool:
    """Tell whether two volumes have the same shape and place every corner voxel alike."""
    same_shape = first.shape_kji == second.shape_kji
    return same_shape and grid_distance_mm(first, second) <= tolerance_mm


def require_same_grid(first: Volume, second: Volume, first_name: str, second_name: str) -> None:
    """Refuse two volumes that do not lie on one grid.

    Raises:
        GeometryError: Shapes, spacings, directions or origins differ; the message names both.
    """
    if is_same_grid(first, second):
        return
    raise GeometryError(
        f"{first_name} and {second_name} do not lie on the same grid: "
        f"{describe_grid(first)} against {describe_grid(second)}.",
        hint="Resample one onto the other, or check that the files belong together.",
    )


def describe_grid(volume: Volume) -> str:
    """Describe a grid in one line for messages."""
    size = "x".join(str(n) for n in volume.shape_ijk)
    origin = _numbers(volume.affine_ras[:3, 3])
    orientation = orientation_code(volume.affine_ras)
    return f"{size} voxels of {_numbers(volume.spacing_mm)} mm, {orientation}, from RAS {origin}"


def _numbers(values: Sequence[float] | NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
