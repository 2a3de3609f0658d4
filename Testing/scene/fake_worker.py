"""A worker within this process: obeys at each poll, and segments by thresholds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import read_image, write_volume

OnEvent = Callable[[Event], None]
Segment = Callable[[list[Volume]], Volume]


def by_thresholds(images: list[Volume]) -> Volume:
    """Label voxels by intensity: 100 is class 1, 200 is class 2, and so on."""
    return images[0].with_array(np.rint(images[0].array_kji / 100).astype(np.uint8))


class FakeJobs:
    """Looks like `WorkerJobs`; one event of one job is told at each poll.

    Attributes:
        requests: Arguments of the jobs, in order.
        cancelled: Jobs that were cancelled.
        inputs: What the latest job read.
        holds: Whether jobs stop short of their results.
        last_words: If given, jobs die with this error event in place of their results.
    """

    def __init__(self, task: Task = TASKS["cardiac"], segment: Segment = by_thresholds) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.cancelled: list[str] = []
        self.inputs: list[Volume] = []
        self.holds = False
        self.last_words: dict[str, str] = {}
        self._task = task
        self._segment = segment
        self._jobs: dict[str, tuple[Iterator[Event], OnEvent]] = {}
        self._told: deque[tuple[OnEvent, Event]] = deque()

    def as_jobs(self) -> WorkerJobs:
        """Return this as what it stands for."""
        return cast("WorkerJobs", self)

    def submit(self, command: str, arguments: Mapping[str, Any], on_event: OnEvent) -> str:
        assert command == "segment"
        name = f"job-{len(self.requests)}"
        self.requests.append(dict(arguments))
        self._jobs[name] = (self._events(name, arguments), on_event)
        return name

    def cancel(self, job: str) -> None:
        if job in self._jobs:
            _, on_event = self._jobs.pop(job)
            self.cancelled.append(job)
            self._told.append((on_event, {"event": "cancelled", "job": job}))

    def poll(self) -> None:
        while self._told:
            on_event, event = self._told.popleft()
            on_event(event)
        for name, (events, on_event) in list(self._jobs.items()):
            event = next(events)
            if event["event"] in {"done", "error"}:
                del self._jobs[name]
            on_event(event)

    def _events(self, job: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        try:
            yield from self._work(job, arguments)
        except CrossModalSegError as error:
            content = {"kind": error.kind, "message": error.message, "hint": error.hint}
            yield {"event": "error", "job": job, **content}

    def _work(self, job: str, arguments: Mapping[str, Any]) -> Iterator[Event]:
        yield {"event": "stage", "job": job, "stage": "load", "total": 1}
        yield {"event": "stage", "job": job, "stage": "read", "total": 1}
        self.inputs = [read_image(path) for path in arguments["inputs"]]
        for done in range(4):
            progress = {"stage": "slices", "done": done, "total": 4, "eta_seconds": 4.0 - done}
            yield {"event": "progress", "job": job, **progress}
        while self.holds:
            yield {"event": "progress", "job": job, "stage": "slices", "done": 3, "total": 4}
        if self.last_words:
            yield {"event": "error", "job": job, **self.last_words}
        warning = {"kind": "modality", "message": f"{arguments['inputs'][0]} is odd.", "hint": ""}
        yield {"event": "warning", "job": job, **warning}
        labels = self._segment(self.inputs)
        write_segmentation(labels, self._task, arguments["output"])
        if arguments["uncertainty"]:
            doubt = labels.with_array((labels.array_kji > 0).astype(np.float32) * 0.5)
            write_volume(doubt, Path(arguments["uncertainty"]))
        summary = {"seconds": 0.1, "device": "cpu", "warnings": [warning]}
        yield {"event": "done", "job": job, "outputs": [arguments["output"]], "summary": summary}
