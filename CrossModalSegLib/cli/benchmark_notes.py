"""What stands below the benchmark's tables: which seeds and which settings the numbers are of."""

from __future__ import annotations

from collections.abc import Sequence

from CrossModalSegLib.cli.benchmark_results import Results, TrialResult
from CrossModalSegLib.cli.benchmark_settings import differences, trial_settings
from CrossModalSegLib.cli.benchmark_suite import SuiteDirection
from CrossModalSegLib.core.errors import ConfigError


def seed_notes(results: Results, rows: Sequence[str]) -> tuple[str, ...]:
    """Say which seeds the means are of."""
    notes = []
    for direction in results.suite.directions:
        by_seeds: dict[tuple[int, ...], list[str]] = {}
        for row in rows:
            found = results.summary(direction, row)
            if found is not None:
                by_seeds.setdefault(found.seeds, []).append(results.labels[row])
        told = "; ".join(
            f"{'seeds' if len(seeds) > 1 else 'seed'} {', '.join(map(str, seeds))}: "
            f"{', '.join(names)}"
            for seeds, names in by_seeds.items()
        )
        if told:
            notes.append(f"{direction.title}: {told}.")
    return tuple(notes)


def settings_notes(results: Results) -> tuple[str, ...]:
    """Say where rows of one table have different presets, or older settings than these have now."""
    notes = []
    for direction in results.suite.directions:
        scored = [t for t in results.trials if t.records and t.trial.direction == direction]
        notes += _preset_notes(results, direction, scored)
        outdated = dict.fromkeys(
            results.labels[t.trial.row.name] for t in scored if _is_old(t, results)
        )
        if outdated:
            notes.append(
                f"{direction.title}: trained with other settings than their preset has now: "
                f"{', '.join(outdated)}."
            )
    return tuple(notes)


def _preset_notes(
    results: Results, direction: SuiteDirection, scored: Sequence[TrialResult]
) -> list[str]:
    by_preset: dict[str, dict[str, None]] = {}
    for result in scored:
        names = by_preset.setdefault(result.state.preset, {})
        names[results.labels[result.trial.row.name]] = None
    if len(by_preset) < 2:
        return []
    told = "; ".join(f"{preset}: {', '.join(names)}" for preset, names in by_preset.items())
    return [f"{direction.title}: of different presets, which do not compare: {told}."]


def _is_old(result: TrialResult, results: Results) -> bool:
    """Tell whether the settings of a trial are no longer those of its preset."""
    trial, state = result.trial, result.state
    try:
        now = trial_settings(results.suite, trial.direction, trial.row, state.preset)
    except ConfigError:  # there is no such preset any more
        return True
    return bool(differences(state.settings, now))
