"""Several images of one case as the channels of its slices, on the grid of the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import (
    describe_grid,
    is_same_grid,
    orientation_code,
    reorient,
)
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.foreground import same_part
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import Preprocessing, crop_volume, prepare_image
from CrossModalSegLib.data.resampling import SIGMA_PER_FWHM

_HALF_VOXEL = 0.5 + 1e-4
"""A voxel reaches this far from its centre; rounding must not drop the outer ones."""


def combine_preprocessing(settings: Sequence[Preprocessing]) -> Preprocessing:
    """Return how a case of several images is prepared.

    Args:
        settings: Of each image; of the second and further ones only the intensity rule counts.
    """
    rules: tuple[IntensityRule, ...] = tuple(entry.intensity for entry in settings[1:])
    return replace(settings[0], further_intensities=rules)


def on_grid_of_first(images: Sequence[Volume]) -> tuple[Volume, ...]:
    """Return the images of a case on the first one's grid.

    Raises:
        GeometryError: An image does not meet the first one at all.
    """
    return (images[0], *(resample_to_grid(image, images[0]) for image in images[1:]))


def crop_images(images: Sequence[Volume], settings: Preprocessing) -> tuple[Volume, ...]:
    """Return the part of images on one grid that is prepared; the first one says which."""
    part = crop_volume(images[0], settings)
    return (part, *(same_part(image, part) for image in images[1:]))


def prepare_images(images: Sequence[Volume], settings: Preprocessing) -> NDArray[np.float32]:
    """Return the slices (slice, channel, row, column) of images on one grid, in [-1, 1].

    Each image gets the intensity rule of its channel.

    Raises:
        InputFileError: Voxels are NaN or infinite, an image is constant, or nothing of it lies
            within its window.
    """
    first = prepare_image(images[0], settings.of_channel(0))
    if len(images) == 1:
        return first[:, np.newaxis]
    depth, height, width = first.shape
    slices = np.empty((depth, len(images), height, width), np.float32)
    slices[:, 0] = first
    for channel, image in enumerate(images[1:], start=1):
        slices[:, channel] = prepare_image(image, settings.of_channel(channel))
    return slices


def resample_to_grid(volume: Volume, grid: Volume) -> Volume:
    """Return an image on another grid, as float32; unchanged where both are the same grid.

    Linear interpolation. Where the grid is coarser the image is first smoothed, as slices are
    (`data.resampling`). Voxels reach half their size from their centres; beyond the image there is
    its minimum, which intensity rules take for surroundings.

    Args:
        volume: Any orientation, spacing and size.
        grid: Only its geometry counts.

    Raises:
        GeometryError: They have no place in common.
    """
    turned = reorient(volume, orientation_code(grid.affine_ras))
    if is_same_grid(turned, grid):
        return grid.with_array(turned.array_kji)
    from scipy import ndimage

    array = volume.array_kji.astype(np.float32)
    matrix, offset = _index_map(grid, volume)
    inside = _inside(matrix, offset, grid.shape_kji, array.shape)
    if not inside.any():
        raise GeometryError(
            f"Two images of one case have no place in common: {describe_grid(grid)}, and "
            f"{describe_grid(volume)}.",
            hint="Check that they are of one patient and one session, and registered.",
        )
    steps = np.linalg.norm(matrix, axis=1)
    sigmas = np.sqrt(np.maximum(steps**2 - 1.0, 0.0)) * SIGMA_PER_FWHM
    lowest = array.min()
    if sigmas.max() > 0.05:
        array = ndimage.gaussian_filter(array, sigmas, mode="nearest")
    resampled = ndimage.affine_transform(
        array, matrix, offset, output_shape=grid.shape_kji, order=1, mode="nearest"
    )
    return grid.with_array(np.where(inside, resampled, lowest))


def _index_map(grid: Volume, volume: Volume) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix and offset from voxel indices (k, j, i) of a grid to those of a volume."""
    index_map = np.asarray(np.linalg.solve(volume.affine_ras, grid.affine_ras), np.float64)
    return index_map[2::-1, 2::-1], index_map[2::-1, 3]


def _inside(
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape_kji: tuple[int, int, int],
    shape_in: tuple[int, ...],
) -> NDArray[np.bool_]:
    """Tell which voxels of a grid have their centres within a volume, a slice at a time."""
    depth, height, width = shape_kji
    inside = np.ones(shape_kji, dtype=bool)
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(width)
    for (along_k, along_j, along_i), start, size in zip(matrix, offset, shape_in, strict=True):
        plane = start + along_j * rows + along_i * columns
        for index in range(depth):
            position = plane + along_k * index
            inside[index] &= (position >= -_HALF_VOXEL) & (position <= size - 1 + _HALF_VOXEL)
    return inside
