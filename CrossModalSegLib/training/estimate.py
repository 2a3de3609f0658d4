"""How long a training would take, measured by a few of its iterations; nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.sampling import UnpairedSampler
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.training.engine import Engine
from CrossModalSegLib.training.selection import label_free_score
from CrossModalSegLib.training.settings import Preset
from CrossModalSegLib.training.slices import fixed_slices

WARM_UP_ITERATIONS = 1
"""Of each stage, not counted: they load code and plan memory."""

MAX_ITERATIONS = 5
STAGE_SECONDS = 6.0
"""A stage is measured by at most so many iterations and, after the first, for so long."""


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """What one iteration of a stage took.

    Attributes:
        stage: Its name.
        iterations: Of the whole training.
        measured: Iterations that were measured.
        seconds: Of one iteration, their mean.
    """

    stage: str
    iterations: int
    measured: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A training's time, extrapolated from what was measured.

    Attributes:
        device: Where it was measured.
        stages: In order.
        score_seconds: Of one label-free score.
        scores: Of the whole training.
    """

    device: str
    stages: tuple[StageTime, ...]
    score_seconds: float
    scores: int

    @property
    def total_seconds(self) -> float:
        """Of all iterations and scores; pictures, checkpoints and the bundle come on top."""
        steps = sum(stage.iterations * stage.seconds for stage in self.stages)
        return steps + self.scores * self.score_seconds


def estimate(
    method: str,
    preset: Preset,
    cohorts: tuple[Cohort, Cohort, Task],
    reporter: Reporter,
    *,
    device: str = "auto",
    seed: int = 0,
) -> Estimate:
    """Run a few iterations of every stage, from untrained weights, and time them.

    Args:
        method: Its name in the registry.
        preset: With the overrides applied.
        cohorts: Source, target (the source again for `supervised`) and their task.
        reporter: Gets the progress; may cancel.
        device: "auto", "cuda", "mps" or "cpu".
        seed: Of weights and slices.

    Raises:
        DeviceError: The device is not there.
        Cancelled: The user asked to stop.
    """
    source, target, _ = cohorts
    torch.manual_seed(seed)
    engine = Engine(build_method(method, to_dict(preset.method)), preset.training, device)
    settings = preset.training
    sampler = UnpairedSampler(
        source,
        target,
        batch_size=settings.batch_size,
        seed=seed,
        augment=settings.spatial,
        balance=settings.balance,
    )
    reporter.stage("measure", len(engine.stages))
    stages = []
    for index in range(len(engine.stages)):
        engine.begin_stage(index)
        stages.append(_time_stage(engine, sampler, reporter))
        reporter.progress("measure", index + 1, len(engine.stages))
    started = time.perf_counter()
    slices = fixed_slices(source, target if engine.method.uses_target else None)
    engine.method.eval()
    view = engine.method.learned_view
    label_free_score(
        engine.deployed_model(), slices, engine.autocast, 2 * settings.batch_size, view
    )
    score_seconds = time.perf_counter() - started
    return Estimate(
        device=str(engine.fabric.device),
        stages=tuple(stages),
        score_seconds=score_seconds,
        scores=engine.total_steps // settings.validate_every + 1,
    )


def _time_stage(engine: Engine, sampler: UnpairedSampler, reporter: Reporter) -> StageTime:
    """Time the present stage, from the drawing of slices to the end of the computation."""
    stage = engine.stage
    count, seconds = 0, 0.0
    wanted = min(MAX_ITERATIONS, stage.iterations - min(WARM_UP_ITERATIONS, stage.iterations - 1))
    if stage.iterations > 1:
        engine.run_iteration(sampler.next())
        _wait_for(engine)
    while count < wanted and (count == 0 or seconds < STAGE_SECONDS):
        reporter.check_cancelled()
        started = time.perf_counter()
        engine.run_iteration(sampler.next())
        _wait_for(engine)
        seconds += time.perf_counter() - started
        count += 1
    return StageTime(
        stage=stage.name,
        iterations=stage.iterations,
        measured=count,
        seconds=seconds / max(1, count),
    )


def _wait_for(engine: Engine) -> None:
    if engine.fabric.device.type == "cuda":
        torch.cuda.synchronize(engine.fabric.device)
