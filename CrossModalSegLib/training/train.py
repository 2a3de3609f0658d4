"""Train a method on two cohorts and leave a bundle, or resume such a run."""

from __future__ import annotations

import importlib.metadata
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.schema import without_files
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import MismatchError, RunError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import Task, task_from_dict, task_to_dict
from CrossModalSegLib.data.cohort import (
    Cohort,
    require_disjoint_subjects,
    require_labelled,
    require_same_channels,
)
from CrossModalSegLib.methods import build_method, method_class
from CrossModalSegLib.training.batch_change import (
    BatchChange,
    batch_change,
    batch_size_of,
    record_change,
    tell_change,
    with_batch,
)
from CrossModalSegLib.training.engine import Engine
from CrossModalSegLib.training.preset_files import resolve_preset
from CrossModalSegLib.training.publish import publish_bundle
from CrossModalSegLib.training.run_ends import ends_told
from CrossModalSegLib.training.run_folder import (
    Journal,
    RunFolder,
    is_first_process,
    open_or_create,
)
from CrossModalSegLib.training.session import RunInputs, TrainingSession
from CrossModalSegLib.training.settings import (
    Preset,
    load_preset,
    preset_from_dict,
    preset_to_dict,
)


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a user asks for when a run starts."""

    method: str
    preset: str
    source: Path
    target: Path | None
    """Cohort folder; None for `supervised`, whose source is the labelled target cohort."""
    run: Path
    overrides: tuple[str, ...] = ()
    device: str = "auto"
    seed: int = 0


def train(request: RunRequest, reporter: Reporter) -> Path:
    """Train from the beginning.

    Returns:
        The folder of the bundle.

    Raises:
        CohortError: The source has no labels, or a cohort is damaged.
        LeakageError: Source and target share subjects.
        MismatchError: Their tasks or their numbers of images differ, or the method works on single
            images and cases have several.
        InputFileError: A file of initial weights cannot be used.
        OutputExistsError: The run folder exists already.
        Cancelled: The user asked to stop; `resume` goes on from there.
    """
    source, target, task = open_cohorts(request)
    preset = load_preset(
        request.method,
        request.preset,
        task,
        request.overrides,
        num_channels=source.num_channels,
    )
    _require_usable_weights(request.method, preset)
    folder = open_or_create(
        request.run,
        {
            "method": request.method,
            "preset": resolve_preset(request.method, request.preset, task),
            "overrides": list(request.overrides),
            "task": task_to_dict(task),
            "settings": preset_to_dict(preset),
            "cohorts": {
                "source": _describe_cohort(source),
                "target": None if request.target is None else _describe_cohort(target),
            },
            "seed": request.seed,
            "device": request.device,
            "versions": _versions(),
        },
    )
    return _run(folder, folder.read_config(), reporter, request.device)


def resume(
    run: Path, reporter: Reporter, device: str = "auto", batch_size: int | None = None
) -> Path:
    """Go on with a run that was cancelled, paused or killed, or that failed.

    From its last checkpoint; one that has none begins again.

    Args:
        run: The run's folder.
        reporter: Gets the events.
        device: May be another one than before.
        batch_size: Slices of each domain in a batch; None: as many as before.

    Returns:
        The folder of the bundle.

    Raises:
        RunError: The folder is no run, its checkpoint is damaged, or its cohorts have changed.
        ConfigError: The batch size is not positive.
    """
    folder = RunFolder.open(run)
    config = folder.read_config()
    change = batch_change(config, batch_size)
    if change is not None:
        config = with_batch(config, change)
    return _run(folder, config, reporter, Resumption(device, change))


@dataclass(frozen=True)
class Resumption:
    """How a run goes on."""

    device: str
    change: BatchChange | None = None


def _run(
    folder: RunFolder, config: dict[str, Any], reporter: Reporter, start: str | Resumption
) -> Path:
    """Train in a folder.

    Args:
        folder: Of the run.
        config: Its configuration.
        reporter: Gets the events.
        start: The device of a new run, or how an earlier one goes on.
    """
    if not is_first_process():  # its work is the first one's; only that one speaks and writes
        quiet = Reporter(cancel=reporter.cancel)
        _train_session(folder, config, quiet, start)
        return folder.bundle
    with (
        folder.locked(),
        closing(Journal(folder.journal_file)) as journal,
        reporter.also_to(journal),
        ends_told(journal, reporter, folder.path, batch_size_of(config)),
    ):
        folder.clear_request()
        folder.remove_leftovers()
        session = _train_session(folder, config, reporter, start)
        publish_bundle(session, config)
        reporter.done([folder.bundle], _summary(session))
    return folder.bundle


def _train_session(
    folder: RunFolder, config: dict[str, Any], reporter: Reporter, start: str | Resumption
) -> TrainingSession:
    if isinstance(start, str):
        session = _open_session(folder, config, reporter, start, has_state=False)
    else:
        session = _reopen_session(folder, config, reporter, start)
    session.run()
    return session


def _reopen_session(
    folder: RunFolder, config: dict[str, Any], reporter: Reporter, resumption: Resumption
) -> TrainingSession:
    has_state = folder.last_checkpoint.is_file()
    session = _open_session(folder, config, reporter, resumption.device, has_state=has_state)
    if has_state:
        session.resume()
    else:
        reporter.warning("no_state", "The run ended before its first checkpoint: it begins again.")
    change, iteration = resumption.change, session.engine.step_count
    if change is not None:
        tell_change(reporter, change, iteration)
        if is_first_process():
            record_change(folder, config, change, iteration)
    return session


def _open_session(
    folder: RunFolder,
    config: dict[str, Any],
    reporter: Reporter,
    device: str,
    *,
    has_state: bool,
) -> TrainingSession:
    source = _reopen_cohort(config["cohorts"]["source"])
    described = config["cohorts"]["target"]
    target = source if described is None else _reopen_cohort(described)
    seed = int(config["seed"])
    torch.manual_seed(seed)
    preset = preset_from_dict(config["method"], config["settings"], str(folder.config_file))
    settings = to_dict(preset.method)
    if has_state:  # the checkpoint has all weights: files to start from may be gone
        settings = without_files(settings)
    else:
        _warn_of_other_slices(preset, source, reporter)
    method = build_method(config["method"], settings)
    engine = Engine(method, preset.training, device)
    task = task_from_dict(config["task"], str(folder.config_file))
    inputs = RunInputs(task=task, source=source, target=target, seed=seed)
    return TrainingSession(engine, inputs, folder, reporter)


def open_cohorts(request: RunRequest) -> tuple[Cohort, Cohort, Task]:
    """Return source and target (the source again for `supervised`) and their task.

    Raises:
        CrossModalSegError: They cannot be used, or not together; see `train`.
    """
    source = Cohort.open(request.source)
    require_labelled(source)
    if request.target is None:
        if method_class(request.method).uses_target:
            raise RunError(
                f"{request.method} adapts to a target, and no target cohort was given.",
                hint="Pass --target COHORT.",
            )
        return source, source, source.task
    target = Cohort.open(request.target)
    if target.task != source.task:
        raise MismatchError(
            f"The source cohort is for the task {source.task.name!r}, the target for "
            f"{target.task.name!r}.",
            hint="Prepare both for the same task.",
        )
    require_same_channels(source, target)
    require_disjoint_subjects(source, target)
    return source, target, source.task


def _require_usable_weights(method: str, preset: Preset) -> None:
    """Refuse files of initial weights that do not fit before a run's folder is made.

    Raises:
        InputFileError: A file cannot be read, or lacks weights of the network.
    """
    settings = to_dict(preset.method)
    if settings != without_files(settings):
        build_method(method, settings)


def _warn_of_other_slices(preset: Preset, cohort: Cohort, reporter: Reporter) -> None:
    """Tell if slices have not the size that the preset was made for."""
    intended, matrix = preset.data.matrix, cohort.preprocessing.matrix
    if intended is not None and tuple(matrix) != intended:
        rows, columns = intended
        reporter.warning(
            "slice_size",
            f"The slices have {matrix[0]}x{matrix[1]} pixels; the preset was made for "
            f"{rows}x{columns}.",
            f"Prepare the cohorts with --matrix {rows} {columns} to train as the preset intends.",
        )


def _describe_cohort(cohort: Cohort) -> dict[str, Any]:
    return {"path": str(cohort.folder.resolve()), "hash": cohort.content_hash}


def _reopen_cohort(described: dict[str, Any]) -> Cohort:
    cohort = Cohort.open(Path(described["path"]))
    if cohort.content_hash != described["hash"]:
        raise RunError(
            f"The cohort {cohort.folder} has changed since the run began.",
            hint="Start a new run, or restore the cohort.",
        )
    return cohort


def _versions() -> dict[str, str]:
    packages = ("torch", "monai", "lightning-fabric", "numpy")
    return {"crossmodalseg": __version__} | {n: importlib.metadata.version(n) for n in packages}


def _summary(session: TrainingSession) -> dict[str, Any]:
    best = session.best
    return {
        "iterations": session.engine.step_count,
        "chosen_iteration": session.best_step,
        "label_free_score": None if best is None else best.total,
    }
