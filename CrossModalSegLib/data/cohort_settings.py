"""How a cohort is prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from CrossModalSegLib.core.errors import ConfigError
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
        modality: Of the cases' images; of the first ones where a case has several.
        preprocessing: How slices are made of volumes.
        dataset: Name of the adapter that found the cases.
        labels: "required": every case needs a label map. "optional": all cases have one, or none.
            "ignored": no label map is opened, so that no target label can leak.
        split: How subjects are dealt out where the dataset does not say.
        value_map: From the dataset's label values to the task's; replaces what its adapter knows.
        image_type: Number type of the stored images; float16 is finer than 0.001 in [-1, 1].
        domain: Which of the subjects were taken (`data.domains`).
        further_modalities: Of the second and further images of a case, in order; `preprocessing`
            has a rule for each.
        label_names: The dataset's own names of structures, and the class or region of the task that
            is meant, "" for none; they come before what names and codes say by themselves.
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
    further_modalities: tuple[Modality, ...] = ()
    label_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a preprocessing for another number of images.

        Raises:
            ConfigError: See above.
        """
        count = self.preprocessing.num_channels
        if len(self.modalities) != count:
            names = ", ".join(modality.name for modality in self.modalities)
            raise ConfigError(
                f"The preprocessing is for {count} images a case, expected {len(self.modalities)}: "
                f"{names}.",
                hint="Combine the preprocessing of each modality (`combine_preprocessing`).",
            )

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Of all images of a case, in order."""
        return (self.modality, *self.further_modalities)
