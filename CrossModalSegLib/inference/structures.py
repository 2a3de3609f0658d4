"""The structures that a user asked for, and their sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.core.volume import Volume


def choose_structures(task: Task, names: Sequence[str]) -> tuple[Region, ...]:
    """Return what a task calls by these names, in the task's order; its regions if none is given.

    Args:
        task: Its regions, and beside them its classes, have the names.
        names: Short names, e.g. "MYO".

    Raises:
        UnknownNameError: The task has neither a region nor a class of a name.
    """
    if not names:
        return task.regions
    known = {region.name: region for region in task.regions}
    for region in _classes_as_regions(task):
        known.setdefault(region.name, region)
    for name in names:
        if name not in known:
            raise UnknownNameError(f"structure of task {task.name!r}", name, known)
    return tuple(region for name, region in known.items() if name in names)


def keep_structures(labels: Volume, structures: Sequence[Region]) -> Volume:
    """Return labels in which every class that no structure needs is background.

    Classes keep their values: of nested regions the outer one keeps the classes of the inner ones.
    """
    kept = np.zeros(256, np.uint8)
    values = [value for structure in structures for value in structure.values]
    kept[values] = values
    return labels.with_array(kept[labels.array_kji])


def count_voxels(labels: Volume, structures: Sequence[Region]) -> dict[str, int]:
    """Return the number of voxels of each structure by name."""
    counts = np.zeros(256, np.int64)
    for plane in labels.array_kji:  # bincount makes 8 bytes of each voxel
        counts += np.bincount(plane.reshape(-1), minlength=256)
    return {entry.name: int(counts[list(entry.values)].sum()) for entry in structures}


def _classes_as_regions(task: Task) -> tuple[Region, ...]:
    return tuple(
        Region(
            name=entry.name,
            label=entry.label,
            values=(entry.value,),
            colour=entry.colour,
            terminology=entry.terminology,
        )
        for entry in task.classes
    )
