"""`demo`: the main job on the embedded phantom, from two unpaired cohorts to a scored overlay."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from CrossModalSegLib.cli.command import JobCommand
from CrossModalSegLib.cli.overall_progress import OverallProgress
from CrossModalSegLib.cli.pipeline_steps import (
    PhantomCohort,
    prepare_phantoms,
    train_or_resume,
)
from CrossModalSegLib.core.config import read_json, write_json
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.data.phantoms.cardiac import CardiacModality
    from CrossModalSegLib.evaluation.records import ScoreRecord

TASK = "cardiac"
SOURCE: CardiacModality = "ct"
TARGET: CardiacModality = "mr_bssfp"
METHODS_SHOWN = ("source_only", "source_only_augmented", "dsan", "supervised")
PRESET = "quick"

TRAINING_SUBJECTS = 20
TEST_SUBJECTS = 12
MATRIX, SPACING_MM = (64, 64), (3.0, 3.0)
"""Of the slices that the networks see."""

SHOWN_CASES = 3

EFFORT = {
    "data": 4,
    "source_only": 10,
    "source_only_augmented": 12,
    "dsan": 58,
    "supervised": 8,
    "results": 8,
}
"""Rough share of the whole time that each step takes, in percent."""


@dataclass(frozen=True, kw_only=True)
class DemoFolder:
    """Where the demo puts things."""

    path: Path

    @property
    def state_file(self) -> Path:
        """What was asked for, and whether it is finished."""
        return self.path / "demo.json"

    def data(self, name: str) -> Path:
        """Return the folder of volume files of one group of subjects."""
        return self.path / "data" / name

    def cohort(self, name: str) -> Path:
        """Return a cohort's folder."""
        return self.path / "cohorts" / name

    def run(self, method: str) -> Path:
        """Return a training run's folder."""
        return self.path / "runs" / method

    def segmentations(self, method: str, kind: Literal["nifti", "slicer"] = "nifti") -> Path:
        """Return the folder of a method's segmentations, as .nii.gz or as .seg.nrrd."""
        return self.path / "segmentations" / kind / method


@dataclass(frozen=True, kw_only=True)
class Demo(JobCommand):
    """Adapt a cardiac segmenter from CT to MR on phantoms, score it and show it in Slicer's views.

    Everything is made on this computer; nothing is downloaded. A demo that was interrupted goes on
    where it stopped when it is started again with the same options.
    """

    output: Path = Path("demo-output")
    """Folder for all that the demo makes."""

    def run(self, reporter: Reporter) -> None:
        """Run the demo.

        Raises:
            OutputExistsError: A finished demo, or something else, is in the output folder.
            Cancelled: The user asked to stop.
        """
        folder = DemoFolder(path=self.output)
        before = self._begin(folder)
        began = time.monotonic()
        is_finished = False

        def seconds() -> float:
            return before + time.monotonic() - began

        try:
            progress = OverallProgress(reporter, "demo", EFFORT)
            summary = self._run_steps(folder, progress, seconds)
            is_finished = True
        finally:
            state = {"finished": is_finished, "seconds": seconds()}
            write_json(folder.state_file, {**self._state(), **state})
        reporter.done([folder.path / "report.html", folder.path / "scores.json"], summary)

    def _run_steps(
        self, folder: DemoFolder, progress: OverallProgress, seconds: Callable[[], float]
    ) -> dict[str, Any]:
        """Do what is left to do and return the summary."""
        from CrossModalSegLib.cli.demo_report import write_results

        steps = progress.steps
        progress.begin("data")
        self._make_data(folder, steps)
        for method in METHODS_SHOWN:
            progress.begin(method)
            self._train(folder, method, steps)
            self._segment(folder, method, steps)
        progress.begin("results")
        records = self._evaluate(folder, steps)
        summary = write_results(folder, records, self._facts(seconds()), steps)
        progress.finish()
        return summary

    def _state(self) -> dict[str, Any]:
        from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION

        return {"v": 1, "seed": self.seed, "phantom_version": CARDIAC_PHANTOM_VERSION}

    def _begin(self, folder: DemoFolder) -> float:
        """Make the output folder, or go on with an unfinished demo of the same options.

        Returns:
            Seconds that the unfinished demo has taken so far.
        """
        if folder.state_file.is_file():
            state = read_json(folder.state_file)
            is_same = all(state.get(key) == value for key, value in self._state().items())
            if is_same and not state.get("finished") and not self.overwrite:
                return float(state.get("seconds", 0.0))
            if not self.overwrite:
                raise OutputExistsError(folder.path)
            shutil.rmtree(folder.path)
        elif folder.path.exists() and any(folder.path.iterdir()):
            raise OutputExistsError(folder.path)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_json(folder.state_file, {**self._state(), "finished": False})
        return 0.0

    def _make_data(self, folder: DemoFolder, reporter: Reporter) -> None:
        """Write phantom subjects as files, and prepare them as a researcher would."""
        from CrossModalSegLib.data.phantoms.files import (
            PhantomOptions,
            subject_seeds,
            write_cardiac_subjects,
        )

        options = PhantomOptions(resume=True)
        groups: dict[str, tuple[CardiacModality, int]] = {
            "ct": (SOURCE, TRAINING_SUBJECTS),
            "mr": (TARGET, TRAINING_SUBJECTS),
            "mr_test": (TARGET, TEST_SUBJECTS),
        }
        for name, (modality, count) in groups.items():
            seeds = subject_seeds(self.seed, name, count)
            write_cardiac_subjects(folder.data(name), modality, seeds, reporter, options)
        self._prepare(folder, "ct", SOURCE, "ct", reporter, labels="required")
        self._prepare(folder, "mr", TARGET, "mr", reporter, labels="ignored")
        self._prepare(folder, "mr", TARGET, "mr_labelled", reporter, labels="required")

    def _prepare(
        self,
        folder: DemoFolder,
        data: str,
        modality: str,
        name: str,
        reporter: Reporter,
        *,
        labels: Literal["required", "ignored"],
    ) -> None:
        wanted = PhantomCohort(
            data=folder.data(data),
            task=TASK,
            modality=modality,
            labels=labels,
            matrix=MATRIX,
            spacing_mm=SPACING_MM,
            seed=self.seed,
        )
        prepare_phantoms(wanted, folder.cohort(name), reporter)

    def _train(self, folder: DemoFolder, method: str, reporter: Reporter) -> None:
        from CrossModalSegLib.training.train import RunRequest

        is_supervised = method == "supervised"
        request = RunRequest(
            method=method,
            preset=PRESET,
            source=folder.cohort("mr_labelled" if is_supervised else "ct"),
            target=None if is_supervised else folder.cohort("mr"),
            run=folder.run(method),
            device=self.device,
            seed=self.seed,
        )
        train_or_resume(request, reporter)

    def _segment(self, folder: DemoFolder, method: str, reporter: Reporter) -> None:
        """Segment the unseen subjects, once as NIfTI and once as Slicer's segmentation files."""
        from CrossModalSegLib.bundle.reading import read_bundle
        from CrossModalSegLib.data.segmentation_files import (
            read_segmentation,
            write_segmentation,
        )
        from CrossModalSegLib.inference.files import SegmentOptions, segment_files

        bundle = read_bundle(folder.run(method) / "bundle")
        options = SegmentOptions(device=self.device, overwrite=True)
        inputs, output = [folder.data("mr_test")], folder.segmentations(method)
        task = bundle.config.task
        for case in segment_files(bundle, inputs, output, options, reporter):
            target = folder.segmentations(method, "slicer") / f"{case.case}.seg.nrrd"
            labels = read_segmentation(case.output, task)
            write_segmentation(labels, task, target, overwrite=True)

    def _evaluate(self, folder: DemoFolder, reporter: Reporter) -> tuple[ScoreRecord, ...]:
        from CrossModalSegLib.core.tasks import TASKS
        from CrossModalSegLib.evaluation.scores import evaluate_folder

        references = folder.data("mr_test")
        return tuple(
            record
            for method in METHODS_SHOWN
            for record in evaluate_folder(
                folder.segmentations(method), references, TASKS[TASK], method, "brats", reporter
            )
        )

    def _facts(self, seconds: float) -> dict[str, str]:
        from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION

        return {
            "Seed": str(self.seed),
            "Phantom version": str(CARDIAC_PHANTOM_VERSION),
            "Training subjects": f"{TRAINING_SUBJECTS} CT, {TRAINING_SUBJECTS} MR",
            "Unseen test subjects": f"{TEST_SUBJECTS} MR",
            "Duration": f"{seconds / 60:.1f} minutes",
        }
