"""Pairs of masks to compare implementations of metrics on: made by hand, and by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]

SPACINGS_KJI = ((1.0, 1.0, 1.0), (5.0, 0.7, 0.7), (2.5, 1.3, 0.4), (0.3, 3.0, 1.0))


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Two masks that hold voxels, and their spacing.

    Attributes:
        kind: How they were made.
    """

    kind: str
    prediction: Mask
    reference: Mask
    spacing_kji: tuple[float, float, float]


def mask_pairs(count: int, seed: int = 0) -> Iterator[MaskPair]:
    """Yield pairs: first those made by hand, with every spacing, then random ones."""
    generator = np.random.default_rng(seed)
    by_hand = [
        MaskPair(kind, *masks, spacing)
        for kind, masks in _hand_made().items()
        for spacing in SPACINGS_KJI
    ]
    yield from by_hand[:count]
    for index in range(count - len(by_hand)):
        yield _random_pair(generator, tuple(_RANDOM)[index % len(_RANDOM)])


def _hand_made() -> dict[str, tuple[Mask, Mask]]:
    shape = (9, 10, 11)
    nothing = np.zeros(shape, dtype=bool)

    def box(*sides: slice) -> Mask:
        mask = nothing.copy()
        mask[sides] = True
        return mask

    cube = box(slice(2, 7), slice(2, 7), slice(2, 7))
    hollow = cube & ~box(slice(4, 5), slice(4, 5), slice(4, 5))
    corner = box(slice(0, 1), slice(0, 1), slice(0, 1))
    chequered = np.indices(shape).sum(axis=0) % 2 == 0
    return {
        "identical": (cube, cube),
        "moved": (cube, np.roll(cube, 2, axis=0)),
        "one voxel each": (corner, np.flip(corner).copy()),
        "one voxel against everything": (corner, ~nothing),
        "everything twice": (~nothing, ~nothing),
        "nested": (box(slice(3, 6), slice(3, 6), slice(3, 6)), cube),
        "with a hole": (hollow, cube),
        "apart": (box(slice(0, 3)), box(slice(6, 9))),
        "plane and line": (box(slice(4, 5)), box(slice(None), slice(5, 6), slice(5, 6))),
        "chequered": (chequered, ~chequered),
        "with a far voxel": (cube | np.flip(corner), cube),
        "one slice": (cube[4:5], np.roll(cube, 1, axis=1)[4:5]),
    }


def _random_pair(generator: np.random.Generator, kind: str) -> MaskPair:
    shape = tuple(int(size) for size in generator.integers(3, 12, size=3))
    prediction, reference = _RANDOM[kind](generator, shape)
    for mask in (prediction, reference):
        if not mask.any():
            mask[tuple(int(generator.integers(size)) for size in shape)] = True
    spacing = SPACINGS_KJI[int(generator.integers(len(SPACINGS_KJI)))]
    return MaskPair(kind, prediction, reference, spacing)


def _noise(generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    density = generator.choice([0.02, 0.2, 0.6, 0.95])
    first, second = generator.random((2, *shape)) < density
    return first, second


def _blobs(generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    shared, *own = ndimage.gaussian_filter(generator.random((3, *shape)), (0, 1.5, 1.5, 1.5))
    fields = [shared + own[0] / 2, shared + own[1] / 2]
    quantile = generator.uniform(0.4, 0.9)
    first, second = (field > np.quantile(field, quantile) for field in fields)
    return first, second


def _balls(generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    indices: NDArray[Any] = np.indices(shape).reshape(3, -1).T
    masks = []
    for _ in range(2):
        centre = generator.uniform(0, np.array(shape) - 1)
        radius = generator.uniform(1, max(shape) / 2)
        masks.append((np.linalg.norm(indices - centre, axis=1) <= radius).reshape(shape))
    return masks[0], masks[1]


def _flipped(generator: np.random.Generator, shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    first, _ = _blobs(generator, shape)
    changed = generator.random(shape) < 0.03
    return first, first ^ changed


_RANDOM = {"noise": _noise, "blobs": _blobs, "balls": _balls, "flipped voxels": _flipped}
