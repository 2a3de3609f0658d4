"""One call of the benchmark: trial after trial, and the tables after each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from CrossModalSegLib.cli.benchmark_data import make_trial_data, test_data
from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder, describe_subjects
from CrossModalSegLib.cli.benchmark_plan import Plan, PlannedTrial
from CrossModalSegLib.cli.benchmark_report import ReportWork, write_reports
from CrossModalSegLib.cli.benchmark_results import read_results
from CrossModalSegLib.cli.benchmark_settings import sources_hash
from CrossModalSegLib.cli.benchmark_state import TrialState, new_state, read_state, write_state
from CrossModalSegLib.cli.benchmark_suite import Suite
from CrossModalSegLib.cli.benchmark_tables import summary_grid, write_tables
from CrossModalSegLib.cli.benchmark_trial import TrialWork, run_trial
from CrossModalSegLib.cli.command import explained
from CrossModalSegLib.cli.overall_progress import OverallProgress
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError, StorageError
from CrossModalSegLib.core.events import Reporter

BAR_PARTS = 1000
"""A benchmark takes hours; percent would stand still."""

RESULTS = "results"


@dataclass(frozen=True, kw_only=True)
class BenchmarkJob:
    """What a call works with.

    Attributes:
        suite: What there could be.
        folder: Where.
        command: The command line, for the provenance.
        device: Where networks compute.
    """

    suite: Suite
    folder: BenchmarkFolder
    command: str
    device: str

    def work(self, plan: Plan, reporter: Reporter) -> dict[str, CrossModalSegError]:
        """Do the trials; one that fails does not stop the others.

        Returns:
            Why trials failed, by their names.

        Raises:
            Cancelled: The user asked to stop.
            StorageError: The disk is full: nothing else could be written either.
        """
        failures = dict(plan.failures)
        for name, error in failures.items():
            _tell(name, error, reporter)
        todo = [planned for planned in plan.trials if not planned.is_finished]
        efforts = {planned.trial.name: planned.effort for planned in todo}
        efforts[RESULTS] = 0.02 * sum(efforts.values()) + 1.0
        progress = OverallProgress(reporter, "benchmark", efforts, BAR_PARTS)
        sources = sources_hash()
        for planned, following in zip_longest(todo, todo[1:]):
            progress.begin(planned.trial.name)
            try:
                self._run(planned, sources, progress.steps)
            except (Cancelled, StorageError):
                raise
            except Exception as error:  # noqa: BLE001  (it is told, and the others go on)
                failures[planned.trial.name] = self._fail(planned, explained(error), reporter)
            write_tables(self.folder, self.suite)
            if following is not None and following.trial.block != planned.trial.block:
                self._show_so_far(progress.steps)
        progress.begin(RESULTS)
        self._write_everything(progress.steps)
        progress.finish()
        return failures

    def _show_so_far(self, reporter: Reporter) -> None:
        """Write the report between two trainings, which it must not stop."""
        try:
            self._write_everything(reporter)
        except (Cancelled, StorageError):
            raise
        except CrossModalSegError as error:
            reporter.warning("report", f"The report was not written: {error.message}", error.hint)

    def _write_everything(self, reporter: Reporter) -> None:
        """Write tables, figures and the report, of whatever is there."""
        work = ReportWork(
            folder=self.folder,
            results=write_tables(self.folder, self.suite),
            tests={d.name: test_data(self.folder, self.suite, d) for d in self.suite.directions},
            command=self.command,
        )
        write_reports(work, reporter)

    def summary(self) -> dict[str, Any]:
        """Return what the end of the command says."""
        results = read_results(self.folder, self.suite)
        grid = summary_grid(results)
        rows = [dict(zip(grid.full_header, row.cells, strict=True)) for row in grid.rows]
        return {"results": rows}

    def _run(self, planned: PlannedTrial, sources: str, reporter: Reporter) -> None:
        trial = planned.trial
        data = make_trial_data(self.folder, self.suite, trial, reporter)
        state = self._state(planned, sources)
        work = TrialWork(
            folder=planned.folder, row=trial.row, data=data, state=state, command=self.command
        )
        run_trial(work, reporter)

    def _state(self, planned: PlannedTrial, sources: str) -> TrialState:
        if planned.before is not None:
            is_trained = planned.folder.bundle.is_dir()
            return planned.before if is_trained else planned.before.resumed(sources, self.device)
        return new_state(
            planned.trial,
            planned.settings,
            phantom=describe_subjects(self.suite.data[planned.trial.direction.data]),
            sources=sources,
            device=self.device,
        )

    def _fail(
        self, planned: PlannedTrial, error: CrossModalSegError, reporter: Reporter
    ) -> CrossModalSegError:
        """Note that a trial failed, and say so."""
        state = read_state(planned.folder) or self._state(planned, "")
        write_state(planned.folder, state.failed(error))
        _tell(planned.trial.name, error, reporter)
        return error


def failed_rows(failures: Mapping[str, CrossModalSegError]) -> list[dict[str, str]]:
    """Return what failed, as a table of the summary."""
    return [
        {"trial": name, "problem": error.message, "what_to_do": error.hint}
        for name, error in failures.items()
    ]


def _tell(name: str, error: CrossModalSegError, reporter: Reporter) -> None:
    reporter.warning("failed_trial", f"{name} failed: {error.message}", error.hint)
