"""What a benchmark's folder holds of results: the scored trials of all rows and directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, pstdev
from typing import Any

from CrossModalSegLib.cli.benchmark_folder import SCORES_FILE, BenchmarkFolder, TrialFolder
from CrossModalSegLib.cli.benchmark_plan import seeds_there
from CrossModalSegLib.cli.benchmark_state import TrialState, read_state
from CrossModalSegLib.cli.benchmark_suite import Suite, SuiteDirection, SuiteRow, Trial
from CrossModalSegLib.cli.benchmark_trial import POLICY
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.evaluation.comparison import Comparison, Direction, read_comparison
from CrossModalSegLib.evaluation.paper_layouts import rows_from_source
from CrossModalSegLib.evaluation.records import ScoreRecord, read_scores
from CrossModalSegLib.evaluation.score_table import (
    AUGMENTED,
    BOUNDS,
    LOWER_BOUND,
    UPPER_BOUND,
    Across,
)
from CrossModalSegLib.evaluation.tables import mean_metric
from CrossModalSegLib.methods import METHODS

NOT_RUN = "not run"


@dataclass(frozen=True)
class TrialResult:
    """A trial that was begun, and its scores if it has any."""

    trial: Trial
    folder: TrialFolder
    state: TrialState
    records: tuple[ScoreRecord, ...]

    def mean(self, metric: str) -> float | None:
        """Return the mean over the regions, as it is shown; None: undefined or not scored."""
        return mean_metric(self.records, metric).get(self.trial.row.name)

    @property
    def appearance(self) -> Any:
        """How the training images' appearance was changed at random; None: the method cannot."""
        return self.state.settings["method"].get("appearance")


@dataclass(frozen=True)
class Summary:
    """One row in one direction, over its seeds.

    Attributes:
        mean: Over the seeds, as the metric is shown.
        deviation: Population standard deviation across the seeds; None for a single one.
        seeds: Those that were scored.
    """

    mean: float
    deviation: float | None
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Results:
    """All trials of a folder, of whatever call of the command.

    Attributes:
        suite: Its rows and directions.
        trials: In the order of tables.
    """

    suite: Suite
    trials: tuple[TrialResult, ...]

    @cached_property
    def labels(self) -> dict[str, str]:
        """Names of the rows for people."""
        return {row.name: label_of(row) for row in self.suite.rows}

    def of(self, direction: SuiteDirection, row: str) -> tuple[TrialResult, ...]:
        """Return the scored trials of a row in a direction, by seed."""
        return tuple(
            result
            for result in self.trials
            if result.trial.direction.name == direction.name
            and result.trial.row.name == row
            and result.records
        )

    def summary(self, direction: SuiteDirection, row: str, metric: str = "dice") -> Summary | None:
        """Return a row's mean over its regions; None where nothing was measured."""
        found = {r.trial.seed: r.mean(metric) for r in self.of(direction, row)}
        means = {seed: value for seed, value in found.items() if value is not None}
        if not means:
            return None
        values = list(means.values())
        deviation = pstdev(values) if len(values) > 1 else None
        return Summary(fmean(values), deviation, tuple(means))

    def gap_closed(self, direction: SuiteDirection, row: str) -> float | None:
        """Return (row - source-only) / (supervised - source-only), in mean Dice over the seeds."""
        lower, upper = (self.summary(direction, name) for name in (LOWER_BOUND, UPPER_BOUND))
        own = self.summary(direction, row)
        if lower is None or upper is None or own is None or upper.mean <= lower.mean:
            return None
        return (own.mean - lower.mean) / (upper.mean - lower.mean)

    def equally_augmented(self, direction: SuiteDirection, row: str) -> str | None:
        """Return the source-only row with the same random changes of appearance.

        None where there is no such row, and for rows that do not adapt.
        """
        own = self.of(direction, row)
        for name in () if row in (*BOUNDS, AUGMENTED) else (AUGMENTED, LOWER_BOUND):
            bound = self.of(direction, name)
            if own and bound and own[0].appearance == bound[0].appearance:
                return name
        return None

    def change(self, direction: SuiteDirection, row: str, other: str) -> float | None:
        """Return the Dice points above another row, on the seeds that both have."""
        own = {result.trial.seed: result.mean("dice") for result in self.of(direction, row)}
        theirs = {result.trial.seed: result.mean("dice") for result in self.of(direction, other)}
        pairs = [(own[seed], theirs[seed]) for seed in own if seed in theirs]
        known = [one - two for one, two in pairs if one is not None and two is not None]
        return fmean(known) if known else None

    def gain(self, direction: SuiteDirection, row: str) -> float | None:
        """Return the Dice points above the equally augmented source-only row, same seeds."""
        base = self.equally_augmented(direction, row)
        return None if base is None else self.change(direction, row, base)


def read_results(folder: BenchmarkFolder, suite: Suite) -> Results:
    """Read everything that was begun in a folder.

    Raises:
        ConfigError: A file is damaged.
    """
    found = []
    for direction in suite.directions:
        for row in suite.rows_of(direction):
            first = folder.trial(Trial(direction, row, 0)).path
            for seed in seeds_there(first.parent):
                trial = Trial(direction, row, seed)
                place = folder.trial(trial)
                state = read_state(place)
                if state is None:
                    continue
                records = read_scores(place.scores / SCORES_FILE) if place.is_scored else ()
                found.append(TrialResult(trial, place, state, records))
    return Results(suite, tuple(found))


def label_of(row: SuiteRow) -> str:
    """Return the name of a row for people."""
    method = METHODS.get(row.method)
    return row.title or (row.name if method is None else method.title)


def main_rows(suite: Suite) -> tuple[str, ...]:
    """Return the rows that are no ablations, as tables list them: source-only first."""
    return rows_from_source([row.name for row in suite.rows if not row.ablation_of])


def compare_directions(
    results: Results,
    directions: Sequence[SuiteDirection],
    across: Across,
    rows: Sequence[str],
) -> Comparison | None:
    """Bring the scores of some directions and rows together; None if there are none.

    Args:
        results: Everything.
        directions: One or more.
        across: "patients" takes the first seed of each row; "runs" all of them.
        rows: That are listed, run or not, if they are part of any of the directions.
    """
    parts = {row.name for direction in directions for row in results.suite.rows_of(direction)}
    sources: list[str] = []
    for direction in directions:
        for row in rows:
            found = results.of(direction, row)
            chosen = found[:1] if across == "patients" else found
            sources += [f"{direction.title}={result.folder.scores}" for result in chosen]
    if not sources:
        return None
    comparison = read_comparison(sources, across=across, policy=POLICY, labels=results.labels)
    scored: Mapping[str, Direction] = {entry.name: entry for entry in comparison.directions}
    return replace(
        comparison,
        directions=tuple(scored.get(d.title) or _empty(d) for d in directions),
        listed=tuple(row for row in rows if row in parts),
        absent=NOT_RUN,
    )


def _empty(direction: SuiteDirection) -> Direction:
    regions = tuple(region.name for region in TASKS[direction.task].regions)
    return Direction(name=direction.title, runs=(), expected_regions=regions)
