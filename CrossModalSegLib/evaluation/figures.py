"""Figures of scores and of training runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from CrossModalSegLib.core.errors import CohortError, ConfigError, UnknownNameError
from CrossModalSegLib.evaluation.figure_style import (
    INK,
    Labels,
    add_legend,
    finish_axes,
    label_of,
    method_colours,
    new_figure,
    spread,
)
from CrossModalSegLib.evaluation.records import ScoreRecord
from CrossModalSegLib.evaluation.tables import (
    ALL_METRICS,
    Metric,
    mean_dice,
    method_order,
)
from CrossModalSegLib.training.journal import read_journal
from CrossModalSegLib.training.memory_use import MEMORY_QUANTITIES

DrawValues = Callable[[Axes, Sequence[float], float, float, str], None]
"""Draws values at a position, in a width and colour."""

LABEL_FREE_SCORE = "label_free_score"
"""Name in the journal of the score by which the model to keep is chosen."""


def mean_dice_bars(records: Sequence[ScoreRecord], labels: Labels | None = None) -> Figure:
    """Draw the mean Dice of each method as a bar, and each case (mean over its regions) as a dot.

    Raises:
        CohortError: There are no scores.
    """
    methods = _methods(records)
    colours, means = method_colours(methods), mean_dice(records)
    figure, (axes,) = new_figure(6.0, 1.0 + 0.5 * len(methods))
    for row, method in enumerate(methods):
        cases = _case_means(records, method)
        mean = means[method]
        axes.scatter(
            cases,
            row + spread(len(cases), 0.2),
            s=18,
            color=colours[method],
            edgecolor="white",
            linewidth=0.5,
            zorder=4,
        )
        if mean is None:
            axes.text(103, row, "n/a", va="center", color=INK)
            continue
        axes.barh(row, mean, height=0.62, color=colours[method], alpha=0.35, zorder=2)
        axes.plot([mean, mean], [row - 0.31, row + 0.31], color=colours[method], lw=2.5, zorder=3)
        axes.text(103, row, f"{mean:.1f}", va="center", ha="left", fontweight="bold", color=INK)
    axes.set_yticks(range(len(methods)), [label_of(method, labels) for method in methods])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    finish_axes(axes, x_label="Mean Dice over the structures (%)", grid_axis="x")
    return figure


def box_plots(records: Sequence[ScoreRecord], metric: str, labels: Labels | None = None) -> Figure:
    """Draw a box for each region and method: quartiles, 1.5 interquartile ranges, every case.

    Raises:
        UnknownNameError: No such metric.
        CohortError: There are no scores.
    """
    return _distributions(records, metric, labels, _draw_box)


def violin_plots(
    records: Sequence[ScoreRecord], metric: str, labels: Labels | None = None
) -> Figure:
    """Draw a violin for each region and method: density within the range, median, every case.

    Raises:
        UnknownNameError: No such metric.
        CohortError: There are no scores.
    """
    return _distributions(records, metric, labels, _draw_violin)


def _distributions(
    records: Sequence[ScoreRecord], metric: str, labels: Labels | None, draw: DrawValues
) -> Figure:
    if metric not in ALL_METRICS:
        raise UnknownNameError("metric", metric, ALL_METRICS)
    methods = _methods(records)
    regions = list(dict.fromkeys(record.region for record in records))
    figure, (axes,) = new_figure(max(6.6, 0.3 * len(regions) * (len(methods) + 1)), 3.6)
    width = 0.8 / len(methods)
    for index, (method, colour) in enumerate(method_colours(methods).items()):
        offset = (index - (len(methods) - 1) / 2) * width
        for position, region in enumerate(regions):
            values = _values(records, method, region, ALL_METRICS[metric])
            if not values:
                place = axes.get_xaxis_transform()
                axes.text(position + offset, 0.02, "n/a", transform=place, ha="center")
                continue
            draw(axes, values, position + offset, 0.8 * width, colour)
            x = position + offset + spread(len(values), 0.2 * width)
            axes.scatter(x, values, s=10, color=colour, edgecolor="white", linewidth=0.4, zorder=3)
        axes.scatter([], [], marker="s", s=60, color=colour, label=label_of(method, labels))
    axes.set_xticks(range(len(regions)), regions)
    axes.set_xlim(-0.5, len(regions) - 0.5)
    top = 100.0 if ALL_METRICS[metric].unit == "%" else axes.get_ylim()[1]
    axes.set_ylim(-0.02 * top, 1.02 * top)  # dots on the axis stay whole
    finish_axes(axes, y_label=ALL_METRICS[metric].title, grid_axis="y")
    add_legend(figure, axes)
    return figure


def learning_curves(
    journals: Mapping[str, Path], labels: Labels | None = None, quantities: Sequence[str] = ()
) -> Figure:
    """Draw every quantity of training journals over the iterations, one panel each.

    The label-free score comes first. Where a run was resumed, the later line of a step counts.

    Args:
        journals: journal.jsonl by method; several methods share the panels of their quantities.
        labels: Names of the methods for people.
        quantities: Only these, as far as they are there; none: all but the memory.

    Raises:
        ConfigError: No journal holds such metrics.
    """
    curves = {method: read_curves(path) for method, path in journals.items()}
    found = dict.fromkeys(name for by_name in curves.values() for name in by_name)
    shown = quantities or set(found).difference(MEMORY_QUANTITIES)
    names = [name for name in found if name in shown]
    if not names:
        raise ConfigError(
            f"No metrics in {', '.join(map(str, journals.values()))}.",
            hint="Give the journal.jsonl of a run that has made at least one step.",
        )
    names.sort(key=lambda name: (name != LABEL_FREE_SCORE, "validation" not in name))
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure, panels = new_figure(3.4 * columns + 0.4, 2.3 * rows + 0.6, rows, columns)
    colours = method_colours(list(journals))
    for axes, name in zip(panels, names, strict=False):
        for method, by_name in curves.items():
            if name in by_name:
                _draw_curve(axes, by_name[name], colours[method], label_of(method, labels))
        axes.set_title(name, loc="left", fontsize=9, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        finish_axes(axes, x_label="iteration", y_label=_curve_unit(name), grid_axis="y")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    add_legend(figure, panels[0], handles_of=panels)
    return figure


def read_curves(journal: Path) -> dict[str, dict[int, float]]:
    """Return the metrics of a journal: by name, value by step, in the order of the steps.

    Raises:
        ConfigError: The file cannot be read.
    """
    curves: dict[str, dict[int, float]] = {}
    try:
        for event in read_journal(journal):
            if event.get("event") != "metrics":
                continue
            for name, value in event.get("values", {}).items():
                if value is not None:
                    curves.setdefault(name, {})[int(event["step"])] = float(value)
    except OSError as error:
        raise ConfigError(f"{journal} could not be read: {error.strerror}.") from error
    return {name: dict(sorted(values.items())) for name, values in curves.items()}


def _draw_box(
    axes: Axes, values: Sequence[float], position: float, width: float, colour: str
) -> None:
    axes.boxplot(
        [values],
        positions=[position],
        widths=width,
        showfliers=False,  # every case is drawn as a dot
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.3, "edgecolor": colour},
        medianprops={"color": colour, "linewidth": 2},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        manage_ticks=False,
    )


def _draw_violin(
    axes: Axes, values: Sequence[float], position: float, width: float, colour: str
) -> None:
    if np.ptp(values) > 0:  # a density of equal values is none
        drawn: Any = axes.violinplot([values], [position], widths=width, showextrema=False)
        for body in drawn["bodies"]:
            body.set(facecolor=colour, edgecolor=colour, alpha=0.3)
    median = float(np.median(values))
    ends = [position - width / 4, position + width / 4]
    axes.plot(ends, [median, median], color=colour, linewidth=2)


def _draw_curve(axes: Axes, values: Mapping[int, float], colour: str, label: str) -> None:
    few = len(values) <= 20
    axes.plot(
        list(values),
        list(values.values()),
        color=colour,
        linewidth=1.6,
        marker="o" if few else None,
        markersize=3.5,
        label=label,
    )


def _curve_unit(name: str) -> str:
    """Return what the y axis of a journal's quantity counts; losses have no unit."""
    if name.endswith("dice"):
        return "Dice (0 to 1)"
    return "score (no unit)" if name.endswith("score") else "loss (no unit)"


def _methods(records: Sequence[ScoreRecord]) -> tuple[str, ...]:
    methods = method_order(records)
    if not methods:
        raise CohortError("There are no scores to draw, expected at least one record.")
    return methods


def _values(
    records: Sequence[ScoreRecord], method: str, region: str, metric: Metric
) -> list[float]:
    values = (
        record.value(metric.name)
        for record in records
        if record.method == method and record.region == region
    )
    return [value * metric.scale for value in values if value is not None]


def _case_means(records: Sequence[ScoreRecord], method: str) -> list[float]:
    """Return each case's mean Dice over those of its regions that have one, in percent."""
    by_case: dict[str, list[float]] = {}
    for record in records:
        if record.method == method and record.dice is not None:
            by_case.setdefault(record.case, []).append(100 * record.dice)
    return [float(np.mean(values)) for values in by_case.values()]
