"""What a prediction gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that the user should know about a prediction that succeeded."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationResult:
    """A segmentation and what is known about it.

    Attributes:
        labels: uint8, on the input's own grid and affine; values of the task's classes.
        volumes_ml: Size of each region of the task, by name.
        seconds: From volume to labels, without reading the model.
        device: Kind of device that computed it.
        precision: Of the networks, e.g. "bf16-mixed".
        warnings: Also sent as events.
        probabilities: By class name, "background" first, on the input's grid; None if not asked.
    """

    labels: Volume
    volumes_ml: Mapping[str, float]
    seconds: float
    device: str
    precision: str
    warnings: tuple[Notice, ...] = ()
    probabilities: Mapping[str, Volume] | None = None


def measure_volumes_ml(labels: Volume, task: Task) -> dict[str, float]:
    """Return the size of each region of a task in millilitres."""
    counts = np.zeros(task.num_classes, np.int64)
    for plane in labels.array_kji:  # bincount makes 8 bytes of each voxel
        counts += np.bincount(plane.reshape(-1), minlength=task.num_classes)
    return {
        region.name: float(counts[list(region.values)].sum()) * labels.voxel_ml
        for region in task.regions
    }
