"""`train --estimate`: what a training would take, as a summary."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.cli.memory_watch import MemoryWatch
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.estimate import estimate
from CrossModalSegLib.training.settings import load_preset
from CrossModalSegLib.training.train import RunRequest, open_cohorts


def estimated(request: RunRequest, reporter: Reporter) -> dict[str, Any]:
    """Measure a few iterations of every stage, and return times in seconds and memory in MiB.

    Raises:
        CrossModalSegError: The training could not even begin; see `training.train`.
    """
    source, target, task = open_cohorts(request)
    preset = load_preset(
        request.method,
        request.preset,
        task,
        request.overrides,
        num_channels=source.num_channels,
    )
    with MemoryWatch() as memory:
        found = estimate(
            request.method,
            preset,
            (source, target, task),
            reporter,
            device=request.device,
            seed=request.seed,
        )
    gpu_mib = memory.peak_gpu_mb if found.device.startswith("cuda") else None
    return {
        "device": found.device,
        "iterations": sum(stage.iterations for stage in found.stages),
        "measured_iterations": sum(stage.measured for stage in found.stages),
        "seconds_per_iteration": {stage.stage: round(stage.seconds, 4) for stage in found.stages},
        "total_seconds": round(found.total_seconds),
        "memory_mib": round(memory.peak_mb),
        "gpu_memory_mib": None if gpu_mib is None else round(gpu_mib),
    }
