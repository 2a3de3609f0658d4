"""Losses and scores over the iterations, thinned so that the longest training fits a plot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from CrossModalSegLib.core.events import Event

MAX_POINTS = 1_000
"""Of one curve; more than a plot has pixels."""


class Curve:
    """Points (iteration, value) in order; when they become too many, neighbours are averaged.

    Every point stands for the mean of equally many reports, so that a long curve stays true to the
    level of a noisy loss.

    Args:
        max_points: Even, at least 2.
    """

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._points: list[tuple[float, float]] = []
        self._reports_per_point = 1
        self._waiting: list[tuple[float, float]] = []

    def add(self, iteration: float, value: float) -> None:
        """Append a report."""
        self._waiting.append((iteration, value))
        if len(self._waiting) < self._reports_per_point:
            return
        self._points.append(_mean(self._waiting))
        self._waiting = []
        if len(self._points) == self._max_points:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_mean([first, second]) for first, second in pairs]
            self._reports_per_point *= 2

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The curve up to the newest report."""
        waiting = (_mean(self._waiting),) if self._waiting else ()
        return (*self._points, *waiting)

    @property
    def last(self) -> float | None:
        """The newest value."""
        points = self.points
        return points[-1][1] if points else None

    def drop_after(self, iteration: float) -> None:
        """Forget what comes after an iteration: a resumed run goes on before its end."""
        self._points = [point for point in self._points if point[0] <= iteration]
        self._waiting = [point for point in self._waiting if point[0] <= iteration]


class Curves:
    """All numbers that a run reports, by name."""

    def __init__(self, max_points: int = MAX_POINTS) -> None:
        self._max_points = max_points
        self._curves: dict[str, Curve] = {}
        self._last_iteration = -1.0
        self.version = 0
        """Goes up with every change."""

    def __getitem__(self, name: str) -> Curve:
        """Return the curve of a name."""
        return self._curves[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names in the order in which they were reported first."""
        return iter(self._curves)

    def __len__(self) -> int:
        """Return the number of curves."""
        return len(self._curves)

    def take(self, event: Event) -> None:
        """Add the numbers of a `metrics` event; other events and what is no number are ignored."""
        step, values = _number(event.get("step")), event.get("values")
        if event.get("event") != "metrics" or step is None or not isinstance(values, Mapping):
            return
        if step < self._last_iteration:
            for curve in self._curves.values():
                curve.drop_after(step - 1)
        self._last_iteration = step
        for name, reported in values.items():
            value = _number(reported)
            if value is not None:
                curve = self._curves.setdefault(str(name), Curve(self._max_points))
                curve.add(step, value)
        self.version += 1


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    count = len(points)
    return sum(point[0] for point in points) / count, sum(point[1] for point in points) / count


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
