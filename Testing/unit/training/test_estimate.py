"""Time of a training, measured by a few iterations."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import Cancelled
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.methods import method_class
from CrossModalSegLib.training.estimate import MAX_ITERATIONS, Estimate, StageTime, estimate
from CrossModalSegLib.training.settings import load_preset


@pytest.mark.parametrize("method", ["source_only", "bigl"])
def test_every_stage_is_measured(
    method: str, cohorts: dict[str, Path], tiny_settings: tuple[str, ...]
) -> None:
    source, target = (Cohort.open(cohorts[name]) for name in ("source", "target"))
    preset = load_preset(method, "quick", source.task, tiny_settings)
    found = estimate(method, preset, (source, target, source.task), silent_reporter(), device="cpu")
    stages = method_class(method)(preset.method).stages()
    assert [(each.stage, each.iterations) for each in found.stages] == [
        (stage.name, stage.iterations) for stage in stages
    ]
    assert all(0 < each.measured <= MAX_ITERATIONS for each in found.stages)
    assert all(each.seconds > 0 for each in found.stages)
    assert found.device == "cpu"
    assert found.total_seconds > sum(each.iterations * each.seconds for each in found.stages)


def test_the_whole_is_extrapolated_from_its_parts() -> None:
    stages = (
        StageTime(stage="warm_up", iterations=100, measured=5, seconds=0.1),
        StageTime(stage="train", iterations=1000, measured=5, seconds=0.5),
    )
    found = Estimate(device="cpu", stages=stages, score_seconds=2.0, scores=11)
    assert found.total_seconds == pytest.approx(10 + 500 + 22)


def test_it_can_be_cancelled(cohorts: dict[str, Path], tiny_settings: tuple[str, ...]) -> None:
    source, target = (Cohort.open(cohorts[name]) for name in ("source", "target"))
    preset = load_preset("source_only", "quick", source.task, tiny_settings)
    reporter = Reporter()
    reporter.cancel.set()
    with pytest.raises(Cancelled):
        estimate("source_only", preset, (source, target, source.task), reporter, device="cpu")
