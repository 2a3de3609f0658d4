"""Pictures of one case: three planes as rows, methods as columns, and where each of them is wrong.

Planes are seen as radiologists see them. Each is cut where the reference is largest, and cropped to
what reference and predictions hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import reorient, require_same_grid
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import ORIENTATION_OF_SLICING
from CrossModalSegLib.evaluation.figure_style import INK, Labels, label_of, new_figure

ERRORS = {
    "too much": (230, 97, 1),
    "missed": (20, 120, 220),
    "another structure": (200, 40, 160),
}
"""Kinds of wrong voxels and their colours."""

OPACITY = 0.5
MARGIN_MM = 10.0
PANEL_INCHES = 1.75

Pixels = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CaseVolumes:
    """Everything on one grid that a picture of a case shows.

    Attributes:
        case: Its name.
        image: What was segmented; None: pictures have a plain background.
        reference: Label map.
        predictions: Label maps by method.
    """

    case: str
    image: Volume | None
    reference: Volume
    predictions: Mapping[str, Volume]

    def __post_init__(self) -> None:
        """Refuse volumes on different grids.

        Raises:
            GeometryError: See above.
        """
        others = {f"the prediction of {name}": v for name, v in self.predictions.items()}
        if self.image is not None:
            others["the image"] = self.image
        for name, volume in others.items():
            require_same_grid(volume, self.reference, f"Case {self.case}: {name}", "the reference")


@dataclass(frozen=True)
class _Cut:
    """One plane of everything, cropped: arrays (row, column)."""

    image: Pixels
    reference: NDArray[np.integer]
    predictions: Mapping[str, NDArray[np.integer]]
    aspect: float


def draw_case(
    volumes: CaseVolumes,
    task: Task,
    *,
    title: str,
    labels: Labels | None = None,
    scores: Mapping[str, str] | None = None,
) -> Figure:
    """Draw a case: for each plane a row of segmentations and a row of errors.

    Args:
        volumes: What is shown.
        task: Colours and names of the classes.
        title: Above everything.
        labels: Names of the methods for people.
        scores: A short text for each method, shown under its name.
    """
    methods = tuple(volumes.predictions)
    planes = tuple(ORIENTATION_OF_SLICING)
    figure, panels = new_figure(
        PANEL_INCHES * (len(methods) + 1) + 0.4,
        PANEL_INCHES * 2 * len(planes) + 1.0,
        2 * len(planes),
        len(methods) + 1,
    )
    grid = np.array(panels, dtype=object).reshape(2 * len(planes), len(methods) + 1)
    for axes in panels:
        axes.set(xticks=[], yticks=[], facecolor="black")
        for spine in axes.spines.values():
            spine.set_visible(False)
    for index, plane in enumerate(planes):
        _draw_plane(grid[2 * index : 2 * index + 2], _cut(volumes, plane), task)
        grid[2 * index, 0].set_ylabel(plane, fontsize=9, color=INK)
        grid[2 * index + 1, 0].set_ylabel("errors", fontsize=9, color=INK)
    for column, name in enumerate(("", *methods)):
        text = label_of(name, labels) if name else "Reference"
        if name and scores and name in scores:
            text += f"\n{scores[name]}"
        grid[0, column].set_title(text, fontsize=9, color=INK)
    figure.suptitle(title, fontsize=10, color=INK)
    _add_key(figure, task)
    return figure


def _draw_plane(rows: NDArray[np.object_], cut: _Cut, task: Task) -> None:
    """Fill the two rows of one plane: segmentations above, errors below."""
    for column, labels in enumerate((cut.reference, *cut.predictions.values())):
        _show(rows[0, column], _coloured(cut.image, labels, task), cut.aspect)
        _show(rows[1, column], _with_errors(cut.image, labels, cut.reference), cut.aspect)
        for axes in rows[:, column]:
            _outline(axes, cut.reference, task)


def _cut(volumes: CaseVolumes, plane: str) -> _Cut:
    code = ORIENTATION_OF_SLICING[plane]  # type: ignore[index]
    reference = reorient(volumes.reference, code)
    predictions = {name: reorient(v, code).array_kji for name, v in volumes.predictions.items()}
    everything = [reference.array_kji, *predictions.values()]
    index = _largest_slice(everything)
    slices = [array[index] for array in everything]
    spacing = reference.spacing_mm[1], reference.spacing_mm[0]  # rows, columns
    box = _box(slices, spacing)
    if volumes.image is None:
        image = np.zeros(slices[0].shape)
    else:
        image = _windowed(reorient(volumes.image, code).array_kji[index])
    return _Cut(
        image=image[box],
        reference=slices[0][box],
        predictions={name: array[index][box] for name, array in predictions.items()},
        aspect=spacing[0] / spacing[1],
    )


def _largest_slice(arrays: Sequence[NDArray[np.integer]]) -> int:
    """Return the slice with most of the reference, which is the first; else of any prediction."""
    for array in arrays:
        sizes = np.count_nonzero(array, axis=(1, 2))
        if sizes.any():
            return int(sizes.argmax())
    return len(arrays[0]) // 2


def _box(
    slices: Sequence[NDArray[np.integer]], spacing_mm: tuple[float, float]
) -> tuple[slice, slice]:
    """Return rows and columns of what any label map holds, with a margin, as a square in mm."""
    occupied = np.any([labels > 0 for labels in slices], axis=0)
    if not occupied.any():
        return slice(None), slice(None)
    sides = []
    for axis, other in ((0, 1), (1, 0)):
        places = np.flatnonzero(occupied.any(axis=other))
        sides.append((places[0] * spacing_mm[axis], (places[-1] + 1) * spacing_mm[axis]))
    half = max(high - low for low, high in sides) / 2 + MARGIN_MM
    return (
        _side(sides[0], half, spacing_mm[0], occupied.shape[0]),
        _side(sides[1], half, spacing_mm[1], occupied.shape[1]),
    )


def _side(side_mm: tuple[float, float], half_mm: float, spacing_mm: float, size: int) -> slice:
    centre = sum(side_mm) / 2
    start = int(np.floor((centre - half_mm) / spacing_mm))
    stop = int(np.ceil((centre + half_mm) / spacing_mm))
    return slice(max(0, start), min(size, stop))


def _windowed(image: NDArray[np.floating]) -> Pixels:
    low, high = np.percentile(image, [1, 99])
    if high <= low:
        return np.zeros(image.shape)
    return np.asarray(np.clip((image - low) / (high - low), 0, 1), dtype=np.float64)


def _coloured(image: Pixels, labels: NDArray[np.integer], task: Task) -> Pixels:
    picture = np.repeat(image[..., np.newaxis], 3, axis=2)
    for entry in task.classes:
        _blend(picture, labels == entry.value, entry.colour)
    return picture


def _with_errors(
    image: Pixels, labels: NDArray[np.integer], reference: NDArray[np.integer]
) -> Pixels:
    picture = np.repeat(image[..., np.newaxis], 3, axis=2)
    wrong = {
        "too much": (labels > 0) & (reference == 0),
        "missed": (labels == 0) & (reference > 0),
        "another structure": (labels > 0) & (reference > 0) & (labels != reference),
    }
    for kind, mask in wrong.items():
        _blend(picture, mask, ERRORS[kind], opacity=0.75)
    return picture


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


def _add_key(figure: Figure, task: Task) -> None:
    entries = {entry.label: entry.colour for entry in task.classes} | ERRORS
    patches = [
        Patch(color=(red / 255, green / 255, blue / 255), label=name)
        for name, (red, green, blue) in entries.items()
    ]
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
