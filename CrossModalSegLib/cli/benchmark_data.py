"""The subjects of a benchmark as files, and the cohorts that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder
from CrossModalSegLib.cli.benchmark_suite import (
    PHANTOM_TASKS,
    Suite,
    SuiteData,
    SuiteDirection,
    Trial,
)
from CrossModalSegLib.cli.pipeline_steps import PhantomCohort, prepare_phantoms
from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.brain import BRAIN_MODALITIES
from CrossModalSegLib.data.phantoms.cardiac import CardiacModality
from CrossModalSegLib.data.phantoms.files import (
    LABEL_NAME,
    PhantomOptions,
    subject_seeds,
    write_brain_subjects,
    write_cardiac_subjects,
)
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import write_volume

Part = Literal["source", "target", "test"]

WHOLE_TUMOUR = {1: 1, 2: 1, 3: 1}
"""Every part of a tumour is tumour."""


@dataclass(frozen=True)
class UnseenSubjects:
    """The unseen subjects of a direction, as folders of files.

    Attributes:
        images: `<case>/image.nii.gz`, or `<case>/image_<modality>.nii.gz`.
        references: `<case>/label.nii.gz` or `<case>.nii.gz`, with the values of the task.
        image_stem: Name of the target's image in the folder of a case.
    """

    images: Path
    references: Path
    image_stem: str


@dataclass(frozen=True)
class TrialData:
    """What a row learns from and is tested on.

    Attributes:
        source: Cohort of the source, with labels; for supervised rows the target's training
            subjects with theirs.
        target: Cohort of the target's training subjects, made without opening a label; None for
            supervised rows.
        test: The unseen subjects.
    """

    source: Path
    target: Path | None
    test: UnseenSubjects


def test_data(folder: BenchmarkFolder, suite: Suite, direction: SuiteDirection) -> UnseenSubjects:
    """Return where the unseen subjects of a direction are."""
    phantom = suite.data[direction.data].phantom
    images = folder.data(direction.data, _group(direction, phantom, "test"))
    is_own_task = direction.task == PHANTOM_TASKS[phantom][0]
    references = folder.data(direction.data, f"{images.name}_{direction.task}")
    stem = "image" if phantom == "cardiac" else f"image_{direction.target}"
    return UnseenSubjects(images, images if is_own_task else references, stem)


def training_images(
    folder: BenchmarkFolder, suite: Suite, direction: SuiteDirection
) -> tuple[Path, ...]:
    """Return the images of the target's training subjects, in order."""
    phantom = suite.data[direction.data].phantom
    cases = folder.data(direction.data, _group(direction, phantom, "target"))
    stem = test_data(folder, suite, direction).image_stem
    return tuple(sorted(cases.glob(f"[!.]*/{stem}.nii.gz")))


def make_trial_data(
    folder: BenchmarkFolder, suite: Suite, trial: Trial, reporter: Reporter
) -> TrialData:
    """Make what is not there yet.

    Raises:
        StorageError: The disk is full or not writable.
        Cancelled: The job was cancelled; the next call goes on.
    """
    direction, row = trial.direction, trial.row
    parts: tuple[Part, ...] = ("source", "target", "test")
    for part in parts:
        _write_subjects(folder, suite.data[direction.data], direction, part, reporter)
    test = test_data(folder, suite, direction)
    if test.references != test.images:
        _write_references(test, reporter)
    cohorts = _Cohorts(folder, suite.data[direction.data], direction, reporter)
    if row.is_supervised:
        inputs = row.inputs(direction)
        return TrialData(cohorts.make("target", inputs, labelled=True), None, test)
    source = cohorts.make("source", (direction.source,), labelled=True)
    target = cohorts.make("target", (direction.target,), labelled=False)
    return TrialData(source, target, test)


@dataclass(frozen=True)
class _Cohorts:
    """Makes the cohorts of a direction."""

    folder: BenchmarkFolder
    data: SuiteData
    direction: SuiteDirection
    reporter: Reporter

    def make(self, part: Part, modalities: tuple[str, ...], *, labelled: bool) -> Path:
        """Prepare subjects in one or more modalities; a cohort that is there is kept."""
        direction, data = self.direction, self.data
        group = _group(direction, data.phantom, part)
        name = group if data.phantom == "cardiac" else "_".join((group, *modalities))
        path = self.folder.cohort(direction.data, direction.task, name, labelled=labelled)
        wanted = PhantomCohort(
            data=self.folder.data(direction.data, group),
            task=direction.task,
            modality=modalities[0],
            further_modalities=modalities[1:],
            labels="required" if labelled else "ignored",
            matrix=data.matrix,
            spacing_mm=data.spacing_mm,
            seed=data.seed,
            validation_fraction=data.validation_fraction,
            value_map=WHOLE_TUMOUR if direction.task == "whole_tumour" else None,
        )
        prepare_phantoms(wanted, path, self.reporter)
        return path


def _group(direction: SuiteDirection, phantom: str, part: Part) -> str:
    """Return the name of a group of subjects.

    CT and MR phantoms are different people, so that the subjects of a modality can be the source
    of one direction and the target of another. All modalities of a brain are of one person: source
    and target are other people whatever the modality.
    """
    if phantom == "brain":
        return part
    modality = direction.source if part == "source" else direction.target
    return f"{modality}_{'test' if part == 'test' else 'train'}"


def _write_subjects(
    folder: BenchmarkFolder,
    data: SuiteData,
    direction: SuiteDirection,
    part: Part,
    reporter: Reporter,
) -> None:
    """Write the subjects of one part that are not there yet."""
    group = _group(direction, data.phantom, part)
    place = folder.data(direction.data, group)
    count = data.test_subjects if part == "test" else data.training_subjects
    if place.is_dir() and len([case for case in place.iterdir() if case.name[0] != "."]) == count:
        return
    options = PhantomOptions(resume=True, fat_to_blood=data.fat_to_blood)
    if data.phantom == "brain":
        seeds = subject_seeds(data.seed, f"brain_{group}", count)
        write_brain_subjects(place, BRAIN_MODALITIES, seeds, reporter, options)
        return
    seeds = subject_seeds(data.seed, group, count)
    modality = cast("CardiacModality", direction.source if part == "source" else direction.target)
    write_cardiac_subjects(place, modality, seeds, reporter, options)


def _write_references(test: UnseenSubjects, reporter: Reporter) -> None:
    """Write the label maps of the unseen subjects with the values of `whole_tumour`."""
    test.references.mkdir(parents=True, exist_ok=True)
    cases = sorted(path for path in test.images.iterdir() if not path.name.startswith("."))
    for case in reporter.track(cases, "references"):
        output = test.references / f"{case.name}.nii.gz"
        if not output.is_file():
            labels = read_segmentation(case / LABEL_NAME, TASKS["brain_tumour"])
            whole = (labels.array_kji > 0).astype(np.uint8)
            with atomic_write(output) as temporary:
                write_volume(Volume(whole, labels.affine_ras), temporary)
