"""`benchmark`: methods, bounds and ablations on phantoms, trained, scored and put into tables."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from CrossModalSegLib.cli.command import JobCommand, NegativeAnswer
from CrossModalSegLib.core.events import Reporter


@dataclass(frozen=True, kw_only=True)
class Benchmark(JobCommand):
    """Train, score and compare the bounds, the methods and their ablations on phantoms.

    Everything is made on this computer; nothing is downloaded. The same command goes on with a
    benchmark that was stopped or killed, and adds to one that is there: what is finished is not
    done again. Tables list all rows and print "not run" where nothing was measured.
    """

    output: Path
    """Folder for all that the benchmark makes; one that is there is added to."""
    suite: str = "phantom"
    """phantom, or a TOML file that describes subjects, directions and rows."""
    methods: Annotated[tuple[str, ...], tyro.conf.arg(metavar="ROW [...]")] = ()
    """Rows of the tables to train: source_only, source_only_augmented, supervised, a method, or
    one of its ablations. Default: all."""
    tasks: Annotated[tuple[str, ...], tyro.conf.arg(metavar="DIRECTION [...]")] = ()
    """Directions, like cardiac_ct_to_mr, or groups of them, like cardiac. Default: all."""
    seeds: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N [...]")] = ()
    """Of the trainings, one training each; the subjects stay the same. Default: that of --seed."""
    preset: str = "small"
    """Size of the trainings: quick, small, medium or paper, as far as the methods have it."""
    rerun: bool = False
    """Train all of the chosen part anew. (With --overwrite only what was trained with other
    settings than now is trained anew; without either, such trainings are an error.)"""

    def run(self, reporter: Reporter) -> None:
        """Do what is left to do of the chosen part, and write the tables.

        Raises:
            RunError: Another benchmark works in the folder, or settings have changed.
            UnknownNameError: No such suite, row or direction.
            NegativeAnswer: Some trainings failed; the others were done.
            Cancelled: The user asked to stop; the same command goes on.
        """
        from CrossModalSegLib.cli.benchmark_folder import open_folder
        from CrossModalSegLib.cli.benchmark_job import BenchmarkJob, failed_rows
        from CrossModalSegLib.cli.benchmark_plan import (
            clear_outdated,
            make_plan,
            require_unchanged,
        )
        from CrossModalSegLib.cli.benchmark_suite import choose_trials, load_suite
        from CrossModalSegLib.training.folder_lock import locked

        suite = load_suite(self.suite)
        trials = choose_trials(
            suite, rows=self.methods, directions=self.tasks, seeds=self.seeds or (self.seed,)
        )
        folder = open_folder(self.output, suite)
        job = BenchmarkJob(
            suite=suite,
            folder=folder,
            command=shlex.join(["crossmodalseg", *sys.argv[1:]]),
            device=self.device,
        )
        with locked(
            folder.lock_file,
            f"A benchmark is being run in {folder.path}",
            "Wait for it, stop it, or choose another folder.",
        ):
            plan = make_plan(suite, folder, trials, self.preset)
            require_unchanged(plan, folder, overwrite=self.overwrite or self.rerun)
            plan = clear_outdated(plan, overwrite=self.overwrite, rerun=self.rerun)
            failures = job.work(plan, reporter)
        summary = {**job.summary(), "failed": failed_rows(failures)}
        reporter.done(
            [folder.report, folder.results], {key: value for key, value in summary.items() if value}
        )
        if failures:
            raise NegativeAnswer
