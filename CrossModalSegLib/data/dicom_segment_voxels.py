"""Voxels of DICOM segmentations (SEG) on the grid of the series that they were drawn on.

Each frame is placed by its own position and orientation, so that frames may be few, in any order,
and turned or mirrored against the series'. Nothing is resampled: a frame that does not lie on the
series' voxels is an error.

Fractional segmentations hold what is at least half probable, or at least half filled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import Affine, describe_grid, ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_files import dicom_dataset, frame_item, read_frames
from CrossModalSegLib.data.structures import Indices

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SAME_VOXEL = 0.1
"""Share of a voxel by which a header may place one beside the series' own, through rounding."""

FRACTIONAL_NOTE = "its segmentation holds fractions; voxels of at least one half count"


def segmentation_voxels(
    path: Path, numbers: Collection[int], grid: Volume
) -> Iterator[tuple[int, Indices]]:
    """Yield voxels of the segments `numbers`, frame by frame: the segment's number and indices.

    Raises:
        InputFileError: The file is damaged.
        GeometryError: A frame does not lie on the voxels of `grid`, or holds some beyond it.
    """
    with dicom_dataset(path) as dataset:
        count = int(dataset.get("NumberOfFrames", 1))
        places = [_FramePlace(dataset, frame, grid, path) for frame in range(count)]
        of_frame = _segment_of_frame(dataset, count)
        half = int(dataset.get("MaximumFractionalValue", 1)) / 2
        is_fractional = dataset.SegmentationType == "FRACTIONAL"
    frames = [n for n in range(count) if of_frame is None or of_frame[n] in numbers]
    for frame, pixels in zip(frames, read_frames(path, frames), strict=True):
        if of_frame is None:  # a label map: values are the segments' numbers
            for number in sorted(set(numbers) & set(np.unique(pixels).tolist())):
                yield number, places[frame].indices(pixels == number)
        else:
            mask = pixels >= half if is_fractional else pixels > 0
            yield of_frame[frame], places[frame].indices(mask)


def segmentation_notes(path: Path) -> list[str]:
    """Return what users should know of a segmentation.

    Raises:
        InputFileError: The file is damaged.
    """
    with dicom_dataset(path) as dataset:
        return [FRACTIONAL_NOTE] if dataset.SegmentationType == "FRACTIONAL" else []


def _segment_of_frame(dataset: Dataset, count: int) -> list[int] | None:
    """Return the number of each frame's segment; None if a frame holds several, as a label map."""
    if dataset.SegmentationType == "LABELMAP":
        return None
    return [
        int(frame_item(dataset, n, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        for n in range(count)
    ]


class _FramePlace:
    """Where the pixels of a frame lie on a grid: whole steps along its axes.

    Raises:
        GeometryError: They lie between its voxels.
    """

    def __init__(self, dataset: Dataset, frame: int, grid: Volume, path: Path) -> None:
        self._grid, self._path, self._frame = grid, path, frame
        to_index = np.linalg.inv(ras_to_lps(grid.affine_ras)) @ _plane_affine(dataset, frame)
        self._map = np.rint(to_index).astype(np.intp)
        corners = np.array(
            [[c, r, 0, 1] for c in (0, dataset.Columns - 1) for r in (0, dataset.Rows - 1)]
        )
        beside = np.abs((to_index - self._map) @ corners.T)[:3].max()
        steps = np.abs(self._map[:3, :2])
        is_turned = (steps.sum(axis=0) == 1).all() and steps.sum(axis=1).max() == 1
        if beside > SAME_VOXEL or not is_turned:
            raise GeometryError(
                f"{path}: frame {frame + 1} does not lie on the voxels of its series: it begins at "
                f"voxel ({', '.join(f'{n:.2f}' for n in to_index[:3, 3])}) of a grid of "
                f"{describe_grid(grid)}.",
                hint="Use the segmentation with the series that it was drawn on, or resample it.",
            )

    def indices(self, mask: NDArray[np.bool_]) -> Indices:
        """Return the indices (k, j, i) on the grid of the pixels that a mask holds.

        Raises:
            GeometryError: Some are beyond the grid.
        """
        rows, columns = np.nonzero(mask)
        i, j, k = (
            step_c * columns + step_r * rows + start for step_c, step_r, _, start in self._map[:3]
        )
        for index, size in zip((i, j, k), self._grid.shape_ijk, strict=True):
            outside = int(((index < 0) | (index >= size)).sum())
            if outside:
                raise GeometryError(
                    f"{self._path}: {outside} voxels of frame {self._frame + 1} lie outside the "
                    f"series' {'x'.join(map(str, self._grid.shape_ijk))} voxels.",
                    hint="Export the whole series that the segmentation was drawn on.",
                )
        return k, j, i


def _plane_affine(dataset: Dataset, frame: int) -> Affine:
    """Return the affine from (column, row, 0) of a frame to LPS in mm."""
    position = frame_item(dataset, frame, "PlanePositionSequence").ImagePositionPatient
    turned = frame_item(dataset, frame, "PlaneOrientationSequence").ImageOrientationPatient
    between_rows, between_columns = frame_item(dataset, frame, "PixelMeasuresSequence").PixelSpacing
    directions = np.array(turned, dtype=np.float64).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, 0] = directions[0] * float(between_columns)
    affine[:3, 1] = directions[1] * float(between_rows)
    affine[:3, 2] = 0.0
    affine[:3, 3] = np.array(position, dtype=np.float64)
    return affine
