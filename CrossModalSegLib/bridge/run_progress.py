"""One bar for everything between Apply and the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from CrossModalSegLib.core.events import Event


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """How far a run is.

    Attributes:
        fraction: 0 to 1 over the whole run; never falls.
        stage: Name of what is being done.
        message: The same for people.
        eta_seconds: Time that remains, None while nothing is known.
    """

    fraction: float
    stage: str
    message: str
    eta_seconds: float | None = None


class StageSpan(NamedTuple):
    """The part of the bar that a stage takes."""

    start: float
    end: float
    message: str


STAGES = {
    "export": StageSpan(0.0, 0.05, "Handing over the volume"),
    "wait": StageSpan(0.05, 0.06, "Waiting for the worker"),
    "load": StageSpan(0.06, 0.20, "Loading the model"),
    "read": StageSpan(0.20, 0.26, "Reading the volume"),
    "slices": StageSpan(0.26, 0.76, "Segmenting"),
    "quality": StageSpan(0.76, 0.86, "Seeing how steady the result is"),
    "restore": StageSpan(0.86, 0.92, "Bringing the result to the volume's grid"),
    "import": StageSpan(0.92, 0.97, "Reading the result"),
    "place": StageSpan(0.97, 1.0, "Placing the result"),
}
"""In their order; shares as of a warm worker on a processor. The segmenting takes most."""


class ProgressBar:
    """Turns stages of a run into a fraction that never falls."""

    def __init__(self) -> None:
        self._fraction = 0.0

    def at(self, stage: str, share: float = 0.0, eta_seconds: float | None = None) -> RunProgress:
        """Return the progress when `share` of a stage is done; unknown stages move nothing.

        Args:
            stage: Its name.
            share: 0 to 1.
            eta_seconds: Time until the end of the stage; that of later stages is added by the
                length of their parts of the bar.
        """
        span = STAGES.get(stage)
        if span is None:
            return RunProgress(fraction=self._fraction, stage=stage, message=stage.capitalize())
        reached = span.start + (span.end - span.start) * min(1.0, max(0.0, share))
        self._fraction = max(self._fraction, reached)
        remaining = None
        if eta_seconds is not None and reached < span.end:
            remaining = eta_seconds * (1.0 - reached) / (span.end - reached)
        return RunProgress(
            fraction=self._fraction, stage=stage, message=span.message, eta_seconds=remaining
        )

    def of_event(self, event: Event) -> RunProgress | None:
        """Return the progress that a worker's event tells of; None if it tells of none."""
        stage = str(event.get("stage", ""))
        if event["event"] == "stage":
            return self.at(stage)
        if event["event"] != "progress":
            return None
        done, total = event.get("done") or 0, event.get("total")
        share = done / total if total else 0.0
        return self.at(stage, share, event.get("eta_seconds"))
