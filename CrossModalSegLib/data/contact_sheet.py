"""A cohort as one picture, and its numbers as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.data.cohort import Cohort, CohortCase

SHEET_CASES = 24
"""A sheet shows at most so many cases, evenly chosen."""

_TILE_INCHES = 1.9
_COLUMNS = 6


def write_contact_sheet(cohort: Cohort, path: Path) -> int:
    """Write a picture with one slice of each case, and the outlines of its labels.

    The slice is the one with most labelled voxels, or the middle one.

    Returns:
        How many cases it shows.

    Raises:
        CohortError: Files of the cohort are damaged.
        StorageError: The picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = _chosen(cohort.cases)
    columns = min(_COLUMNS, len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(columns * _TILE_INCHES, rows * _TILE_INCHES * 1.15), dpi=120)
    FigureCanvasAgg(figure)
    figure.set_facecolor("black")
    for index, case in enumerate(cases):
        _draw(figure.add_subplot(rows, columns, index + 1), cohort, case)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.95, wspace=0.03, hspace=0.2)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="black")
    return len(cases)


def class_table(cohort: Cohort) -> list[dict[str, Any]]:
    """Return for each class its voxels, its volume, the cases that hold it and its intensities."""
    if not cohort.is_labelled:
        return []
    samples: dict[int, list[NDArray[np.floating]]] = {v: [] for v in cohort.task.known_values}
    millilitres = dict.fromkeys(samples, 0.0)
    for case in cohort.cases:
        labels, images = cohort.labels(case), cohort.images(case)
        if labels is None or case.class_voxels is None:
            continue
        for value, count in enumerate(case.class_voxels):
            millilitres[value] += count * float(np.prod(case.spacing_mm)) / 1000.0
            samples[value].append(
                np.asarray(images[labels == value], np.float32)[:: 1 + count // 4096]
            )
    names = ("background", *(entry.label for entry in cohort.task.classes))
    return [
        {
            "class": f"{value} {name}",
            "voxels": sum((c.class_voxels or ())[value] for c in cohort.cases),
            "cases": sum(bool((c.class_voxels or ())[value]) for c in cohort.cases),
            "mean_volume_ml": millilitres[value] / len(cohort.cases),
            "mean_intensity": _statistic(samples[value], np.mean),
            "std_intensity": _statistic(samples[value], np.std),
        }
        for value, name in enumerate(names)
    ]


def case_table(cohort: Cohort) -> list[dict[str, Any]]:
    """Return for each case its split, size, spacing and intensities."""
    rows = []
    for case in cohort.cases:
        images = np.asarray(cohort.images(case)[:: max(1, case.shape[0] // 32)], np.float32)
        low, middle, high = np.percentile(images, (5, 50, 95))
        rows.append(
            {
                "case": case.id,
                "subject": case.subject,
                "split": case.split,
                "size": "x".join(map(str, case.shape)),
                "spacing_mm": "x".join(f"{mm:.3g}" for mm in case.spacing_mm),
                "p5": float(low),
                "median": float(middle),
                "p95": float(high),
            }
        )
    return rows


def _statistic(parts: Sequence[NDArray[np.floating]], function: Any) -> float | None:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return float(function(values)) if values.size else None


def _chosen(cases: Sequence[CohortCase]) -> list[CohortCase]:
    places = np.linspace(0, len(cases) - 1, min(SHEET_CASES, len(cases)))
    return [cases[round(place)] for place in places]


def _draw(axes: Any, cohort: Cohort, case: CohortCase) -> None:
    counts = cohort.slice_classes(case)
    index = case.shape[0] // 2
    if counts is not None and counts[:, 1:].any():
        index = int(counts[:, 1:].sum(axis=1).argmax())
    across_mm, down_mm = case.spacing_mm[0], case.spacing_mm[1]
    image = np.asarray(cohort.images(case)[index], np.float32)
    axes.imshow(image, cmap="gray", vmin=-1, vmax=1, aspect=down_mm / across_mm)
    labels = cohort.labels(case)
    if labels is not None:
        for entry in cohort.task.classes:
            mask = labels[index] == entry.value
            if mask.any() and not mask.all():
                colour = [part / 255 for part in entry.colour]
                axes.contour(mask, levels=[0.5], colors=[colour], linewidths=0.8)
    axes.set_title(f"{case.id}\n{case.split}, slice {index}", color="white", fontsize=5, pad=2)
    axes.set_axis_off()
