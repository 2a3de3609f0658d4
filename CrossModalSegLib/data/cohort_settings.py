"""How a cohort is prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.cohort_record import ImageType
from CrossModalSegLib.data.domains import Domain
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.splits import SplitRule

LabelUse = Literal["required", "optional", "ignored"]


@dataclass(frozen=True, kw_only=True)
class CohortSettings:
    """How a cohort is prepared.

    Attributes:
        task: What the labels mean.
        modality: Of all images.
        preprocessing: How slices are made of volumes.
        dataset: Name of the adapter that found the cases.
        labels: "required": every case needs a label map. "optional": all cases have one, or none.
            "ignored": no label map is opened, so that no target label can leak.
        split: How subjects are dealt out where the dataset does not say.
        value_map: From the dataset's label values to the task's; replaces what its adapter knows.
        image_type: Number type of the stored images; float16 is finer than 0.001 in [-1, 1].
        domain: Which of the subjects were taken (`data.domains`).
    """

    task: Task
    modality: Modality
    preprocessing: Preprocessing
    dataset: str
    labels: LabelUse = "required"
    split: SplitRule = field(default_factory=SplitRule)
    value_map: Mapping[int, int] | None = None
    image_type: ImageType = "float16"
    domain: Domain = "all"
