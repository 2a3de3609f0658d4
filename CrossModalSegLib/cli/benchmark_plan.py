"""Which trials are to be done, and whether they fit to what is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder, TrialFolder
from CrossModalSegLib.cli.benchmark_settings import TrialSettings, differences, trial_settings
from CrossModalSegLib.cli.benchmark_state import TrialState, read_state
from CrossModalSegLib.cli.benchmark_suite import Suite, Trial
from CrossModalSegLib.core.errors import CrossModalSegError, RunError

LISTED_CHANGES = 6


@dataclass(frozen=True)
class PlannedTrial:
    """A trial, how it is to be made, and how far it is.

    Attributes:
        trial: Which one.
        folder: Where.
        settings: As the preset has them now.
        before: What is known of it; None if it was never begun.
    """

    trial: Trial
    folder: TrialFolder
    settings: TrialSettings
    before: TrialState | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be done."""
        is_done = self.folder.is_scored and self.folder.is_looked_back
        return self.before is not None and self.before.status == "finished" and is_done

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs between the settings that it was begun with and those of now."""
        return () if self.before is None else differences(self.before.settings, self.settings)

    @property
    def effort(self) -> float:
        """Rough time that is left."""
        return 0.0 if self.is_finished else self.settings.iterations * self.trial.row.effort


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        trials: In order.
        failures: Why others cannot even begin, by their names.
    """

    trials: tuple[PlannedTrial, ...]
    failures: dict[str, CrossModalSegError]


def make_plan(suite: Suite, folder: BenchmarkFolder, trials: Sequence[Trial], preset: str) -> Plan:
    """Read the presets of all trials and what is known of them."""
    planned: list[PlannedTrial] = []
    failures: dict[str, CrossModalSegError] = {}
    for trial in trials:
        try:
            settings = trial_settings(suite, trial.direction, trial.row, preset)
            place = folder.trial(trial)
            planned.append(PlannedTrial(trial, place, settings, read_state(place)))
        except CrossModalSegError as error:
            failures[trial.name] = error
    return Plan(tuple(planned), failures)


def require_unchanged(plan: Plan, folder: BenchmarkFolder, *, overwrite: bool) -> None:
    """Refuse to mix trainings with different settings in one row of a table.

    Args:
        plan: What is to be done.
        folder: What is there.
        overwrite: The chosen trials with other settings are going to be made anew.

    Raises:
        RunError: A chosen trial, or another seed of its row, was trained with other settings.
    """
    mixed = list(_other_seeds(plan, folder))
    if not overwrite:
        mixed = [(p.trial.name, p.changes) for p in plan.trials if p.changes] + mixed
    if not mixed:
        return
    name, changes = mixed[0]
    shown = "; ".join(changes[:LISTED_CHANGES])
    more = f" (and {len(changes) - LISTED_CHANGES} more)" if len(changes) > LISTED_CHANGES else ""
    names = ", ".join(dict.fromkeys(name for name, _ in mixed))
    raise RunError(
        f"Trained with other settings than they would be now: {names}. Of {name}: {shown}{more}.",
        hint="--overwrite trains them anew, as far as their seeds are among the chosen ones; or "
        "choose the preset that they were trained with, other rows, or another folder.",
    )


def clear_outdated(plan: Plan, *, overwrite: bool, rerun: bool) -> Plan:
    """Remove the chosen trials that are to be made anew, and return the plan without their past."""
    renewed = []
    for planned in plan.trials:
        if planned.before is not None and (rerun or (overwrite and planned.changes)):
            shutil.rmtree(planned.folder.path)
            planned = PlannedTrial(planned.trial, planned.folder, planned.settings, None)
        renewed.append(planned)
    return Plan(tuple(renewed), plan.failures)


def _other_seeds(plan: Plan, folder: BenchmarkFolder) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the trials of other seeds in the chosen rows that were trained with other settings."""
    chosen = {planned.trial.name for planned in plan.trials}
    rows = {(p.trial.direction.name, p.trial.row.name): p for p in plan.trials}
    for planned in rows.values():
        for seed in seeds_there(planned.folder.path.parent):
            other = Trial(planned.trial.direction, planned.trial.row, seed)
            if other.name in chosen:
                continue
            state = read_state(folder.trial(other))
            changes = () if state is None else differences(state.settings, planned.settings)
            if changes:
                yield other.name, changes


def seeds_there(row_folder: Path) -> tuple[int, ...]:
    """Return the seeds of a row that were begun, in order."""
    names = (path.name.removeprefix("seed_") for path in row_folder.glob("seed_*"))
    return tuple(sorted(int(name) for name in names if name.isdecimal()))
