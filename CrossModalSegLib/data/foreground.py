"""Where the patient is in an image, and cropping to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.volume import Volume

BODY_HU = -500.0
"""Between air and fat."""

MARGIN_MM = 5.0

_THRESHOLD_SAMPLE = 2**18
_HISTOGRAM_BINS = 256


def foreground_threshold(array_kji: NDArray[Any], *, is_ct: bool) -> float:
    """Return the intensity above which voxels show the patient.

    -500 HU in CT. Elsewhere Otsu's two classes (IEEE Trans. SMC 1979) of the voxels above the
    minimum, and a quarter of the way from the mean of the dark one to that of the bright one, which
    keeps dark tissue; the minimum itself where the image was stripped to it.
    """
    if is_ct:
        return BODY_HU
    flat = array_kji.reshape(-1)[:: max(1, array_kji.size // _THRESHOLD_SAMPLE)]
    minimum = float(flat.min())
    inside = flat[flat > minimum]
    if inside.size < flat.size * 0.7 or inside.size == 0:  # a wide plain border was stripped
        return minimum
    bright = inside > _otsu(inside)
    if bright.all() or not bright.any():
        return minimum
    dark_mean = float(inside[~bright].mean())
    return dark_mean + (float(inside[bright].mean()) - dark_mean) / 4


def foreground(volume: Volume, *, is_ct: bool) -> NDArray[np.bool_]:
    """Return the largest connected part of what is brighter than air."""
    from scipy import ndimage

    mask = volume.array_kji > foreground_threshold(volume.array_kji, is_ct=is_ct)
    parts, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def crop_to_foreground(volume: Volume, *, is_ct: bool) -> Volume:
    """Return the part of an image within the box of its foreground and a margin of 5 mm."""
    mask = foreground(volume, is_ct=is_ct)
    if not mask.any():
        return volume
    box = []
    for axis, spacing in enumerate(reversed(volume.spacing_mm)):
        others = tuple(n for n in range(3) if n != axis)
        found = np.flatnonzero(mask.any(axis=others))
        margin = round(MARGIN_MM / spacing)
        box.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + 1 + margin))
    return crop(volume, (box[0], box[1], box[2]))


def crop(volume: Volume, box_kji: tuple[slice, slice, slice]) -> Volume:
    """Return a part of a volume, at its place in the patient."""
    affine = volume.affine_ras.copy()
    starts = [part.start or 0 for part in reversed(box_kji)]
    affine[:3, 3] = (volume.affine_ras @ [*starts, 1.0])[:3]
    return Volume(volume.array_kji[box_kji], affine)


def paste(part: Volume, grid: Volume, fill: float = 0) -> Volume:
    """Put a part that `crop` cut out back onto the whole grid, with `fill` around it."""
    if part.shape_kji == grid.shape_kji:
        return grid.with_array(part.array_kji)
    offset = np.linalg.solve(grid.affine_ras, part.affine_ras[:, 3])
    i, j, k = (int(n) for n in np.rint(offset[:3]))
    depth, height, width = part.shape_kji
    whole = np.full(grid.shape_kji, fill, part.array_kji.dtype)
    whole[k : k + depth, j : j + height, i : i + width] = part.array_kji
    return grid.with_array(whole)


def same_part(labels: Volume, part: Volume) -> Volume:
    """Return the part of a volume on the whole grid that `part` is of it."""
    offset = np.linalg.solve(labels.affine_ras, part.affine_ras[:, 3])
    i, j, k = (int(n) for n in np.rint(offset[:3]))
    depth, height, width = part.shape_kji
    cut = labels.array_kji[k : k + depth, j : j + height, i : i + width]
    return part.with_array(cut)


def _otsu(values: NDArray[Any]) -> float:
    """Return the threshold that parts values into two classes of least variance."""
    counts, edges = np.histogram(values, _HISTOGRAM_BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(between))])
