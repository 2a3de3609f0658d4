"""A small picture of curves, drawn in the page; Slicer's plot view has the large one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import qt

from CrossModalSegLib.bridge.training.plots import COLOURS

HEIGHT_PX = 150
MARGIN_PX = 6
TEXT_WIDTH_PX = 54
MAX_POINTS = 150
"""Of a curve: a page is not wider."""

_GROUND, _FRAME, _INK = "#ffffff", "#b0b0b0", "#404040"

Curve = Sequence[tuple[float, float]]


def draw_curves(curves: Mapping[str, Curve], width_px: int) -> Any:
    """Return a pixmap of curves over one axis of iterations, with the limits written beside it.

    Args:
        curves: Points (iteration, value) by name; those without a point are left out.
        width_px: Of the picture.
    """
    pixmap = qt.QPixmap(width_px, HEIGHT_PX)
    pixmap.fill(qt.QColor(_GROUND))
    shown = {name: _thinned(points) for name, points in curves.items() if points}
    painter = qt.QPainter(pixmap)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    left, top = TEXT_WIDTH_PX, MARGIN_PX
    right, bottom = width_px - MARGIN_PX, HEIGHT_PX - MARGIN_PX - 12
    painter.setPen(qt.QColor(_FRAME))
    painter.drawRect(left, top, right - left, bottom - top)
    if shown:
        box = _limits(list(shown.values()))
        _write_limits(painter, box, (left, top, right, bottom))
        for index, points in enumerate(shown.values()):
            painter.setPen(qt.QPen(qt.QColor(*COLOURS[index % len(COLOURS)]), 1.5))
            _draw(painter, points, box, (left, top, right, bottom))
    painter.end()
    return pixmap


def legend_html(names: Sequence[str], last: Sequence[float | None]) -> str:
    """Return the names in their colours, with the newest values."""
    parts = []
    for index, (name, value) in enumerate(zip(names, last, strict=True)):
        red, green, blue = COLOURS[index % len(COLOURS)]
        number = "" if value is None else f" {value:.3g}"
        colour = f"#{red:02x}{green:02x}{blue:02x}"
        parts.append(f'<span style="color: {colour}">&#9632;</span>&nbsp;{name}{number}')
    return " &nbsp; ".join(parts)


def _thinned(points: Curve) -> Curve:
    step = max(1, len(points) // MAX_POINTS)
    return [*points[:-1:step], points[-1]]


def _limits(curves: Sequence[Curve]) -> tuple[float, float, float, float]:
    """Return least and most iteration, least and most value, never the same."""
    steps = [point[0] for points in curves for point in points]
    values = [point[1] for points in curves for point in points]
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return min(steps), max(*steps, min(steps) + 1), low, high


def _write_limits(
    painter: Any, box: tuple[float, float, float, float], frame: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = frame
    painter.setPen(qt.QColor(_INK))
    painter.drawText(2, top + 10, f"{box[3]:.3g}")
    painter.drawText(2, bottom, f"{box[2]:.3g}")
    painter.drawText(left, bottom + 13, f"{box[0]:.0f}")
    text = f"{box[1]:.0f}"
    painter.drawText(right - 7 * len(text), bottom + 13, text)


def _draw(
    painter: Any,
    points: Curve,
    box: tuple[float, float, float, float],
    frame: tuple[int, int, int, int],
) -> None:
    left, top, right, bottom = frame
    places = []
    for step, value in points:
        x = left + (step - box[0]) / (box[1] - box[0]) * (right - left)
        y = bottom - (value - box[2]) / (box[3] - box[2]) * (bottom - top)
        places.append((round(x), round(y)))
    if len(places) == 1:
        painter.drawEllipse(places[0][0] - 2, places[0][1] - 2, 4, 4)
    for first, second in itertools.pairwise(places):
        painter.drawLine(*first, *second)
