"""The last steps from probabilities to a result, whatever they come from."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bundle.schema import BundleConfig, PostProcessing
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.notices import NoticeLog
from CrossModalSegLib.inference.post_processing import post_process
from CrossModalSegLib.inference.result import Notice
from CrossModalSegLib.inference.structures import count_voxels, keep_structures
from CrossModalSegLib.inference.wishes import Wishes


def conclude(
    labels: Volume, config: BundleConfig, wishes: Wishes, rules: PostProcessing, log: NoticeLog
) -> dict[str, Any]:
    """Clean labels, keep what is wanted and measure it: the fields of a result that follow."""
    wanted = wishes.regions(config)
    labels = post_process(labels, rules, config.task)
    if wishes.structures:
        labels = keep_structures(labels, wanted)
    if not labels.array_kji.any():
        listed = ", ".join(entry.label for entry in wanted)
        log.add(
            Notice(
                kind="nothing_found",
                message="The model found none of its structures in this image.",
                hint=f"It looked for {listed} in {config.modalities.images_label} images.",
            )
        )
    return {
        "labels": labels,
        "voxels": count_voxels(labels, wanted),
        "warnings": tuple(log.notices),
    }


def class_names(task: Task) -> tuple[str, ...]:
    """Return the names of a task's classes, "background" first."""
    return ("background", *task.class_names)
