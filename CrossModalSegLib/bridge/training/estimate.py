"""What a training would take here, measured by a few iterations in a process, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.training.training_request import TrainingRequest
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError, RunError
from CrossModalSegLib.core.events import Event

MINUTE, HOUR, DAY = 60, 3600, 86_400


class EstimateJob:
    """One measurement at a time; a new one takes the place of the one before.

    Args:
        workspace: Nothing is written to it.
        on_result: Called from `poll` with the measurement in words.
        on_error: Called from `poll` with why there is none.
        make_job: Replaced in tests.
    """

    def __init__(
        self,
        workspace: Workspace,
        on_result: Callable[[str], None],
        on_error: Callable[[CrossModalSegError], None],
        make_job: Callable[..., CommandJob] = CommandJob,
    ) -> None:
        self._workspace, self._make_job = workspace, make_job
        self._on_result, self._on_error = on_result, on_error
        self._job: CommandJob | None = None
        self._dropped: list[CommandJob] = []
        """Asked to stop, and not gone yet."""

    @property
    def is_running(self) -> bool:
        """Whether something is being measured."""
        return self._job is not None

    @property
    def is_busy(self) -> bool:
        """Whether a process of it is there still."""
        return self._job is not None or bool(self._dropped)

    def start(self, request: TrainingRequest) -> None:
        """Begin to measure."""
        self.cancel()
        arguments = request.options(self._workspace.runs / "not-written")
        job: CommandJob | None = None

        def take(event: Event) -> None:
            if job is self._job:
                self._take(event)

        job = self._make_job([*arguments, "--estimate"], take)
        self._job = job
        job.start()

    def cancel(self) -> None:
        """Stop measuring; the process ends by and by."""
        job, self._job = self._job, None
        if job is not None:
            job.cancel()
            self._dropped.append(job)

    def poll(self) -> None:
        """Let the result arrive."""
        for job in self._dropped:
            job.poll()
        self._dropped = [job for job in self._dropped if job.is_running]
        if self._job is not None:
            self._job.poll()

    def shutdown(self) -> None:
        """Stop measuring, and wait until the process is gone."""
        self.cancel()
        for job in self._dropped:
            job.shutdown(seconds=0.5)
        self._dropped = []

    def _take(self, event: Event) -> None:
        if event["event"] == "done":
            self._job = None
            self._on_result(estimate_text(event.get("summary", {})))
        elif event["event"] in {"error", "cancelled"}:
            self._job = None
            message = str(event.get("message", "The measurement was stopped."))
            self._on_error(RunError(message, hint=str(event.get("hint", ""))))


def estimate_text(summary: Mapping[str, Any]) -> str:
    """Return a measurement in words: how long, how much memory, and what was measured."""
    stages = summary.get("seconds_per_iteration", {})
    paces = ", ".join(f"{name} {seconds:.3g} s" for name, seconds in stages.items())
    gpu = summary.get("gpu_memory_mib")
    memory = f"{summary['memory_mib'] / 1024:.1f} GiB of memory"
    if gpu is not None:
        memory += f" and {gpu / 1024:.1f} GiB on the GPU"
    return (
        f"About {duration_text(summary['total_seconds'])} for {summary['iterations']} iterations "
        f"on {summary['device']}, {memory}. Measured over {summary['measured_iterations']} "
        f"iterations (one takes: {paces}); pictures and checkpoints come on top."
    )


def duration_text(seconds: float) -> str:
    """Return a time as people say it: "45 s", "12 min", "3 h 20 min", "2 d 4 h"."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        hours, rest = divmod(round(seconds / MINUTE), 60)
        return f"{hours} h {rest} min"
    days, rest = divmod(round(seconds / HOUR), 24)
    return f"{days} d {rest} h"
