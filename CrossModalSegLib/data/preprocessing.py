"""The one way from a volume to a network's slices, and back.

Slices are arrays (slice, row, column), seen as radiologists see them: rows run from anterior to
posterior (axial) or from superior to inferior (coronal, sagittal); columns from the patient's
right to left (axial, coronal) or from anterior to posterior (sagittal); slices from inferior to
superior, anterior to posterior, right to left. Oblique volumes are cut along their own axes, by
the closest anatomical plane: obliqueness is never resampled away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError, GeometryError
from CrossModalSegLib.core.geometry import (
    AXIS_OF_LETTER,
    POSITIVE_LETTERS,
    Affine,
    orientation_code,
    reorient,
)
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Slicing, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule, intensity_rule, scale_intensities
from CrossModalSegLib.data.resampling import AxisMap, PlaneMap, centred_axis_map, largest
from CrossModalSegLib.data.through_plane import (
    needed_slices,
    resample_images,
    resample_labels,
    return_slices,
    slice_axis_map,
)

ORIENTATION_OF_SLICING: dict[Slicing, str] = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}
"""Directions in which columns, rows and slices grow."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How slices are made of volumes: the same for training and for prediction.

    Attributes:
        slicing: Plane of the slices.
        matrix: Rows and columns of a slice, cropped or padded on the volume's centre.
        intensity: How intensities become numbers in [-1, 1].
        spacing_mm: Distance between rows and between columns after resampling within the slice;
            None keeps the volume's own.
        slice_spacing_mm: Distance between slices after resampling across them; None keeps the
            volume's own slices.
        interpolation: Of images, where they are resampled; labels and probabilities are always
            resampled linearly, class by class.
        bias_correction: "n4" evens out the shading of an MR first (`data.bias_field`).
        crop: "foreground" centres the matrix on what is not air, instead of on the volume
            (`data.foreground`).
        further_intensities: The rules of a case's second and further images (`data.channels`).
    """

    slicing: Slicing
    matrix: tuple[int, int]
    intensity: IntensityRule
    spacing_mm: tuple[float, float] | None = None
    interpolation: Literal["linear", "spline"] = "linear"
    bias_correction: Literal["none", "n4"] = "none"
    crop: Literal["none", "foreground"] = "none"
    further_intensities: tuple[IntensityRule, ...] = ()
    slice_spacing_mm: float | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that are not positive.

        Raises:
            ConfigError: See above.
        """
        if min(self.matrix) < 1:
            raise ConfigError(f"matrix is {self.matrix}, expected two positive whole numbers.")
        if self.spacing_mm is not None and not min(self.spacing_mm) > 0:
            raise ConfigError(f"spacing_mm is {self.spacing_mm}, expected two positive numbers.")
        if self.slice_spacing_mm is not None and not self.slice_spacing_mm > 0:
            raise ConfigError(
                f"slice_spacing_mm is {self.slice_spacing_mm}, expected a positive number."
            )

    @property
    def num_channels(self) -> int:
        """Number of images that one case has."""
        return 1 + len(self.further_intensities)

    def of_channel(self, channel: int) -> Preprocessing:
        """Return how one image of a case is prepared, 0 being the first.

        N4 is for MR: a CT beside MR images is left as it is.
        """
        if self.num_channels == 1:
            return self
        rule = (self.intensity, *self.further_intensities)[channel]
        is_hu = rule.kind == "window_hu"
        return replace(
            self,
            intensity=rule,
            further_intensities=(),
            bias_correction="none" if is_hu else self.bias_correction,
        )


def default_preprocessing(
    task: Task,
    modality: Modality,
    *,
    matrix: tuple[int, int],
    spacing_mm: tuple[float, float] | None = None,
) -> Preprocessing:
    """Return the plane of the task and the intensity rule of the modality."""
    return Preprocessing(
        slicing=task.slicing,
        matrix=matrix,
        intensity=intensity_rule(modality),
        spacing_mm=spacing_mm,
    )


def prepare_image(volume: Volume, settings: Preprocessing) -> NDArray[np.float32]:
    """Return the slices (slice, row, column) of an image, in [-1, 1].

    Intensities are scaled by the whole volume, before cropping. Padding has the value of the
    volume's darkest voxels: the lower end of the window, or the lower percentile.

    Raises:
        InputFileError: Voxels are NaN or infinite, the image is constant, or nothing of it lies
            within the window.
    """
    array_kji = volume.array_kji
    if settings.bias_correction == "n4":
        from CrossModalSegLib.data.bias_field import correct_bias_field

        array_kji = correct_bias_field(volume).array_kji
    scaled = volume.with_array(scale_intensities(array_kji, settings.intensity))
    is_window = settings.intensity.kind == "window_hu"
    darkest = -1.0 if is_window else float(scaled.array_kji.min())
    slices = reorient(scaled, ORIENTATION_OF_SLICING[settings.slicing]).array_kji
    is_spline = settings.interpolation == "spline"
    slices = resample_images(slices, _slice_map(volume, settings, is_spline=is_spline))
    prepared = _plane_map(volume, settings, is_spline=is_spline).apply(slices, darkest)
    return np.clip(prepared, -1.0, 1.0, out=prepared)  # weights sum to 1 only up to rounding


def prepare_labels(volume: Volume, settings: Preprocessing) -> NDArray[np.uint8]:
    """Return the slices (slice, row, column) of a label map; padding is background.

    Where slices are resampled, each class is resampled linearly and the largest share wins.
    Give labels the affine of their image (`image.with_array`): two files may place the same grid
    differently by a rounding error, which matters at obliqueness of just 45 degrees.
    """
    slices = reorient(volume, ORIENTATION_OF_SLICING[settings.slicing]).array_kji
    return resample_labels(slices, _plane_map(volume, settings), _slice_map(volume, settings))


def prepared_affine(volume: Volume, settings: Preprocessing) -> Affine:
    """Return the affine from (column, row, slice) of prepared slices to RAS in mm."""
    plane, across = _plane_map(volume, settings), _slice_map(volume, settings)
    axes = (plane.columns, plane.rows, across)
    index_map = np.diag([*(axis.step for axis in axes), 1.0])
    index_map[:3, 3] = [axis.start for axis in axes]
    oriented = reorient(volume, ORIENTATION_OF_SLICING[settings.slicing])
    return np.asarray(oriented.affine_ras @ index_map)


def crop_volume(volume: Volume, settings: Preprocessing) -> Volume:
    """Return the part of an image that is prepared: all of it, or its foreground.

    Everything else here is then done on the grid of this part; `data.foreground.paste` brings a
    result back to the whole grid.
    """
    if settings.crop == "none":
        return volume
    from CrossModalSegLib.data.foreground import crop_to_foreground

    return crop_to_foreground(volume, is_ct=settings.intensity.kind == "window_hu")


def restore_probabilities(
    probabilities: Iterable[NDArray[np.floating]],
    grid: Volume,
    settings: Preprocessing,
    *,
    slices: range | None = None,
) -> Volume:
    """Turn the probabilities of prepared slices into labels on the volume's own grid.

    Each class is resampled linearly and the most probable one wins (ties: the lower value), slice
    by slice, so that beside the labels only one slice is in memory. Without resampling this is
    exact. What the network did not see is background.

    Args:
        probabilities: One array (class, row, column) a slice: an array (slice, class, row,
            column), or anything that yields the slices in order.
        grid: The volume that was prepared; only its geometry counts.
        settings: As it was prepared.
        slices: Those that the probabilities are of; the others are background. None: all.

    Raises:
        GeometryError: Number or size of the slices do not fit the volume.
    """
    labels = empty_slices(grid, settings, np.dtype(np.uint8))
    for index, shares in restore_shares(probabilities, grid, settings, slices=slices):
        labels[index] = largest(shares)
    return return_to_grid(labels, grid, settings)


def restore_map(
    values: Iterable[NDArray[np.floating]],
    grid: Volume,
    settings: Preprocessing,
    *,
    outside: float = 0.0,
    slices: range | None = None,
) -> Volume:
    """Bring any number a pixel (one class' probability, an uncertainty) to the volume's own grid.

    Args:
        values: One array (row, column) a slice: an array (slice, row, column) or an iterable.
        grid: The volume that was prepared; only its geometry counts.
        settings: As it was prepared.
        outside: Value where the network saw nothing.
        slices: Those that the values are of. None: all.

    Raises:
        GeometryError: Number or size of the slices do not fit the volume.
    """
    restored = empty_slices(grid, settings, np.dtype(np.float32))
    restored[...] = outside
    for index, entry in restore_shares(values, grid, settings, outside=outside, slices=slices):
        restored[index] = entry
    return return_to_grid(restored, grid, settings)


def restore_shares(
    slices_of_shares: Iterable[NDArray[np.floating]],
    grid: Volume,
    settings: Preprocessing,
    *,
    outside: float = 0.0,
    slices: range | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the index of each slice of the volume and its values (..., row, column) there.

    Args:
        slices_of_shares: One array (..., row, column) a prepared slice, in order.
        grid: The volume that was prepared; only its geometry counts.
        settings: As it was prepared.
        outside: Value where the network saw nothing.
        slices: Those that are given; slices of the volume that need others are left out. None: all.

    Raises:
        GeometryError: Number or size of the slices do not fit the volume.
    """
    plane, across = _plane_map(grid, settings), _slice_map(grid, settings)
    wanted = range(across.size_out) if slices is None else slices
    checked = _checked(slices_of_shares, wanted, settings)
    own_rows = (plane.apply_back(shares, outside) for shares in checked)
    yield from return_slices(own_rows, across, wanted)


def empty_slices(grid: Volume, settings: Preprocessing, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros (slice, row, column) in the size of the volume's own slices."""
    return np.zeros((_depth(grid, settings), *_plane_map(grid, settings).shape_in), kind)


def return_to_grid(array: NDArray[Any], grid: Volume, settings: Preprocessing) -> Volume:
    """Turn slices (slice, row, column) of the volume's own size back to its axes.

    By the letters, not by the affine of the slices: at obliqueness of 45 degrees that would be
    named otherwise than it was made.
    """
    upright = np.eye(4)
    for axis, letter in enumerate(ORIENTATION_OF_SLICING[settings.slicing]):
        upright[:3, axis] = 0.0
        upright[AXIS_OF_LETTER[letter], axis] = 1.0 if letter in POSITIVE_LETTERS else -1.0
    returned = reorient(Volume(array, upright), orientation_code(grid.affine_ras))
    return grid.with_array(returned.array_kji)


def slices_that_meet(mask: Volume, settings: Preprocessing) -> range:
    """Return the prepared slices from the first to the last that tell of a voxel of a mask."""
    oriented = reorient(mask, ORIENTATION_OF_SLICING[settings.slicing]).array_kji
    hit = np.flatnonzero(oriented.any(axis=(1, 2)))
    own = range(int(hit[0]), int(hit[-1]) + 1) if hit.size else range(0)
    return needed_slices(own, _slice_map(mask, settings))


def _checked(
    entries: Iterable[NDArray[np.floating]], wanted: range, settings: Preprocessing
) -> Iterator[NDArray[np.float32]]:
    """Yield the slices as float32; refuse more, fewer or others than expected."""
    count = 0
    for count, entry in enumerate(entries, start=1):
        if count > len(wanted):
            break
        if entry.shape[-2:] != settings.matrix:
            raise _misfit(f"a slice of shape {entry.shape}", settings.matrix)
        yield np.asarray(entry, np.float32)
    if count != len(wanted):
        got = "more slices" if count > len(wanted) else f"{count} slices"
        raise _misfit(got, len(wanted))


def _misfit(got: str, expected: object) -> GeometryError:
    return GeometryError(
        f"Prediction and volume do not fit together: got {got}, expected {expected}.",
        hint="Restore with the volume and the settings that the slices were prepared with.",
    )


def _axis_order(grid: Volume, settings: Preprocessing) -> list[int]:
    """Return which of the volume's axes (i, j, k) run along columns, rows and slices."""
    patient_axes = [AXIS_OF_LETTER[letter] for letter in orientation_code(grid.affine_ras)]
    code = ORIENTATION_OF_SLICING[settings.slicing]
    return [patient_axes.index(AXIS_OF_LETTER[letter]) for letter in code]


def _depth(grid: Volume, settings: Preprocessing) -> int:
    return grid.shape_ijk[_axis_order(grid, settings)[2]]


def _slice_map(grid: Volume, settings: Preprocessing, *, is_spline: bool = False) -> AxisMap:
    """Return where prepared slices lie among those of the reoriented volume."""
    slice_axis = _axis_order(grid, settings)[2]
    size, own_mm = grid.shape_ijk[slice_axis], grid.spacing_mm[slice_axis]
    return slice_axis_map(size, own_mm, settings.slice_spacing_mm, is_spline=is_spline)


def _plane_map(grid: Volume, settings: Preprocessing, *, is_spline: bool = False) -> PlaneMap:
    """Return where prepared rows and columns lie in the reoriented volume."""
    column_axis, row_axis, _ = _axis_order(grid, settings)
    own_mm = grid.spacing_mm[row_axis], grid.spacing_mm[column_axis]
    height, width = settings.matrix
    row_mm, column_mm = settings.spacing_mm or own_mm
    return PlaneMap(
        rows=centred_axis_map(
            grid.shape_ijk[row_axis], height, row_mm / own_mm[0], is_spline=is_spline
        ),
        columns=centred_axis_map(
            grid.shape_ijk[column_axis], width, column_mm / own_mm[1], is_spline=is_spline
        ),
    )
