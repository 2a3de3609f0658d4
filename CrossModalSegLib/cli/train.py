"""`train`: an adapted model from two cohorts, or the rest of a run that was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import tyro

from CrossModalSegLib.cli.command import JobCommand, UsageError
from CrossModalSegLib.core.errors import Cancelled, RunError, storage_errors
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.training.train import RunRequest

CONFIG_FILE = "config.json"
"""Marks a folder as a run: nothing else is ever replaced."""


@dataclass(frozen=True, kw_only=True)
class Train(JobCommand):
    """Train a method on a labelled source and an unlabelled target cohort.

    The run's folder gets the journal, checkpoints, pictures and, at the end, the model's bundle. A
    run that was cancelled or killed, or that failed, goes on with `train --run DIR --resume`,
    exactly as if nothing had happened. One that ran out of memory can go on with a smaller
    --batch-size.
    """

    run_folder: Annotated[Path, tyro.conf.arg(name="run", metavar="DIR")]
    """The run's folder."""
    method: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """source_only, source_only_augmented, supervised, bigl, dsan or glua; `crossmodalseg methods`
    describes them."""
    preset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """quick, small, medium, paper (the paper's for the cohorts' task), or a TOML file with the
    tables [method], [training] and [data]."""
    source: Annotated[Path | None, tyro.conf.arg(metavar="COHORT")] = None
    """Cohort with labels; for `supervised` the labelled target cohort."""
    target: Annotated[Path | None, tyro.conf.arg(metavar="COHORT")] = None
    """Cohort without labels (if it has some, they are not looked at); not for `supervised`."""
    override: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE")
    ] = ()
    """Change a setting of the preset, like method.lambda_adv=0.1 or training.batch_size=4."""
    estimate: bool = False
    """Only measure what a few iterations take on this device, in time and memory, and tell how
    long the whole training would take. Nothing is written."""
    resume: bool = False
    """Go on with the run in --run; only --device and --batch-size may be given beside it."""
    batch_size: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """With --resume: slices of each domain in a batch from now on, to need less memory."""

    def run(self, reporter: Reporter) -> None:
        """Train, or go on.

        Raises:
            UsageError: An option is missing or does not go with --resume.
            Cancelled: The user asked to stop; the run can be resumed.
            CrossModalSegError: See `training.train`.
        """
        if self.estimate:
            self._estimate(reporter)
            return
        try:
            if self.resume:
                self._resume(reporter)
            else:
                self._begin(reporter)
        except Cancelled:
            if (self.run_folder / "checkpoints" / "last.ckpt").is_file():
                reporter.warning(
                    "resumable",
                    "The run was stopped before its end; its state is saved.",
                    f"Go on with: crossmodalseg train --run {self.run_folder} --resume",
                )
            raise

    def _resume(self, reporter: Reporter) -> None:
        options = {
            "--method": self.method,
            "--preset": self.preset,
            "--source": self.source,
            "--target": self.target,
            "--override": self.override or None,
            "--overwrite": self.overwrite or None,
        }
        superfluous = [name for name, value in options.items() if value is not None]
        if superfluous:
            raise UsageError(
                f"{', '.join(superfluous)} cannot be given with --resume.",
                hint="A resumed run keeps its settings. Start a new run to change them.",
            )
        from CrossModalSegLib.training.train import resume

        resume(self.run_folder, reporter, device=self.device, batch_size=self.batch_size)

    def _begin(self, reporter: Reporter) -> None:
        request = self._request()
        from CrossModalSegLib.training.train import train

        with _setting_aside(self.run_folder, overwrite=self.overwrite):
            train(request, reporter)

    def _estimate(self, reporter: Reporter) -> None:
        if self.resume:
            raise UsageError(
                "--estimate and --resume were both given.", hint="A new run can be estimated."
            )
        request = self._request()
        from CrossModalSegLib.cli.train_estimate import estimated

        reporter.done([], estimated(request, reporter))

    def _request(self) -> RunRequest:
        """Return what is asked for.

        Raises:
            UsageError: An option that a new run needs is missing.
        """
        if self.batch_size is not None:
            raise UsageError(
                "--batch-size is for --resume.",
                hint=f"Pass --override training.batch_size={self.batch_size} to a new run.",
            )
        if self.method is None or self.preset is None or self.source is None:
            raise UsageError(
                "A new run needs --method, --preset and --source.",
                hint="Or pass --resume to go on with the run in --run.",
            )
        from CrossModalSegLib.training.train import RunRequest

        return RunRequest(
            method=self.method,
            preset=self.preset,
            source=self.source,
            target=self.target,
            run=self.run_folder,
            overrides=self.override,
            device=self.device,
            seed=self.seed,
        )


@contextmanager
def _setting_aside(run: Path, *, overwrite: bool) -> Iterator[None]:
    """Move an earlier run out of the way; it comes back if the new one cannot even begin.

    Raises:
        OutputExistsError: There is something, and it is not to be replaced.
        RunError: The earlier run is being trained at this moment.
        StorageError: What is there is no run.
    """
    from CrossModalSegLib.data.output_folders import require_free
    from CrossModalSegLib.training.run_folder import RunFolder, is_first_process

    if not is_first_process():  # of several that train together; the first looks after the folder
        yield
        return
    require_free(run, CONFIG_FILE, overwrite=overwrite)
    if not (run / CONFIG_FILE).is_file():
        yield
        return
    holder = RunFolder(run).lock_holder()
    if holder is not None:
        raise RunError(
            f"{run} is being trained by process {holder['pid']} on {holder['host']}.",
            hint="Cancel that run first, or choose another folder.",
        )
    aside = run.with_name(f".{run.name}.{uuid4().hex[:8]}.replaced")
    with storage_errors(run):
        run.replace(aside)
    try:
        yield
    finally:
        if run.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.replace(run)
