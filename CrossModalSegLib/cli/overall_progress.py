"""One bar for a command of many steps, fed by the steps and by the progress of its trainings."""

from __future__ import annotations

from collections.abc import Mapping

from CrossModalSegLib.core.events import Event, Reporter


class OverallProgress:
    """Relays what the steps report, and shows how much of the whole is done.

    Args:
        reporter: Hears of everything.
        stage: Name of the bar.
        efforts: Share of each step in the whole, in any unit, by its name.
        total: Parts into which the bar is divided.
    """

    def __init__(
        self, reporter: Reporter, stage: str, efforts: Mapping[str, float], total: int = 100
    ) -> None:
        self.reporter = reporter
        self.steps = Reporter(job=reporter.job, sinks=[self._relay], cancel=reporter.cancel)
        """For the steps: the whole is not done when one of its trainings is."""
        self._stage, self._total = stage, total
        scale = total / (sum(efforts.values()) or 1.0)
        self._shares = {name: effort * scale for name, effort in efforts.items()}
        self._step = ""
        self._done = 0.0
        self._share = 0.0
        reporter.stage(stage, total)

    def begin(self, step: str) -> None:
        """Enter a step; the one before is done."""
        self._step = step
        self._done += self._share
        self._share = self._shares[step]
        self._show(self._done)

    def finish(self) -> None:
        """Everything is done."""
        self._show(self._total)

    def _relay(self, event: Event) -> None:
        if event["event"] == "done":
            return
        is_training = event.get("stage") == "train"
        self.reporter.relay({**event, "stage": f"train {self._step}"} if is_training else event)
        if is_training and event["event"] == "progress" and event["total"]:
            self._show(self._done + self._share * event["done"] / event["total"])

    def _show(self, done: float) -> None:
        self.reporter.progress(self._stage, round(done), self._total)
