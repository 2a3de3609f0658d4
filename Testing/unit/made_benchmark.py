"""A benchmark's folder as trainings would have left it, with made-up scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder, open_folder
from CrossModalSegLib.cli.benchmark_settings import trial_settings
from CrossModalSegLib.cli.benchmark_state import new_state, write_state
from CrossModalSegLib.cli.benchmark_suite import Suite, Trial, load_suite
from CrossModalSegLib.cli.benchmark_tables import write_tables
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.records import ScoreRecord
from CrossModalSegLib.evaluation.score_folder import write_score_folder


class MadeBenchmark:
    """A benchmark's folder as trainings would have left it."""

    def __init__(self, path: Path) -> None:
        self.suite: Suite = load_suite("phantom")
        self.folder: BenchmarkFolder = open_folder(path, self.suite)

    def add(
        self, row: str, dice: Sequence[float], seed: int = 0, direction: str = "cardiac_ct_to_mr"
    ) -> Path:
        """Add a finished trial with one Dice (0 to 1) a case, the same in all structures."""
        rows = {entry.name: entry for entry in self.suite.rows}
        directions = {entry.name: entry for entry in self.suite.directions}
        trial = Trial(directions[direction], rows[row], seed)
        settings = trial_settings(self.suite, trial.direction, trial.row, "quick")
        place = self.folder.trial(trial)
        state = new_state(
            trial, settings, phantom={"seed": 0}, sources="abcdef0123456789" * 4, device="cpu"
        )
        write_state(place, replace(state, status="finished", peak_memory_mb=512.0))
        regions = [region.name for region in TASKS[trial.direction.task].regions]
        records = [
            made_record(row, f"case_{number}", region, value)
            for number, value in enumerate(dice)
            for region in regions
        ]
        provenance = Provenance(
            version="0", command="made up", task=trial.direction.task, policy="brats"
        )
        place.scores.mkdir()
        write_score_folder(place.scores, records, provenance)
        return place.path

    def table(self, name: str) -> dict[str, dict[str, str]]:
        """Return the cells of a written table by its first column."""
        write_tables(self.folder, self.suite)
        content = json.loads((self.folder.results / f"{name}.json").read_text(encoding="utf-8"))
        first = content["columns"][0]
        return {row["cells"][first]: row["cells"] for row in content["rows"]}


def made_record(method: str, case: str, region: str, dice: float) -> ScoreRecord:
    """Return a record whose distances follow from its Dice."""
    distance = 10 * (1 - dice)
    return ScoreRecord(
        method=method,
        case=case,
        region=region,
        dice=dice,
        hd_mm=4 * distance,
        hd95_mm=3 * distance,
        asd_mm=2 * distance,
        assd_mm=2 * distance,
        assd_voxels=distance,
        volume_ml=1.0,
        reference_volume_ml=1.0,
        empty="none",
    )
