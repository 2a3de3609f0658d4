"""What the trainings took, which of their models was chosen, and what that cost in hindsight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.cli.benchmark_folder import SCORES_FILE, TrialFolder
from CrossModalSegLib.cli.benchmark_results import NOT_RUN, Results, TrialResult
from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.evaluation.grids import Grid, GridRow
from CrossModalSegLib.evaluation.records import read_scores
from CrossModalSegLib.evaluation.tables import mean_dice
from CrossModalSegLib.training.run_folder import RunFolder, read_journal

UNDEFINED = "-"

HASH_DIGITS = 8

_UNSCORED = {"begun": "unfinished", "finished": UNDEFINED, "failed": "failed"}

RUNS_NOTE = (
    "Chosen: the iteration with the highest label-free score; no test subject, and but for the "
    "supervised rows no label of the target, is looked at. Hindsight: Dice of the chosen model "
    "minus that of the last iteration's, on the unseen subjects; it chooses nothing. Minutes: of "
    "training, from the run's journal; on a machine with other work they say little. Memory: "
    "highest resident memory of the process while it trained, in 2^20 bytes. Settings and code: "
    "first digits of the hashes of all settings and of the sources."
)


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """How a training went; None where it is not known.

    Attributes:
        iterations: In all.
        chosen_iteration: Whose model was deployed.
        label_free_score: Of that model.
        seconds: Of training.
        last_dice: Mean Dice in percent of the last iteration's model.
        device: That it was trained on.
    """

    iterations: int | None = None
    chosen_iteration: int | None = None
    label_free_score: float | None = None
    seconds: float | None = None
    last_dice: float | None = None
    device: str = ""


def read_facts(folder: TrialFolder, row: str) -> RunFacts:
    """Read what the folder of a trial tells.

    Raises:
        ConfigError: A file is damaged.
    """
    config = folder.bundle / "configs" / "config.json"
    training: dict[str, Any] = read_json(config)["training"] if config.is_file() else {}
    last = folder.last / SCORES_FILE
    journal = RunFolder(folder.run).journal_file
    return RunFacts(
        iterations=training.get("iterations"),
        chosen_iteration=training.get("chosen_iteration"),
        label_free_score=training.get("selection_score"),
        seconds=training_seconds(journal) if journal.is_file() else None,
        last_dice=mean_dice(read_scores(last)).get(row) if last.is_file() else None,
        device=training.get("device", ""),
    )


def training_seconds(journal: Path) -> float:
    """Return how long a run was at work: the time between its events, pauses and kills left out.

    A run announces its stages when it begins and when it goes on; the time before an announcement
    is that in which nobody trained.
    """
    seconds = 0.0
    before: float | None = None
    for event in read_journal(journal):
        time = event.get("time")
        if not isinstance(time, (int, float)):
            continue
        if before is not None and event.get("event") != "stage":
            seconds += max(0.0, time - before)
        before = float(time)
    return seconds


def runs_grid(results: Results) -> Grid:
    """Lay out one line a trial; rows that were never begun have one line, too."""
    rows = []
    for direction in results.suite.directions:
        for row in results.suite.rows_of(direction):
            found = [
                result
                for result in results.trials
                if (result.trial.direction.name, result.trial.row.name)
                == (direction.name, row.name)
            ]
            rows += [GridRow(cells=_cells(results, result)) for result in found]
            if not found:
                label = results.labels[row.name]
                empty = [""] * (len(_HEADS) - 4)
                rows.append(GridRow(cells=(direction.title, label, "", NOT_RUN, *empty)))
    return Grid(name="runs", title="Trainings", header=_HEADS, rows=tuple(rows), notes=(RUNS_NOTE,))


_HEADS = (
    *("Direction", "Row", "Seed", "Dice (%)", "Preset", "Iterations", "Chosen", "Label-free score"),
    *("Hindsight", "Minutes", "Memory (MiB)", "GPU (MiB)", "Device", "Settings", "Code"),
)


def _cells(results: Results, result: TrialResult) -> tuple[str, ...]:
    trial, state = result.trial, result.state
    facts = read_facts(result.folder, trial.row.name)
    dice = result.mean("dice")
    hindsight = None if dice is None or facts.last_dice is None else dice - facts.last_dice
    code = "+".join(name[:HASH_DIGITS] for name in (state.code["sources"], *state.resumed_with))
    return (
        trial.direction.title,
        results.labels[trial.row.name],
        str(trial.seed),
        _text(dice, ".1f") if result.records else _UNSCORED[state.status],
        state.preset,
        _text(facts.iterations, "d"),
        _text(facts.chosen_iteration, "d"),
        _text(facts.label_free_score, ".3f"),
        _text(hindsight, "+.1f"),
        _text(None if facts.seconds is None else facts.seconds / 60, ".1f"),
        _text(state.peak_memory_mb, ".0f"),
        _text(state.peak_gpu_mb, ".0f"),
        facts.device,
        state.preset_hash[:HASH_DIGITS],
        code,
    )


def _text(value: float | None, form: str) -> str:
    return UNDEFINED if value is None else format(value, form)
