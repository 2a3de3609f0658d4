"""Where the frames of an enhanced (multi-frame) DICOM file lie in the patient.

Frames may be stored in any order. SimpleITK gives them in that order, and a wrong place and spacing
unless it is the spatial one, so the places are read from the functional groups here (DICOM PS3.3,
C.7.6.16).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import Affine, affine_from

SPACING_TOLERANCE = 0.1
"""Share of the slice spacing by which the distance of two slices may differ from it."""

DIRECTION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine between frames of one volume."""


@dataclass(frozen=True, kw_only=True)
class FrameLayout:
    """The frames of a file as slices of a volume.

    Attributes:
        order: Index in the file of each slice, in the order of their positions.
        affine_lps: From (column, row, slice) to LPS in mm.
        problem: Why they are no regular volume; "" if they are one.
    """

    order: tuple[int, ...] = ()
    affine_lps: Affine | None = None
    problem: str = ""


def frame_layout(path: Path) -> FrameLayout | None:
    """Return where the frames of a file lie; None if it has no functional groups to say so."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        header = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None
    if "PerFrameFunctionalGroupsSequence" not in header:
        return None
    groups = header.PerFrameFunctionalGroupsSequence
    shared = header.get("SharedFunctionalGroupsSequence", [None])[0]
    try:
        positions = _numbers(groups, shared, "PlanePositionSequence", "ImagePositionPatient")
        turns = _numbers(groups, shared, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacings = _numbers(groups, shared, "PixelMeasuresSequence", "PixelSpacing")
        scales = _scales(groups, shared)
    except (AttributeError, KeyError, TypeError, ValueError):  # left out, empty, no numbers
        return FrameLayout(problem="its frames do not say where they lie")
    if len(scales) > 1:
        return FrameLayout(problem="its frames have intensity scales of their own")
    if np.abs(turns - turns[0]).max() > DIRECTION_TOLERANCE or np.ptp(spacings, axis=0).any():
        return FrameLayout(problem="its frames are turned or spaced differently (several stacks)")
    return _layout(positions, turns[0], spacings[0])


def slice_steps_problem(places_mm: Sequence[float], names: Sequence[str]) -> str:
    """Say which slices are missing, or lie at one place; "" if their distances are even.

    Args:
        places_mm: Rising positions along the normal of the slices, at least two.
        names: What the slices are called in messages.
    """
    steps = np.diff(places_mm)
    usual = float(np.median(steps))
    together = int(np.sum(steps < SPACING_TOLERANCE * max(usual, 1e-3)))
    if together:
        return f"{together + 1} of its slices lie at one place (several time points or contrasts)"
    wrong = np.flatnonzero(np.abs(steps - usual) > SPACING_TOLERANCE * usual)
    if wrong.size:
        at = int(wrong[0])
        return (
            f"slices are missing: they are {usual:.2f} mm apart, but {steps[at]:.2f} mm between "
            f"{names[at]} and {names[at + 1]}"
        )
    return ""


def _layout(
    positions: NDArray[np.float64], turn: NDArray[np.float64], spacing_mm: NDArray[np.float64]
) -> FrameLayout:
    """Sort frames along their normal.

    Args:
        positions: Of the first pixel of each frame, in LPS.
        turn: Direction of rows, then of columns.
        spacing_mm: Between rows, then between columns.
    """
    along_row, along_column = turn[:3], turn[3:]
    normal = np.cross(along_row, along_column)
    places = positions @ normal
    order = [int(frame) for frame in np.argsort(places, kind="stable")]
    if len(order) > 1:
        names = [f"frame {frame + 1}" for frame in order]
        problem = slice_steps_problem(places[order].tolist(), names)
        if problem:
            return FrameLayout(problem=problem)
    directions = np.stack([along_row, along_column, normal], axis=1)
    row_mm, column_mm = spacing_mm.tolist()
    first, last = positions[order[0]], positions[order[-1]]
    affine = affine_from((column_mm, row_mm, 1.0), directions, first.tolist())
    if len(order) > 1:
        affine[:3, 2] = (last - first) / (len(order) - 1)
    return FrameLayout(order=tuple(order), affine_lps=affine)


def _scales(groups: Any, shared: Any) -> set[tuple[float, float]]:
    """Return slopes and intercepts; SimpleITK would use one for all frames."""
    return {
        (float(item.RescaleSlope), float(item.RescaleIntercept))
        for item in _items(groups, shared, "PixelValueTransformationSequence")
        if item is not None
    }


def _numbers(groups: Any, shared: Any, sequence: str, keyword: str) -> NDArray[np.float64]:
    """Return a tag of each frame as (frame, number)."""
    rows = [[float(n) for n in item[keyword].value] for item in _items(groups, shared, sequence)]
    return np.array(rows, dtype=np.float64)


def _items(groups: Any, shared: Any, sequence: str) -> Iterator[Any]:
    """Yield a functional group of each frame: its own, else the one of all; None if neither."""
    common = shared.get(sequence) if shared is not None else None
    for group in groups:
        found = group.get(sequence) or common
        yield found[0] if found else None
