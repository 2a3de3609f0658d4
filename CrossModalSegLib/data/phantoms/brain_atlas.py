"""The healthy brain that every subject is a variation of: ICBM 152, from the files of nilearn.

The tissue maps are those of the MNI ICBM 152 non-linear symmetric atlas of 2009 (Fonov et al. 2011,
DOI 10.1016/j.neuroimage.2010.07.033), which the package nilearn carries. Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.core.errors import InputFileError, MissingDependencyError
from CrossModalSegLib.data.phantoms.brain_lattice import Field, Frame, Lattice
from CrossModalSegLib.data.volume_files import read_label_values

MAP_NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
"""Of T1, GM and WM, in nilearn/datasets/data."""

COARSE_MM = 3.0
"""Spacing of the lattice on which the shape of a person is drawn."""

NILEARN_HINT = "Install nilearn 0.11 to 0.14."

PAD = 4
"""Empty voxels of 1 mm around the atlas, so that nothing continues beyond its border."""

MARGIN_MM = 12.0
"""Kept around the brain: room for a brain that is larger or turned."""

TENTORIUM_NODES = 1.3
"""How gradually the cerebrum ends, since this atlas does not say where; a Gaussian's width."""

VENTRICLE_DEPTH_MM = 12.0
"""Fluid at least this far below the surface of the brain belongs to the ventricles."""


@dataclass(frozen=True, eq=False)
class BrainAtlas:
    """What is known of every place of the average brain.

    Attributes:
        tissue: At 1 mm, the channels CSF, GM and WM; together 1 inside the brain, 0 outside.
        frame: The coarse lattice of the fields below; covers the brain and a margin.
        shares: Of CSF, GM and WM at its nodes, (x, y, z, 3).
        depth_mm: Below the surface of the brain, negative outside.
        ventricle_mm: From the wall of the ventricles, negative inside.
        away: Unit vectors that point away from the ventricles, (x, y, z, 3).
        cerebrum: 1 above the tentorium, 0 in cerebellum and brain stem, between 0 and 1 near it.
    """

    tissue: Lattice
    frame: Frame
    shares: NDArray[np.float32]
    depth_mm: Field
    ventricle_mm: Field
    away: NDArray[np.float32]
    cerebrum: Field


@cache
def load_atlas() -> BrainAtlas:
    """Read the atlas; once a process.

    Raises:
        MissingDependencyError: nilearn is not installed.
        InputFileError: It is, but lacks the maps.
    """
    tissue = _read_tissue()
    frame = _coarse_frame(tissue.frame)
    shares = _resampled(tissue, frame)
    inside = shares.sum(axis=-1) > 0.5
    depth = _distance(inside) - _distance(~inside)
    ventricle = _ventricle_distance(shares[..., 0], depth)
    smooth = ndimage.gaussian_filter(ventricle, 1.0, mode="nearest")
    slope = np.stack([np.gradient(smooth, axis=axis) for axis in range(3)], axis=-1)
    length = np.linalg.norm(slope, axis=-1, keepdims=True)
    away = (slope / np.maximum(length, 1e-3)).astype(np.float32)
    return BrainAtlas(tissue, frame, shares, depth, ventricle, away, _cerebrum(frame))


def _map_path(name: str) -> Path:
    """Find a map without importing nilearn, which takes seconds."""
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "The brain phantom needs the anatomy that the package nilearn carries.",
            hint="Install nilearn.",
        )
    path = Path(spec.submodule_search_locations[0], "datasets", "data", MAP_NAME.format(name))
    if not path.is_file():
        raise InputFileError(
            f"{path} is missing: this nilearn carries no ICBM 152 {name.upper()} map.",
            hint=NILEARN_HINT,
        )
    return path


def _read_tissue() -> Lattice:
    """Read the box of the brain; the files' axes point right, anterior and superior, as ours."""
    t1, gm, wm = (read_label_values(_map_path(name)) for name in ("t1", "gm", "wm"))
    if not all(np.array_equal(grid.affine_ras[:3, :3], np.eye(3)) for grid in (t1, gm, wm)):
        raise InputFileError(
            f"{_map_path('t1')} or its companions lie on another grid than 1 mm along R, A and S.",
            hint=NILEARN_HINT,
        )
    brain = t1.array_kji > 0
    seen = [np.flatnonzero(brain.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(index[0]), int(index[-1]) + 1) for index in seen)
    inside = brain[box].astype(np.float32)
    grey, white = (volume.array_kji[box] * (inside / np.float32(255)) for volume in (gm, wm))
    x, y, z = (len(index) + 2 * PAD for index in seen[::-1])
    shares = np.zeros((x, y, z, 3), dtype=np.float32)
    filled = shares[PAD:-PAD, PAD:-PAD, PAD:-PAD]
    filled[..., 0] = np.maximum(inside - grey - white, 0).T
    filled[..., 1] = grey.T
    filled[..., 2] = white.T
    first = np.array([index[0] for index in seen[::-1]]) - PAD
    right, front, up = t1.affine_ras[:3, 3] + first
    return Lattice(Frame((x, y, z), (float(right), float(front), float(up)), 1.0), shares)


def _coarse_frame(fine: Frame) -> Frame:
    x, y, z = (int(np.ceil((n - 1 + 2 * MARGIN_MM) / COARSE_MM)) + 1 for n in fine.shape)
    first, second, third = (origin - MARGIN_MM for origin in fine.origin_ras)
    return Frame((x, y, z), (first, second, third), COARSE_MM)


def _resampled(tissue: Lattice, frame: Frame) -> NDArray[np.float32]:
    width = (0.4 * COARSE_MM, 0.4 * COARSE_MM, 0.4 * COARSE_MM, 0)
    smooth = ndimage.gaussian_filter(tissue.values, width, truncate=2.0)
    return Lattice(tissue.frame, smooth).at(frame.nodes_ras()).reshape(*frame.shape, 3)


def _distance(inside: NDArray[np.bool_]) -> Field:
    distance: Field = ndimage.distance_transform_edt(inside, sampling=COARSE_MM).astype(np.float32)
    return distance


def _ventricle_distance(fluid: Field, depth_mm: Field) -> Field:
    """Return the distance to the largest body of fluid deep in the brain."""
    deep = (fluid > 0.4) & (depth_mm > VENTRICLE_DEPTH_MM)
    parts, _ = ndimage.label(deep)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    ventricle = parts == sizes.argmax()
    outside: Field = _distance(~ventricle) - _distance(ventricle)
    return outside


def _cerebrum(frame: Frame) -> Field:
    """Tell the brain above the tentorium, a roof whose ridge falls to the sides and to the back."""
    right, front, up = frame.nodes_ras().reshape(3, *frame.shape)
    tentorium = -3 - 0.5 * np.abs(right) - 0.4 * np.maximum(-60 - front, 0)
    cerebellum = (front < -32) & (up < tentorium)
    stem = (np.abs(right) < 18) & (front > -46) & (front < -4) & (up < -8)
    below = cerebellum | stem | (up < -50)
    cerebrum: Field = ndimage.gaussian_filter((~below).astype(np.float32), TENTORIUM_NODES)
    return cerebrum
