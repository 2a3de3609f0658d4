"""What fills each voxel of a brain with a tumour: shares of materials and of labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.anatomy import Points
from CrossModalSegLib.data.phantoms.brain_anatomy import Brain, Channel
from CrossModalSegLib.data.phantoms.brain_lattice import Lattice, Rows
from CrossModalSegLib.data.phantoms.brain_signal import Material
from CrossModalSegLib.data.phantoms.brain_tumour import Tumour, TumourLabel, TumourShares
from CrossModalSegLib.data.phantoms.grid import PhantomGrid, sample_offsets

FINEST_SAMPLING_MM = 1.25
"""Voxels are averaged from samples at most this far apart,"""

MOST_SAMPLES = 4
"""but from no more than this many along an axis, which suffices for the mean of a thick voxel."""

POINTS_PER_CHUNK = 32_768
"""Keeps the working arrays of one chunk within a processor's cache."""

REST = len(Material)
"""Row of the texture, behind those of the materials; behind it the labels' rows."""

ROWS = REST + 1 + len(TumourLabel)

HEALTHY_ROWS = [Material.CSF, Material.GM, Material.WM, Material.VESSEL, Material.ED]
"""What each of `Healthy` is made of."""

GREY_AT_EDGE, GREY_INSIDE, GREY_DEPTH_MM = 0.15, 0.9, 25.0
"""Share of grey matter that oedema takes at its edge, at most, and how far inside it gets there."""

DENSITY_AT_EDGE, DENSITY_DEPTH_MM = 0.7, 30.0
"""Share of oedema in tissue that has it, at its edge, and how far inside it would have doubled."""

MIXED = 0.08
"""Share of other tissue in the core, on average."""


@dataclass(frozen=True, eq=False)
class Filling:
    """What fills the voxels of the brain.

    Attributes:
        voxels: (n,) indices into the flattened (k, j, i) array.
        centres_ras: (3, n) their centres.
        materials: (n, materials) shares; what they lack to 1 has no signal.
        texture: (n,) noise of about mean 0 and variance 1 within tissues.
        label_shares: (n, 4) of no tumour, NCR, ED, ET.
    """

    voxels: NDArray[np.intp]
    centres_ras: Points
    materials: Rows
    texture: NDArray[np.float32]
    label_shares: Rows


def fill_voxels(
    brain: Brain, tumour: Tumour, grid: PhantomGrid, affine_ras: NDArray[np.float64]
) -> Filling:
    """Average samples of the subject in each voxel, a bounded number of them at a time.

    Voxels of which less than half is brain are left out, as skull-stripping does.
    """
    counts = _samples_ijk(grid)
    offsets = sample_offsets(counts)
    width_mm = float(np.prod(np.array(grid.spacing_mm) / counts) ** (1 / 3))
    reach_mm = float(np.linalg.norm(grid.spacing_mm))
    linear = affine_ras[:3, :3]
    steps = (linear @ offsets).astype(np.float32)
    nowhere = np.zeros(0, dtype=np.intp), np.zeros((3, 0), np.float32)
    parts = [(*nowhere, np.zeros((0, ROWS), np.float32))]
    for voxels, centres in _near_brain(brain, grid, affine_ras, reach_mm):
        points = (centres[:, np.newaxis, :] + steps[:, :, np.newaxis]).reshape(3, -1)
        rows = _sampled(brain, tumour, brain.to_head(points), width_mm)
        rows = rows.reshape(ROWS, steps.shape[1], -1).mean(axis=1).T
        is_brain = rows[:, :REST].sum(axis=1) > 0.5
        parts.append((voxels[is_brain], centres[:, is_brain], rows[is_brain]))
    rows = np.concatenate([part[2] for part in parts])
    labels = rows[:, REST + 1 :]
    return Filling(
        voxels=np.concatenate([part[0] for part in parts]),
        centres_ras=np.concatenate([part[1] for part in parts], axis=1),
        materials=rows[:, :REST],
        texture=rows[:, REST],
        label_shares=np.column_stack([1 - labels.sum(axis=1), labels]),
    )


def _samples_ijk(grid: PhantomGrid) -> tuple[int, int, int]:
    i, j, k = (min(int(np.ceil(s / FINEST_SAMPLING_MM)), MOST_SAMPLES) for s in grid.spacing_mm)
    return i, j, k


def _near_brain(
    brain: Brain, grid: PhantomGrid, affine_ras: NDArray[np.float64], reach_mm: float
) -> Iterator[tuple[NDArray[np.intp], Points]]:
    """Yield runs of the voxels that may hold brain: flat indices and centres."""
    step = max(1, POINTS_PER_CHUNK // int(np.prod(_samples_ijk(grid))))
    count = int(np.prod(grid.shape_kji))
    depth = Lattice(brain.person.frame, brain.person.values[..., Channel.DEPTH :])
    for start in range(0, count, 8 * step):
        run = np.arange(start, min(start + 8 * step, count))
        index_kji = np.unravel_index(run, grid.shape_kji)
        places = affine_ras[:3, :3] @ np.stack(index_kji[::-1]) + affine_ras[:3, 3:]
        centres: Points = places.astype(np.float32)
        is_near = depth.at(brain.to_head(centres))[:, 0] > -(reach_mm / 2 + 2)
        voxels, near = run[is_near], centres[:, is_near]
        for first in range(0, voxels.size, step):
            yield voxels[first : first + step], near[:, first : first + step]


def _sampled(brain: Brain, tumour: Tumour, points_head: Points, width_mm: float) -> Rows:
    """Return the rows (materials, texture, labels) of each point, (rows, n)."""
    fields = brain.fields_at(points_head)
    rows = np.zeros((ROWS, points_head.shape[1]), dtype=np.float32)
    rows[HEALTHY_ROWS] = brain.tissues_at(points_head, fields)
    rows[REST] = fields[:, Channel.TEXTURE]
    (near,) = np.nonzero(tumour.is_near(points_head))
    shares = tumour.shares_at(points_head[:, near], width_mm)
    is_touched = shares.oedema + shares.core > 0
    touched, shares = near[is_touched], shares.only(is_touched)
    outside_ventricle = np.clip(1 + fields[touched, Channel.VENTRICLE] / 2, 0, 1)
    rows[:, touched] = _with_tumour(rows[:, touched], shares, tumour, outside_ventricle)
    return rows


def _with_tumour(
    rows: NDArray[np.float32],
    shares: TumourShares,
    tumour: Tumour,
    outside_ventricle: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the rows of points in a tumour.

    Oedema takes white matter and, deep inside, grey matter, but no fluid; the core takes everything
    but the ventricles.
    """
    depth, texture = shares.depth_mm, shares.texture
    fluid_kept = rows[Material.CSF] * (1 - outside_ventricle)
    core = shares.core * (rows[:REST].sum(axis=0) - fluid_kept)
    necrosis = core * (shares.necrosis / np.maximum(shares.core, np.float32(1e-6)))
    left = 1 - shares.core
    tissue = rows[:REST] * left
    tissue[Material.CSF] += shares.core * fluid_kept
    taken = np.zeros((REST, 1), dtype=np.float32) * depth
    taken[Material.WM] = taken[Material.ED] = 1
    taken[Material.GM] = np.clip(GREY_AT_EDGE + depth / GREY_DEPTH_MM, 0, GREY_INSIDE)
    share = shares.oedema / np.maximum(left, np.float32(1e-6))
    taken *= share * tissue
    oedema = taken.sum(axis=0)
    density = np.clip(DENSITY_AT_EDGE + depth / DENSITY_DEPTH_MM + 0.1 * texture, 0.4, 1)
    changed = np.zeros_like(rows)
    changed[:REST] = tissue - taken * density
    changed[Material.ED] += oedema * density
    mixed = np.clip(MIXED + MIXED * texture, 0, 0.5)
    enhancing = core - necrosis
    changed[Material.ET] = enhancing * (1 - mixed)
    is_solid = tumour.plan.kind == "non_enhancing"
    changed[Material.NET if is_solid else Material.NCR] = necrosis * (1 - mixed)
    changed[Material.ED if is_solid else Material.NET] += (enhancing + necrosis) * mixed
    changed[REST] = rows[REST]
    for label, share_of in zip(TumourLabel, (necrosis, oedema, enhancing), strict=True):
        changed[REST + label] = share_of
    return changed
