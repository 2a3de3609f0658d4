"""What a long job tells the world: one stream of events for terminals, files and Slicer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError

T = TypeVar("T")

Event = dict[str, Any]
"""One JSON object of CONTRACTS' event format: v, job, event, time and the event's own fields."""

Sink = Callable[[Event], None]

EVENT_VERSION = 1


class CancelToken:
    """A wish to stop that one thread sets and another obeys at its next safe point."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether the job was asked to stop."""
        return self._event.is_set()


class Reporter:
    """Sends the events of one job to any number of sinks, and knows when it was cancelled.

    Args:
        job: Identifier of the job, repeated in each event.
        sinks: Called with each event, in order.
        cancel: Set by whoever may stop the job.
        clock: Seconds since the epoch; replaced in tests.
    """

    def __init__(
        self,
        job: str = "main",
        sinks: Sequence[Sink] = (),
        cancel: CancelToken | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.job = job
        self.cancel = cancel or CancelToken()
        self._sinks = list(sinks)
        self._clock = clock
        self._stage_began: dict[str, tuple[float, int]] = {}

    def add_sink(self, sink: Sink) -> None:
        """Send all further events to `sink` too."""
        self._sinks.append(sink)

    @contextmanager
    def also_to(self, sink: Sink) -> Iterator[None]:
        """Send the events of a block to `sink` too."""
        self._sinks.append(sink)
        try:
            yield
        finally:
            self._sinks.remove(sink)

    def stage(self, name: str, total: int | None = None, *, done: int = 0) -> None:
        """Announce that a stage of `total` steps begins, or goes on after `done` of them."""
        self._stage_began[name] = (self._clock(), done)
        self._send("stage", stage=name, total=total)

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Say how much of a stage is done; the time that remains is estimated from its pace."""
        now = self._clock()
        began, offset = self._stage_began.setdefault(stage, (now, done))
        eta = None
        if total is not None and done > offset:
            eta = (now - began) / (done - offset) * max(0, total - done)
        self._send("progress", stage=stage, done=done, total=total, eta_seconds=eta)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Report numbers of one training step; undefined ones become null."""
        self._send("metrics", step=step, values={k: _finite(v) for k, v in values.items()})

    def preview(self, path: Path, caption: str) -> None:
        """Point to a picture."""
        self._send("preview", path=str(path), caption=caption)

    def warning(self, kind: str, message: str, hint: str = "") -> None:
        """Tell of something that the user should know and that does not stop the job."""
        self._send("warning", kind=kind, message=message, hint=hint)

    def error(self, error: CrossModalSegError) -> None:
        """Tell why the job failed."""
        self._send("error", kind=error.kind, message=error.message, hint=error.hint)

    def cancelled(self) -> None:
        """Tell that the job stopped because it was asked to."""
        self._send("cancelled")

    def done(self, outputs: Iterable[Path | str], summary: Mapping[str, Any]) -> None:
        """Tell that the job succeeded and what it made."""
        self._send("done", outputs=[str(path) for path in outputs], summary=dict(summary))

    def check_cancelled(self) -> None:
        """Stop here if the job was cancelled.

        Raises:
            Cancelled: It was.
        """
        if self.cancel.is_set():
            raise Cancelled

    def track(self, items: Iterable[T], stage: str, total: int | None = None) -> Iterator[T]:
        """Yield `items`, reporting progress after each and stopping when cancelled.

        Raises:
            Cancelled: The job was cancelled between two items.
        """
        count = total
        if count is None and isinstance(items, Sequence):
            count = len(items)
        self.stage(stage, count)
        for done, item in enumerate(items, start=1):
            self.check_cancelled()
            yield item
            self.progress(stage, done, count)

    def relay(self, event: Event) -> None:
        """Pass on an event of another reporter as it is."""
        for sink in list(self._sinks):
            sink(event)

    def _send(self, event: str, **fields: Any) -> None:
        message: Event = {
            "v": EVENT_VERSION,
            "job": self.job,
            "event": event,
            "time": self._clock(),
            **fields,
        }
        self.relay(message)


def silent_reporter() -> Reporter:
    """Return a reporter that nobody listens to."""
    return Reporter()


def _finite(value: float) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
