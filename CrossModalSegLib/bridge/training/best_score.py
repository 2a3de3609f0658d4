"""The best label-free score of a run so far."""

from __future__ import annotations

import math
from collections.abc import Mapping

from CrossModalSegLib.core.events import Event

LABEL_FREE_SCORE = "label_free_score"
"""Its name in `metrics` events."""


class BestScore:
    """The running maximum; a resumed run takes back what it does again."""

    def __init__(self) -> None:
        self._records: list[tuple[int, float]] = []

    @property
    def value(self) -> float | None:
        """The highest score, or None before the first one."""
        return self._records[-1][1] if self._records else None

    @property
    def iteration(self) -> int | None:
        """At which it was reached."""
        return self._records[-1][0] if self._records else None

    def take(self, event: Event) -> None:
        """Look at a `metrics` event; what is no score is ignored."""
        step, values = event.get("step"), event.get("values")
        score = values.get(LABEL_FREE_SCORE) if isinstance(values, Mapping) else None
        if not isinstance(step, int) or not isinstance(score, (int, float)):
            return
        while self._records and self._records[-1][0] >= step:
            self._records.pop()
        is_best = not self._records or score >= self._records[-1][1]
        if is_best and math.isfinite(score):
            self._records.append((step, float(score)))
