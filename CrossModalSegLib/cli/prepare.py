"""`prepare`: a dataset's volumes become a cohort that training reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.data.cohort import Cohort
    from CrossModalSegLib.data.cohort_writer import CohortSettings


@dataclass(frozen=True, kw_only=True)
class Prepare(JobCommand):
    """Cut the volumes of a dataset into slices and store them as a cohort.

    What is done here travels with the models that are trained on the cohort and is repeated when
    they segment: plane, spacing, matrix and intensities.
    """

    dataset: str = "auto"
    """Layout of the dataset: "folder", "csv", or "auto" to recognise it."""
    root: Path
    """The dataset's folder or CSV file."""
    modality: str
    """Of the images: t1, t1ce, t2, flair, ct, mr_bssfp, mr_t2spir, mr_t1dual, or a TOML file."""
    task: str
    """What is labelled: brain_tumour, whole_tumour, cardiac, abdomen, or a TOML file."""
    output: Path
    """The cohort's folder."""
    labels: Literal["optional", "required", "ignored"] = "optional"
    """"required": every case must have labels. "optional": all or none. "ignored": labels are not
    even opened, so that none of the target's can leak into training."""
    label_values: tuple[str, ...] = ()
    """The dataset's own label values and the task's, like 205=1 420=2 500=3."""
    matrix: Annotated[tuple[int, int], tyro.conf.arg(metavar="ROWS COLUMNS")] = (256, 256)
    """Size of a slice, cropped or padded about the volume's centre (SIFA's data: 256 256; the
    cardiac phantom's usual protocol: 64 64)."""
    spacing: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="MM MM")] = None
    """Distance of rows and of columns in mm (cardiac phantom: 3 3). Default: each volume's own."""
    slicing: Literal["axial", "coronal", "sagittal"] | None = None
    """Plane of the slices. Default: the task's."""
    validation_fraction: float = 0.1
    """Share of the subjects for validation, where the dataset does not say."""
    test_fraction: float = 0.1
    """Share of the subjects that training never sees, where the dataset does not say."""
    image_type: Literal["float16", "float32"] = "float16"
    """Number type of the stored slices."""

    def run(self, reporter: Reporter) -> None:
        """Prepare the cohort; it appears whole or not at all.

        Raises:
            UsageError: A label value cannot be read.
            CrossModalSegError: See `prepare_cohort`.
        """
        value_map = _read_label_values(self.label_values)
        from CrossModalSegLib.core.modalities import load_modality
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.data.adapters import discover
        from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
        from CrossModalSegLib.data.preprocessing import default_preprocessing
        from CrossModalSegLib.data.splits import SplitRule

        task, modality = load_task(self.task), load_modality(self.modality)
        found = discover(self.dataset, self.root, modality.name)
        preprocessing = default_preprocessing(
            task, modality, matrix=self.matrix, spacing_mm=self.spacing
        )
        if self.slicing is not None:
            preprocessing = replace(preprocessing, slicing=self.slicing)
        train_fraction = 1.0 - self.validation_fraction - self.test_fraction
        settings = CohortSettings(
            task=task,
            modality=modality,
            preprocessing=preprocessing,
            dataset=found.dataset,
            labels=self.labels,
            split=SplitRule(
                fractions=(train_fraction, self.validation_fraction, self.test_fraction),
                seed=self.seed,
            ),
            value_map=value_map,
            image_type=self.image_type,
        )
        cohort = prepare_cohort(
            found.cases, settings, self.output, reporter=reporter, overwrite=self.overwrite
        )
        reporter.done([self.output], _summary(cohort, settings, found.layout))


def _summary(cohort: Cohort, settings: CohortSettings, layout: str) -> dict[str, Any]:
    depths = [case.shape[0] for case in cohort.cases]
    return {
        "dataset": f"{settings.dataset}, {layout}",
        "cases": {name: len(cohort.in_split(name)) for name in ("train", "validation", "test")},
        "slices": sum(depths),
        "plane": cohort.preprocessing.slicing,
        "labelled": cohort.is_labelled,
        "hash": cohort.content_hash,
    }


def _read_label_values(pairs: tuple[str, ...]) -> dict[int, int] | None:
    """Return a map from the dataset's values to the task's, None if nothing was given."""
    values: dict[int, int] = {}
    for pair in pairs:
        own, _, ours = pair.partition("=")
        try:
            values[int(own)] = int(ours)
        except ValueError as error:
            raise UsageError(
                f"--label-values has {pair!r}, expected two whole numbers like 205=1."
            ) from error
    return values or None
