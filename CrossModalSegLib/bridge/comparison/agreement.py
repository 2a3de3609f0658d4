"""Where methods do not say the same: a map of it, and the slices in which it is largest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.structure_jumps import slice_axis
from CrossModalSegLib.bridge.planes import Orientation
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume

ALL = ""
"""Stands for all methods, or for all structures."""

Profile = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Differing voxels in each slice along i, j and k."""

Labels = NDArray[np.uint8]
_Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Where methods differ, from one another or from a reference.

    Attributes:
        percent: uint8 (k, j, i) on the volume's grid. Without a reference: the share of pairs of
            methods that label the voxel differently. With one: the share of methods that label it
            otherwise than the reference.
        is_against_reference: Which of the two.
        profiles: By method and structure (either may be `ALL`), summed over each slice: voxels
            that the method labels otherwise than the reference or, without one, than each of the
            other methods. Voxels count once for every method that they differ from.
    """

    percent: Volume
    is_against_reference: bool
    profiles: Mapping[tuple[str, str], Profile]

    def largest_slice(
        self, orientation: Orientation, *, method: str = ALL, structure: str = ALL
    ) -> int | None:
        """Return the slice in which a method differs most; None if it differs nowhere.

        Args:
            orientation: Of the slices.
            method: Name; `ALL`: all of them together.
            structure: Name of a region of the task; `ALL`: whatever the label.

        Returns:
            Index along the voxel axis that is nearest to the normal of the slices.
        """
        axis = slice_axis(self.percent.affine_ras, orientation)
        profile = self.profiles[method, structure][axis]
        return int(profile.argmax()) if profile.any() else None

    @property
    def differing_ml(self) -> float:
        """Volume of all voxels that not everybody labels alike."""
        return float(np.count_nonzero(self.percent.array_kji)) * self.percent.voxel_ml


def measure_disagreement(
    methods: Mapping[str, Labels], reference: Labels | None, task: Task, grid: Volume
) -> Disagreement:
    """Compare label maps of one volume, voxel by voxel.

    Args:
        methods: Label maps (k, j, i) by name; two or more, or one and a reference.
        reference: What is held to be true; None: methods are compared with one another.
        task: Its regions are the structures.
        grid: Place of the label maps.
    """
    everything = [*methods.values(), *([] if reference is None else [reference])]
    box = _occupied(everything)
    inside = {name: labels[box] for name, labels in methods.items()}
    truth = None if reference is None else reference[box]
    percent = np.zeros(grid.shape_kji, np.uint8)
    percent[box] = _percent([*inside.values()], truth)
    profiles: dict[tuple[str, str], Profile] = {}
    values: dict[str, tuple[int, ...] | None] = {ALL: None}
    values |= {region.name: region.values for region in task.regions}
    for structure, wanted in values.items():
        profiles |= _profiles(structure, wanted, inside, truth)
    placed = {key: _placed(profile, box, grid) for key, profile in profiles.items()}
    return Disagreement(Volume(percent, grid.affine_ras), reference is not None, placed)


def _percent(methods: list[Labels], reference: Labels | None) -> Labels:
    """Return the share of differing pairs, or of methods that differ from the reference."""
    if reference is not None:
        pairs = [(labels, reference) for labels in methods]
    else:
        pairs = list(combinations(methods, 2))
    differing = np.zeros(methods[0].shape, np.uint16)
    for first, second in pairs:
        differing += first != second
    percent: Labels = np.rint(differing * (100 / max(1, len(pairs)))).astype(np.uint8)
    return percent


def _profiles(
    structure: str,
    values: tuple[int, ...] | None,
    methods: Mapping[str, Labels],
    reference: Labels | None,
) -> Iterator[tuple[tuple[str, str], Profile]]:
    """Yield the profiles of one structure: of each method, and of all together."""
    seen = {name: _seen(labels, values) for name, labels in methods.items()}
    truth = None if reference is None else _seen(reference, values)
    total: Profile | None = None
    for name, own in seen.items():
        if truth is not None:
            differing = (own != truth).astype(np.uint8)
        else:
            differing = np.zeros(own.shape, np.uint8)
            for other, labels in seen.items():
                if other != name:
                    differing += own != labels
        profile = _sums(differing)
        total = profile if total is None else _added(total, profile)
        yield (name, structure), profile
    if total is not None:
        yield (ALL, structure), total


def _seen(labels: Labels, values: tuple[int, ...] | None) -> NDArray[Any]:
    """Return the labels, or where they are among `values`."""
    if values is None:
        return labels
    table = np.zeros(256, bool)
    table[list(values)] = True
    found: NDArray[np.bool_] = table[labels]
    return found


def _sums(counts: Labels) -> Profile:
    per_k = counts.sum(axis=(1, 2), dtype=np.int64)
    per_ji = counts.sum(axis=0, dtype=np.int64)
    return per_ji.sum(axis=0), per_ji.sum(axis=1), per_k


def _added(first: Profile, second: Profile) -> Profile:
    i, j, k = (a + b for a, b in zip(first, second, strict=True))
    return i, j, k


def _placed(profile: Profile, box: _Box, grid: Volume) -> Profile:
    """Return a profile of a part of the grid as one of the whole grid."""
    whole = []
    for values, part, size in zip(profile, box[::-1], grid.shape_ijk, strict=True):
        padded = np.zeros(size, np.int64)
        padded[part] = values
        whole.append(padded)
    return whole[0], whole[1], whole[2]


def _occupied(arrays: list[Labels]) -> _Box:
    """Return the box (k, j, i) of what is labelled by anybody; outside of it all agree."""
    parts = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero(np.any([array.any(axis=others) for array in arrays], axis=0))
        parts.append(slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0))
    return parts[0], parts[1], parts[2]
