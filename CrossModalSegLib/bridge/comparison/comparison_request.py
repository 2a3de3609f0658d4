"""What the user wants to compare, and why that may not be possible yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.comparison.adopted_segmentations import adopted_from
from CrossModalSegLib.bridge.comparison.comparison import MAX_METHODS, MIN_METHODS
from CrossModalSegLib.bridge.comparison.segment_matching import matched_structures
from CrossModalSegLib.bridge.model_catalogue import ModelCard
from CrossModalSegLib.bridge.segmentations import volume_of
from CrossModalSegLib.core.tasks import Task

MAX_NAME = 60
"""Letters of a segmentation's name that the name of a method keeps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonRequest:
    """Volumes, methods and references.

    Attributes:
        task: Which structures are compared.
        volumes: Volume nodes.
        models: Each segments each volume; of that task.
        segmentations: Segmentation nodes that take part as methods, each for its own volume.
        references: Segmentation nodes that are held to be true, one for a volume at most.
        device: "auto", "cuda", "mps" or "cpu".
    """

    task: Task | None
    volumes: tuple[Any, ...]
    models: tuple[ModelCard, ...] = ()
    segmentations: tuple[Any, ...] = ()
    references: tuple[Any, ...] = ()
    device: str = "auto"

    def of_volume(self, nodes: Sequence[Any], volume: Any) -> list[Any]:
        """Return the segmentations, out of `nodes`, that belong to a volume."""
        return [node for node in nodes if owner(node, self.volumes) is volume]


def owner(segmentation: Any, volumes: Sequence[Any]) -> Any:
    """Return the volume that a segmentation belongs to, None if that is not clear.

    It is the volume that it was made of; or the only one that there is; or the only one that holds
    the middle of what is segmented.
    """
    source = adopted_from(segmentation) or segmentation
    made_of = volume_of(source)
    if made_of is not None and made_of in volumes:
        return made_of
    if len(volumes) == 1:
        return volumes[0]
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    middle = np.array(bounds).reshape(3, 2).mean(axis=1)
    around = [volume for volume in volumes if _holds(volume, middle)]
    return around[0] if len(around) == 1 else None


def reason_not_to_compare(request: ComparisonRequest, *, is_ready: bool = True) -> str:
    """Return what is missing, the first thing first; "" if nothing is.

    Args:
        request: What is chosen so far.
        is_ready: Whether everything is installed that models need.
    """
    checks = (_volumes, _task, _models, _segmentations, _references, _counts)
    reason = next((found for check in checks if (found := check(request))), "")
    if not reason and request.models and not is_ready:
        reason = "Packages are missing that the models need: see the top of the Segment page."
    return reason


def method_name(text: str, taken: Sequence[str]) -> str:
    """Return a name for a method that can be part of a file's name and that is not taken."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:MAX_NAME] or "segmentation"
    numbered = (f"{plain}_{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (plain, *numbered) if name not in taken)


def _volumes(request: ComparisonRequest) -> str:
    if not request.volumes:
        return "Choose at least one volume."
    for volume in request.volumes:
        image = volume.GetImageData()
        if image is None or image.GetNumberOfPoints() == 0:
            return f"The volume {volume.GetName()!r} is empty. Choose another one."
    return ""


def _task(request: ComparisonRequest) -> str:
    return "Choose which structures are compared." if request.task is None else ""


def _models(request: ComparisonRequest) -> str:
    for card in request.models:
        if len(card.input_modalities) > 1:
            return (
                f"The model {card.title!r} needs {len(card.input_modalities)} images of each "
                "patient. Apply it on the Segment page, and compare its segmentation here."
            )
    return ""


def _segmentations(request: ComparisonRequest) -> str:
    for node in (*request.segmentations, *request.references):
        if request.task is not None and not matched_structures(node, request.task):
            return (
                f"{node.GetName()!r} has none of the structures ({request.task.label}). Choose "
                "other structures, or rename its segments."
            )
        if owner(node, request.volumes) is None:
            return (
                f"It is not clear which volume {node.GetName()!r} belongs to. Compare one volume "
                "at a time, or choose the volume as its source geometry in the Segmentations "
                "module."
            )
    return ""


def _references(request: ComparisonRequest) -> str:
    both = [node for node in request.references if node in request.segmentations]
    if both:
        return f"{both[0].GetName()!r} is both a method and the reference. Choose one of the two."
    for volume in request.volumes:
        found = request.of_volume(request.references, volume)
        if len(found) > 1:
            return (
                f"There are {len(found)} references for the volume {volume.GetName()!r}. Choose "
                "one."
            )
    return ""


def _counts(request: ComparisonRequest) -> str:
    for volume in request.volumes:
        own = request.of_volume(request.segmentations, volume)
        count = len(request.models) + len(own)
        if not MIN_METHODS <= count <= MAX_METHODS:
            of = f" for the volume {volume.GetName()!r}" if len(request.volumes) > 1 else ""
            return (
                f"Choose {MIN_METHODS} to {MAX_METHODS} methods{of}: models, or segmentations that "
                f"are in the scene. There are {count}."
            )
    return ""


def _holds(volume: Any, point_ras: Any) -> bool:
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds).reshape(3, 2).T
    return bool((low <= point_ras).all() and (point_ras <= high).all())
