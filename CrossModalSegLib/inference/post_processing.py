"""Rules that clean predicted labels.

Parts of a structure hang together by faces of voxels (6 neighbours). Where a task's regions are
nested, parts are those of the regions, outer ones first, and what is taken from a region stays in
the one around it: a speck of enhancing tumour becomes tumour core, a speck of core oedema, and a
speck outside the tumour background. As labels name one class a voxel, regions stay nested whatever
is done to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume


def post_process(labels: Volume, rules: PostProcessing, task: Task) -> Volume:
    """Apply a bundle's rules to its labels.

    Args:
        labels: Values of the task's classes.
        rules: What is removed.
        task: Whether parts are those of classes or of nested regions.
    """
    smallest = int(np.ceil(rules.minimum_ml / labels.voxel_ml))
    if not rules.largest_component and smallest <= 1:
        return labels
    cleaned = labels.array_kji.copy()
    for values, instead in _layers(task):
        remove_parts(
            cleaned, values, instead, smallest=smallest, only_largest=rules.largest_component
        )
    return labels.with_array(cleaned)


def changed_rules(
    rules: PostProcessing, *, largest_component: bool | None, minimum_ml: float | None
) -> PostProcessing:
    """Return a bundle's rules with what a user wants otherwise; None: as the bundle says.

    Raises:
        ConfigError: The size is negative or no number.
    """
    wanted = {"largest_component": largest_component, "minimum_ml": minimum_ml}
    return replace(rules, **{k: v for k, v in wanted.items() if v is not None})  # type: ignore[arg-type]


def remove_parts(
    labels: NDArray[np.uint8],
    values: tuple[int, ...],
    instead: int,
    *,
    smallest: int,
    only_largest: bool,
) -> None:
    """Take parts of one structure out of labels, in place.

    Args:
        labels: (k, j, i).
        values: Classes that the structure unites.
        instead: Class that its removed voxels get.
        smallest: Parts of fewer voxels are removed.
        only_largest: Whether all parts but the largest are removed; of several largest parts the
            first stays.
    """
    from scipy import ndimage

    inside = np.isin(labels, values)
    box = next(iter(ndimage.find_objects(inside.astype(np.uint8))), None)
    if box is None:
        return
    parts, _ = ndimage.label(inside[box])
    sizes = np.bincount(parts.reshape(-1))
    sizes[0] = 0  # what is not of this structure
    is_kept = sizes >= smallest
    if only_largest:
        is_kept &= np.arange(len(sizes)) == sizes.argmax()
    is_kept[0] = True
    labels[box][~is_kept[parts]] = instead


def _layers(task: Task) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the classes of each structure, and the class that its removed voxels get."""
    if not task.nested:
        yield from (((entry.value,), 0) for entry in task.classes)
        return
    around: tuple[int, ...] = (0,)
    for region in task.regions:
        left = [value for value in around if value not in region.values]
        yield region.values, min(left, default=0)
        around = region.values
