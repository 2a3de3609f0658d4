"""What a run's journal says so far, taken in event by event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.bridge.event_lines import is_terminal
from CrossModalSegLib.bridge.training.best_score import BestScore
from CrossModalSegLib.bridge.training.curves import MAX_POINTS, Curves
from CrossModalSegLib.core.events import Event

WHOLE_RUN = "train"
"""The stage of a run's journal that spans all the others."""

PAUSED = "paused"

MAX_MESSAGES = 200
MAX_PREVIEWS = 100

Ending = Literal["done", "error", "cancelled"]


@dataclass(frozen=True)
class Message:
    """A warning or an error of a run."""

    event: Literal["warning", "error"]
    message: str
    hint: str
    time: float
    kind: str = ""
    """Stable name of what it is about, e.g. "out_of_memory"."""


@dataclass(frozen=True)
class Preview:
    """A picture that the run drew."""

    path: Path
    caption: str


class RunLog:
    """State of one run by its journal; a resumed run takes back its earlier end.

    Args:
        max_points: Of a curve; few where curves are not shown.
    """

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self.curves = Curves(max_points)
        self.best = BestScore()
        self.messages: deque[Message] = deque(maxlen=MAX_MESSAGES)
        self.previews: deque[Preview] = deque(maxlen=MAX_PREVIEWS)
        self.stages: dict[str, int] = {}
        """Length of each stage in iterations, in order."""
        self.done = 0
        self.total = 0
        self.eta_seconds: float | None = None
        self.is_paused = False
        self.ending: Ending | None = None
        self.summary: dict[str, Any] = {}
        self.outputs: tuple[str, ...] = ()
        self.last_time = 0.0
        self._readers: Mapping[str, Callable[[Event], None]] = {
            "stage": self._take_stage,
            "progress": self._take_progress,
            "metrics": self._take_metrics,
            "preview": self._take_preview,
            "warning": self._take_message,
            "error": self._take_message,
            "done": self._take_done,
        }

    @property
    def stage(self) -> str:
        """The stage that the present iteration belongs to; "" if none is known."""
        passed = 0
        for name, length in self.stages.items():
            passed += length
            if self.done < passed:
                return name
        return next(reversed(self.stages), "")

    def take(self, event: Event) -> None:
        """Add the next event; one that is damaged in part counts for what it says."""
        kind = event["event"]
        self.last_time = _number(event.get("time")) or self.last_time
        if is_terminal(event):
            self.ending, self.is_paused = kind, False
        elif kind in {"stage", "progress"}:
            self.ending, self.is_paused = None, event.get("stage") == PAUSED
        reader = self._readers.get(kind)
        if reader is not None:
            reader(event)

    def _take_stage(self, event: Event) -> None:
        name, total = event.get("stage"), event.get("total")
        if name == WHOLE_RUN:
            self.total = int(_number(total) or 0)
            self.eta_seconds = None
        elif name != PAUSED and isinstance(name, str):
            self.stages[name] = int(_number(total) or 0)

    def _take_progress(self, event: Event) -> None:
        if event.get("stage") == WHOLE_RUN:
            self.done = int(_number(event.get("done")) or 0)
            self.total = int(_number(event.get("total")) or self.total)
            self.eta_seconds = _number(event.get("eta_seconds"))

    def _take_metrics(self, event: Event) -> None:
        self.curves.take(event)
        self.best.take(event)

    def _take_preview(self, event: Event) -> None:
        self.previews.append(Preview(Path(str(event.get("path"))), str(event.get("caption", ""))))

    def _take_message(self, event: Event) -> None:
        kind: Literal["warning", "error"] = "error" if event["event"] == "error" else "warning"
        text, hint = str(event.get("message", "")), str(event.get("hint", ""))
        about = str(event.get("kind", ""))
        self.messages.append(Message(kind, text, hint, self.last_time, about))

    def _take_done(self, event: Event) -> None:
        summary, outputs = event.get("summary"), event.get("outputs")
        self.summary = dict(summary) if isinstance(summary, Mapping) else {}
        self.outputs = tuple(str(path) for path in outputs) if isinstance(outputs, list) else ()
        self.done = max(self.done, self.total)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None
