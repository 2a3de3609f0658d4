"""Pictures of one case: planes as rows, methods as columns, and where each of them is wrong.

Planes are seen as radiologists see them. Each is cut where the reference is largest, or through a
given point, and cropped to what reference and predictions hold. Without a reference the picture
shows where each method differs from most of the others.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from CrossModalSegLib.core.tasks import Slicing, Task
from CrossModalSegLib.data.preprocessing import ORIENTATION_OF_SLICING
from CrossModalSegLib.evaluation.case_cuts import CaseVolumes, Cut, Pixels, PointRas, cut_case
from CrossModalSegLib.evaluation.figure_style import INK, Labels, label_of, new_figure

__all__ = ["ERRORS", "OUTLIERS", "CaseVolumes", "PanelStyle", "draw_case"]

ERRORS = {
    "too much": (230, 97, 1),
    "missed": (20, 120, 220),
    "another structure": (200, 40, 160),
}
"""Kinds of wrong voxels and their colours."""

OUTLIERS = {"differs from most others": (200, 40, 160)}
"""What is shown instead where there is no reference."""

OPACITY, ERROR_OPACITY = 0.5, 0.75
PANEL_INCHES = 1.75
HEADING_LETTERS = 22
"""More of a method's name do not fit over its column."""


@dataclass(frozen=True, kw_only=True)
class PanelStyle:
    """What a picture of a case consists of.

    Attributes:
        planes: One or two rows each.
        with_errors: Whether each plane has a second row that shows what is wrong.
        as_in_papers: Whether the bare image is the first column and the reference the last one;
            otherwise the reference comes first.
        point_ras: Through which planes are cut; None: where most is to be seen.
    """

    planes: tuple[Slicing, ...] = tuple(ORIENTATION_OF_SLICING)
    with_errors: bool = True
    as_in_papers: bool = False
    point_ras: PointRas | None = None


DEFAULT_STYLE = PanelStyle()


class _Column(NamedTuple):
    kind: Literal["image", "reference", "method"]
    name: str


def draw_case(
    volumes: CaseVolumes,
    task: Task,
    *,
    title: str,
    labels: Labels | None = None,
    scores: Mapping[str, str] | None = None,
    style: PanelStyle = DEFAULT_STYLE,
) -> Figure:
    """Draw a case: for each plane a row of segmentations and a row of errors.

    Args:
        volumes: What is shown.
        task: Colours and names of the classes.
        title: Above everything; "": nothing.
        labels: Names of the methods for people.
        scores: A short text for each method, shown under its name.
        style: Which planes, rows and columns.
    """
    columns = _columns(volumes, style)
    cuts = [cut_case(volumes, plane, style.point_ras) for plane in style.planes]
    rows_per_plane = 1 + style.with_errors
    heights = [PANEL_INCHES * cut.height_over_width for cut in cuts for _ in range(rows_per_plane)]
    figure, panels = new_figure(
        PANEL_INCHES * len(columns) + 0.4,
        sum(heights) + (1.0 if title else 0.75),
        len(heights),
        len(columns),
        row_heights=heights,
    )
    grid = np.array(panels, dtype=object).reshape(len(heights), len(columns))
    for axes in panels:
        axes.set(xticks=[], yticks=[], facecolor="black")
        for spine in axes.spines.values():
            spine.set_visible(False)
    second_row = "errors" if volumes.reference is not None else "outliers"
    for index, (plane, cut) in enumerate(zip(style.planes, cuts, strict=True)):
        rows = grid[rows_per_plane * index : rows_per_plane * (index + 1)]
        _draw_plane(rows, cut, columns, task)
        for axes, name in zip(rows[:, 0], (plane, second_row), strict=False):
            axes.set_ylabel(name, fontsize=9, color=INK)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(_heading(column, labels, scores), fontsize=9, color=INK)
    if title:
        figure.suptitle(_plain(title), fontsize=10, color=INK)
    _add_key(figure, task, volumes, style)
    return figure


def _columns(volumes: CaseVolumes, style: PanelStyle) -> list[_Column]:
    methods = [_Column("method", name) for name in volumes.predictions]
    reference = [_Column("reference", "Reference")] if volumes.reference is not None else []
    image = [_Column("image", "Image")]
    return [*image, *methods, *reference] if style.as_in_papers else [*reference, *methods]


def _heading(column: _Column, labels: Labels | None, scores: Mapping[str, str] | None) -> str:
    text = column.name
    if column.kind == "method":
        text = textwrap.fill(label_of(text, labels), HEADING_LETTERS)
        if scores and column.name in scores:
            text += f"\n{scores[column.name]}"
    return _plain(text)


def _plain(text: str) -> str:
    """Return a text without what matplotlib would take for a formula."""
    return text.replace("$", r"\$")


def _draw_plane(
    rows: NDArray[np.object_], cut: Cut, columns: Sequence[_Column], task: Task
) -> None:
    """Fill the rows of one plane: segmentations above, and errors below if there are two."""
    for index, column in enumerate(columns):
        labels = cut.reference if column.kind == "reference" else cut.predictions.get(column.name)
        if column.kind == "image" or labels is None:
            for axes in rows[:, index]:
                _show(axes, _grey(cut.image), cut.aspect)
            continue
        _show(rows[0, index], _coloured(cut.image, labels, task), cut.aspect)
        for axes in rows[1:, index]:
            wrong = _errors(cut, labels) if cut.reference is not None else _outliers(cut, labels)
            _show(axes, _with_masks(cut.image, wrong), cut.aspect)
        for axes in rows[:, index]:
            if cut.reference is not None:
                _outline(axes, cut.reference, task)


def _grey(image: Pixels) -> Pixels:
    return np.repeat(image[..., np.newaxis], 3, axis=2)


def _coloured(image: Pixels, labels: NDArray[np.integer], task: Task) -> Pixels:
    picture = _grey(image)
    for entry in task.classes:
        _blend(picture, labels == entry.value, entry.colour)
    return picture


def _with_masks(image: Pixels, masks: Mapping[str, NDArray[np.bool_]]) -> Pixels:
    picture = _grey(image)
    for kind, mask in masks.items():
        _blend(picture, mask, (ERRORS | OUTLIERS)[kind], opacity=ERROR_OPACITY)
    return picture


def _errors(cut: Cut, labels: NDArray[np.integer]) -> dict[str, NDArray[np.bool_]]:
    """Return the wrong voxels of a plane by kind."""
    reference = np.zeros_like(labels) if cut.reference is None else cut.reference
    return {
        "too much": (labels > 0) & (reference == 0),
        "missed": (labels == 0) & (reference > 0),
        "another structure": (labels > 0) & (reference > 0) & (labels != reference),
    }


def _outliers(cut: Cut, labels: NDArray[np.integer]) -> dict[str, NDArray[np.bool_]]:
    """Return where more than half of the other methods say something else."""
    different = np.sum([labels != other for other in cut.predictions.values()], axis=0)
    num_others = len(cut.predictions) - 1
    return {"differs from most others": 2 * different > num_others}


def _blend(
    picture: Pixels, mask: NDArray[np.bool_], colour: tuple[int, int, int], opacity: float = OPACITY
) -> None:
    picture[mask] = (1 - opacity) * picture[mask] + opacity * np.array(colour) / 255


def _show(axes: Axes, picture: Pixels, aspect: float) -> None:
    axes.imshow(picture, aspect=aspect, interpolation="nearest")


def _outline(axes: Axes, reference: NDArray[np.integer], task: Task) -> None:
    """Draw the border of each class of the reference; a frame lets it close at the edge."""
    framed = np.pad(reference, 1)
    rows, columns = (np.arange(size) - 1 for size in framed.shape)
    for entry in task.classes:
        mask = framed == entry.value
        if mask.any():
            axes.contour(columns, rows, mask, levels=[0.5], colors="white", linewidths=0.7)
    axes.set_xlim(-0.5, reference.shape[1] - 0.5)
    axes.set_ylim(reference.shape[0] - 0.5, -0.5)


def _add_key(figure: Figure, task: Task, volumes: CaseVolumes, style: PanelStyle) -> None:
    entries = {entry.label: entry.colour for entry in task.classes}
    has_reference = volumes.reference is not None
    if style.with_errors:
        entries |= ERRORS if has_reference else OUTLIERS
    patches = [
        Patch(color=(red / 255, green / 255, blue / 255), label=_plain(name))
        for name, (red, green, blue) in entries.items()
    ]
    if has_reference:
        patches.append(Patch(facecolor="black", edgecolor="white", label="outline: reference"))
    columns = max(1, int(figure.get_figwidth() / 1.45))
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=min(columns, len(patches)),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
