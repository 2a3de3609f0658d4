"""Steps that the demo and the benchmark share: a cohort of phantoms, a run that is taken up."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.training.train import RunRequest


@dataclass(frozen=True, kw_only=True)
class PhantomCohort:
    """How a cohort is made of phantom subjects on disk.

    Attributes:
        data: Folder of the subjects, one folder each.
        task: What is labelled.
        modality: Of the images.
        labels: "ignored": no label map is opened.
        matrix: Rows and columns of a slice.
        spacing_mm: Distance of rows and of columns.
        seed: Of the split into training and validation.
        validation_fraction: Share of the subjects for validation.
        further_modalities: Of the second and further channels.
        value_map: From the phantom's label values to the task's; None: they are the same.
    """

    data: Path
    task: str
    modality: str
    labels: Literal["required", "ignored"]
    matrix: tuple[int, int]
    spacing_mm: tuple[float, float]
    seed: int
    validation_fraction: float = 0.1
    further_modalities: tuple[str, ...] = ()
    value_map: Mapping[int, int] | None = None


def prepare_phantoms(wanted: PhantomCohort, output: Path, reporter: Reporter) -> None:
    """Prepare phantom subjects as a researcher would; a cohort that is there is kept.

    Raises:
        CohortError: The subjects cannot be used.
        StorageError: The disk is full or not writable.
        Cancelled: The job was cancelled.
    """
    from CrossModalSegLib.core.modalities import MODALITIES
    from CrossModalSegLib.core.tasks import TASKS
    from CrossModalSegLib.data.adapters import discover
    from CrossModalSegLib.data.channels import combine_preprocessing
    from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
    from CrossModalSegLib.data.preprocessing import default_preprocessing
    from CrossModalSegLib.data.splits import SplitRule

    if output.exists():
        return
    task = TASKS[wanted.task]
    names = (wanted.modality, *wanted.further_modalities)
    modalities = [MODALITIES[name] for name in names]
    found = discover("folder", wanted.data, names)
    share = wanted.validation_fraction
    settings = CohortSettings(
        task=task,
        modality=modalities[0],
        further_modalities=tuple(modalities[1:]),
        preprocessing=combine_preprocessing(
            [
                default_preprocessing(
                    task, modality, matrix=wanted.matrix, spacing_mm=wanted.spacing_mm
                )
                for modality in modalities
            ]
        ),
        dataset=found.dataset,
        labels=wanted.labels,
        value_map=wanted.value_map,
        split=SplitRule(fractions=(1.0 - share, share, 0.0), seed=wanted.seed),
    )
    prepare_cohort(found.cases, settings, output, reporter=reporter)


def train_or_resume(request: RunRequest, reporter: Reporter) -> None:
    """Train, go on with a run that was stopped, or leave a finished one as it is.

    Raises:
        CrossModalSegError: See `training.train`.
        Cancelled: The user asked to stop; the same call goes on.
    """
    from CrossModalSegLib.training.run_folder import RunFolder
    from CrossModalSegLib.training.train import resume, train

    run = RunFolder(request.run)
    if run.bundle.is_dir():
        return
    if run.last_checkpoint.is_file():
        resume(run.path, reporter, device=request.device)
        return
    if run.path.exists():  # stopped before its first checkpoint
        shutil.rmtree(run.path)
    train(request, reporter)
