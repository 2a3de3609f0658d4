"""Which plane of a case a picture shows, and how much of it: everything on one grid, cut alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.geometry import reorient, require_same_grid
from CrossModalSegLib.core.tasks import Slicing
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import ORIENTATION_OF_SLICING

MARGIN_MM = 10.0
HEIGHTS_OVER_WIDTH = (0.3, 2.0)
"""Least and most; beyond, there is paper beside the picture."""

Pixels = NDArray[np.float64]
PointRas = tuple[float, float, float]
"""Right, anterior, superior, in mm."""


@dataclass(frozen=True, kw_only=True)
class CaseVolumes:
    """Everything on one grid that a picture of a case shows.

    Attributes:
        case: Its name.
        image: What was segmented; None: pictures have a plain background.
        reference: Label map; None: there is none, and methods are compared with one another.
        predictions: Label maps by method.
    """

    case: str
    image: Volume | None
    reference: Volume | None
    predictions: Mapping[str, Volume]

    def __post_init__(self) -> None:
        """Refuse volumes on different grids, and nothing at all.

        Raises:
            GeometryError: Two volumes do not lie on one grid.
            InputFileError: There is neither a reference nor a prediction.
        """
        volumes = {f"the prediction of {name}": v for name, v in self.predictions.items()}
        if self.image is not None:
            volumes["the image"] = self.image
        if not self.label_maps:
            raise InputFileError(
                f"Case {self.case} has no label map, expected a reference or predictions."
            )
        known = "the reference" if self.reference is not None else next(iter(volumes))
        for name, volume in volumes.items():
            require_same_grid(volume, self.label_maps[0], f"Case {self.case}: {name}", known)

    @property
    def label_maps(self) -> tuple[Volume, ...]:
        """The reference, if there is one, and the predictions."""
        reference = () if self.reference is None else (self.reference,)
        return (*reference, *self.predictions.values())


@dataclass(frozen=True)
class Cut:
    """One plane of everything, cropped: arrays (row, column).

    Attributes:
        image: From 0, black, to 1, white.
        reference: Labels, or None.
        predictions: Labels by method.
        aspect: Height of a pixel over its width.
    """

    image: Pixels
    reference: NDArray[np.integer] | None
    predictions: Mapping[str, NDArray[np.integer]]
    aspect: float

    @property
    def height_over_width(self) -> float:
        """Of the whole cut, in mm; long and thin ones are taken for less so."""
        rows, columns = self.image.shape
        return float(np.clip(rows * self.aspect / columns, *HEIGHTS_OVER_WIDTH))


def cut_case(volumes: CaseVolumes, plane: Slicing, point_ras: PointRas | None = None) -> Cut:
    """Cut a case along a plane as radiologists see it, cropped to what label maps hold there.

    Args:
        volumes: What is cut.
        plane: Of the grid's own planes the one that is nearest to it.
        point_ras: Cut the slice nearest to this point; by default where the reference is largest,
            or, without one, the first prediction that is not empty.
    """
    code = ORIENTATION_OF_SLICING[plane]
    turned = [reorient(volume, code) for volume in volumes.label_maps]
    arrays = [volume.array_kji for volume in turned]
    grid = turned[0]
    index = _largest_slice(arrays) if point_ras is None else _slice_at(grid, point_ras)
    slices = [array[index] for array in arrays]
    spacing = grid.spacing_mm[1], grid.spacing_mm[0]  # rows, columns
    box = _box(slices, spacing)
    if volumes.image is None:
        image = np.zeros(slices[0].shape)
    else:
        image = _windowed(reorient(volumes.image, code).array_kji[index])
    cropped = [labels[box] for labels in slices]
    reference = None if volumes.reference is None else cropped.pop(0)
    return Cut(
        image=image[box],
        reference=reference,
        predictions=dict(zip(volumes.predictions, cropped, strict=True)),
        aspect=spacing[0] / spacing[1],
    )


def _slice_at(grid: Volume, point_ras: PointRas) -> int:
    index_ijk = np.linalg.inv(grid.affine_ras) @ np.array([*point_ras, 1.0])
    return int(np.clip(round(float(index_ijk[2])), 0, grid.shape_kji[0] - 1))


def _largest_slice(arrays: Sequence[NDArray[np.integer]]) -> int:
    """Return the slice with most of the reference, which is the first; else of any prediction."""
    for array in arrays:
        sizes = np.count_nonzero(array, axis=(1, 2))
        if sizes.any():
            return int(sizes.argmax())
    return len(arrays[0]) // 2


def _box(
    slices: Sequence[NDArray[np.integer]], spacing_mm: tuple[float, float]
) -> tuple[slice, slice]:
    """Return rows and columns of what any label map holds, with a margin, as a square in mm."""
    occupied = np.any([labels > 0 for labels in slices], axis=0)
    if not occupied.any():
        return slice(None), slice(None)
    sides = []
    for axis, other in ((0, 1), (1, 0)):
        places = np.flatnonzero(occupied.any(axis=other))
        sides.append((places[0] * spacing_mm[axis], (places[-1] + 1) * spacing_mm[axis]))
    half = max(high - low for low, high in sides) / 2 + MARGIN_MM
    return (
        _side(sides[0], half, spacing_mm[0], occupied.shape[0]),
        _side(sides[1], half, spacing_mm[1], occupied.shape[1]),
    )


def _side(side_mm: tuple[float, float], half_mm: float, spacing_mm: float, size: int) -> slice:
    centre = sum(side_mm) / 2
    start = int(np.floor((centre - half_mm) / spacing_mm))
    stop = int(np.ceil((centre + half_mm) / spacing_mm))
    return slice(max(0, start), min(size, stop))


def _windowed(image: NDArray[np.floating]) -> Pixels:
    low, high = np.percentile(image, [1, 99])
    if high <= low:
        return np.zeros(image.shape)
    return np.asarray(np.clip((image - low) / (high - low), 0, 1), dtype=np.float64)
