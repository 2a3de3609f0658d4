"""Scores that tests make up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from CrossModalSegLib.evaluation.comparison import Comparison, Direction
from CrossModalSegLib.evaluation.records import ScoreRecord
from CrossModalSegLib.evaluation.score_table import Across

MakeScores = Callable[..., tuple[ScoreRecord, ...]]
MakeComparison = Callable[..., Comparison]


@pytest.fixture
def scores() -> MakeScores:
    """Return a function that makes records; distances are 100 x (1 - Dice)."""

    def make(
        method: str, dice: Sequence[float], regions: Sequence[str] = ("MYO", "LAC", "LVC", "AA")
    ) -> tuple[ScoreRecord, ...]:
        return tuple(
            ScoreRecord(
                method=method,
                case=f"c{index}",
                region=region,
                dice=value,
                hd_mm=100 * (1 - value),
                hd95_mm=100 * (1 - value),
                asd_mm=100 * (1 - value),
                assd_mm=100 * (1 - value),
                assd_voxels=100 * (1 - value),
                volume_ml=1.0,
                reference_volume_ml=1.0,
                empty="none",
                further={"nsd": value},
            )
            for index, value in enumerate(dice)
            for region in regions
        )

    return make


@pytest.fixture
def compare(scores: MakeScores) -> MakeComparison:
    """Return a function that compares: directions by name, in them Dice by method and run."""

    def make(
        directions: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
        across: Across = "patients",
        regions: Sequence[str] = ("MYO", "LAC", "LVC", "AA"),
    ) -> Comparison:
        return Comparison(
            directions=tuple(
                Direction(
                    name=name,
                    runs=tuple(
                        scores(method, run, regions)
                        for method, runs in methods.items()
                        for run in runs
                    ),
                )
                for name, methods in directions.items()
            ),
            across=across,
            policy="brats",
            labels={"glua": "GLUA", "source_only": "No adaptation"},
        )

    return make
