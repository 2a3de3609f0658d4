"""One trial from its cohorts to its scores; what is done already is not done again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.cli.benchmark_data import TrialData
from CrossModalSegLib.cli.benchmark_folder import TrialFolder
from CrossModalSegLib.cli.benchmark_state import TrialState, write_state
from CrossModalSegLib.cli.benchmark_suite import SuiteRow
from CrossModalSegLib.cli.memory_watch import MemoryWatch
from CrossModalSegLib.cli.pipeline_steps import train_or_resume
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.output_folders import replacing_folder
from CrossModalSegLib.evaluation.provenance import Provenance, package_versions
from CrossModalSegLib.evaluation.records import EmptyPolicy
from CrossModalSegLib.evaluation.rules import ScoringRules
from CrossModalSegLib.evaluation.score_folder import write_score_folder
from CrossModalSegLib.evaluation.scores import evaluate_folder
from CrossModalSegLib.inference.files import SegmentOptions, segment_files
from CrossModalSegLib.training.checkpoints import load_checkpoint
from CrossModalSegLib.training.run_folder import RunFolder
from CrossModalSegLib.training.train import RunRequest

POLICY: EmptyPolicy = "brats"


@dataclass(frozen=True, kw_only=True)
class TrialWork:
    """What a trial needs to know.

    Attributes:
        folder: Of the trial.
        row: That is trained.
        data: What it learns from and is tested on.
        state: How it is made.
        command: The command line, for the provenance.
    """

    folder: TrialFolder
    row: SuiteRow
    data: TrialData
    state: TrialState
    command: str


def run_trial(work: TrialWork, reporter: Reporter) -> TrialState:
    """Train, segment the unseen subjects and score them.

    Returns:
        The trial's state, as it was written.

    Raises:
        CrossModalSegError: A step failed.
        Cancelled: The user asked to stop; the same call goes on.
    """
    folder = work.folder
    state = _train(work, reporter)
    bundle = read_bundle(folder.bundle)
    if not folder.is_scored:
        if not folder.segmentations.is_dir():
            _segment(bundle, folder.segmentations, work, reporter)
        _score(bundle, folder.segmentations, folder.scores, work, reporter)
    if not folder.is_looked_back:
        _look_back(bundle, work, reporter)
    state = replace(state, status="finished", error={})
    write_state(folder, state)
    return state


def _train(work: TrialWork, reporter: Reporter) -> TrialState:
    state = replace(work.state, status="begun", error={})
    write_state(work.folder, state)
    if work.folder.bundle.is_dir():
        return state
    request = RunRequest(
        method=work.row.method,
        preset=state.preset,
        source=work.data.source,
        target=work.data.target,
        run=work.folder.run,
        overrides=state.overrides,
        device=state.device,
        seed=state.seed,
    )
    watch = MemoryWatch()
    try:
        with watch:
            train_or_resume(request, reporter)
    finally:
        state = replace(
            state,
            peak_memory_mb=max(watch.peak_mb, state.peak_memory_mb or 0.0),
            peak_gpu_mb=_larger(watch.peak_gpu_mb, state.peak_gpu_mb),
        )
        write_state(work.folder, state)
    return state


def _segment(bundle: Bundle, output: Path, work: TrialWork, reporter: Reporter) -> None:
    with replacing_folder(output) as partial:
        options = SegmentOptions(device=work.state.device)
        segment_files(bundle, [work.data.test.images], partial, options, reporter)


def _look_back(bundle: Bundle, work: TrialWork, reporter: Reporter) -> None:
    """Score the model of the last iteration, to see afterwards what the choice was worth."""
    folder, training = work.folder, bundle.config.training
    if training.chosen_iteration == training.iterations:
        with replacing_folder(folder.last) as partial:
            shutil.copytree(folder.scores, partial, dirs_exist_ok=True)
        return
    state = load_checkpoint(RunFolder(folder.run).last_checkpoint)
    of_last = replace(training, chosen_iteration=training.iterations, selection_score=None)
    config = replace(bundle.config, training=of_last)
    scratch = folder.path / "looking_back"
    shutil.rmtree(scratch, ignore_errors=True)  # a kill may have left one
    try:
        last = write_bundle(scratch / "bundle", config, state["engine"]["averaged"])
        _segment(last, scratch / "segmentations", work, reporter)
        _score(last, scratch / "segmentations", folder.last, work, reporter)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _score(
    bundle: Bundle, predictions: Path, output: Path, work: TrialWork, reporter: Reporter
) -> None:
    records = evaluate_folder(
        predictions,
        work.data.test.references,
        bundle.config.task,
        work.row.name,
        POLICY,
        reporter,
    )
    with replacing_folder(output) as partial:
        write_score_folder(partial, records, _provenance(bundle, work))


def _provenance(bundle: Bundle, work: TrialWork) -> Provenance:
    training, row = bundle.config.training, work.row
    return Provenance(
        version=__version__,
        command=work.command,
        task=bundle.config.task.name,
        policy=POLICY,
        nsd_tolerance_mm=ScoringRules(policy=POLICY).tolerance_mm,
        bundle_hashes={row.name: bundle.content_hash},
        cohort_hashes={f"training, {c.domain}": c.content_hash for c in training.cohorts},
        packages=package_versions(),
        device=training.device,
        seeds={"training": work.state.seed, "subjects": int(work.state.phantom["seed"])},
    )


def _larger(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known) if known else None
