"""One style for all figures; no global state of matplotlib is touched.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which stay apart for people
with colour vision deficiency.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.evaluation.score_table import (
    AUGMENTED,
    LOWER_BOUND,
    MULTIMODAL_BOUND,
    UPPER_BOUND,
)

DOTS_PER_INCH = 144.0
INK, MUTED, GRID = "#1f2933", "#52606d", "#e4e7eb"

_BOUND_COLOURS = {
    LOWER_BOUND: "#8c959f",
    AUGMENTED: "#e69f00",
    UPPER_BOUND: "#009e73",
    MULTIMODAL_BOUND: "#00604a",
}
_METHOD_COLOURS = ("#0072b2", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#5e3c99")

Labels = Mapping[str, str]
"""Names of methods for people, by identifier."""


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """Return one colour a method: fixed ones for the bounds, the others in order."""
    others = [name for name in methods if name not in _BOUND_COLOURS]
    colours = {
        name: _METHOD_COLOURS[index % len(_METHOD_COLOURS)] for index, name in enumerate(others)
    }
    return {name: _BOUND_COLOURS.get(name) or colours[name] for name in methods}


def png_bytes(figure: Figure, *, width_px: int | None = None) -> bytes:
    """Return a figure as PNG; its size in pixels depends on the figure alone.

    Args:
        figure: Drawn at any size.
        width_px: Draw it as wide as this instead, all in proportion.
    """
    dots_per_inch = DOTS_PER_INCH
    if width_px is not None:  # half a pixel more, for what is cut off to whole ones
        dots_per_inch = (width_px + 0.5) / figure.get_figwidth()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return stream.getvalue()


def write_png(path: Path, figure: Figure, *, width_px: int | None = None) -> None:
    """Write a figure as PNG; an existing file is replaced.

    Raises:
        StorageError: The disk is full or not writable.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(png_bytes(figure, width_px=width_px))


def new_figure(
    width_inches: float,
    height_inches: float,
    rows: int = 1,
    columns: int = 1,
    *,
    row_heights: Sequence[float] | None = None,
) -> tuple[Figure, list[Axes]]:
    """Return a white figure and its panels, row by row; rows are alike or of relative heights."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False, height_ratios=row_heights)
    return figure, list(panels.flat)


def finish_axes(
    axes: Axes, *, x_label: str = "", y_label: str = "", grid_axis: Literal["x", "y"]
) -> None:
    """Label the axes and take away all lines that carry no information."""
    axes.set_xlabel(x_label, color=MUTED, fontsize=9)
    axes.set_ylabel(y_label, color=MUTED, fontsize=9)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.grid(axis=grid_axis, color=GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == ("left" if grid_axis == "x" else "bottom"))
        spine.set_color(MUTED)


def add_legend(figure: Figure, axes: Axes, handles_of: Sequence[Axes] | None = None) -> None:
    """Put one entry a method above the panels."""
    entries: dict[str, Any] = {}
    for panel in handles_of or [axes]:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    longest = max(len(label) for label in entries)
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside upper center",
        ncols=max(1, min(len(entries), int(figure.get_figwidth() * 12 / (longest + 5)))),
        columnspacing=1.2,
        handletextpad=0.5,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


def spread(count: int, reach: float) -> NDArray[np.float64]:
    """Return offsets that keep neighbouring dots apart; the same at each call."""
    golden = (np.arange(count, dtype=np.float64) * 0.618034) % 1.0
    return np.asarray((golden * 2 - 1) * reach, dtype=np.float64)


def label_of(method: str, labels: Labels | None) -> str:
    """Return a method's name for people."""
    return (labels or {}).get(method, method)
