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

    The slice is the one with most labelled voxels, or the middle one; of several images of a case
    they stand side by side.

    Returns:
        How many cases it shows.

    Raises:
        CohortError: Files of the cohort are damaged.
        StorageError: The picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = _chosen(cohort.cases)
    tile_inches = cohort.num_channels * _TILE_INCHES
    columns = min(max(1, _COLUMNS // cohort.num_channels), len(cases))
    rows = -(-len(cases) // columns)
    figure = Figure(figsize=(columns * tile_inches, rows * _TILE_INCHES * 1.15), dpi=120)
    FigureCanvasAgg(figure)
    figure.set_facecolor("black")
    for index, case in enumerate(cases):
        _draw(figure.add_subplot(rows, columns, index + 1), cohort, case)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.95, wspace=0.03, hspace=0.2)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="black")
    return len(cases)


def class_table(cohort: Cohort) -> list[dict[str, Any]]:
    """Return for each class its voxels, its volume, the cases that hold it and its intensities.

    Where cases have several images, there is the mean intensity of each.
    """
    if not cohort.is_labelled:
        return []
    samples: dict[int, list[NDArray[np.floating]]] = {v: [] for v in cohort.task.known_values}
    millilitres = dict.fromkeys(samples, 0.0)
    for case in cohort.cases:
        labels, images = cohort.labels(case), np.moveaxis(cohort.channels(case), 1, -1)
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
        }
        | _intensities(cohort, samples[value])
        for value, name in enumerate(names)
    ]


def case_table(cohort: Cohort) -> list[dict[str, Any]]:
    """Return for each case its split, size, spacing and intensities.

    Where cases have several images, there is the median intensity of each.
    """
    return [
        {
            "case": case.id,
            "subject": case.subject,
            "split": case.split,
            "size": "x".join(map(str, case.shape)),
            "spacing_mm": "x".join(f"{mm:.3g}" for mm in case.spacing_mm),
        }
        | _percentiles(cohort, case)
        for case in cohort.cases
    ]


def _percentiles(cohort: Cohort, case: CohortCase) -> dict[str, float]:
    """Return the middle and the ends of the intensities; of several images the middles."""
    slices = np.asarray(cohort.channels(case)[:: max(1, case.shape[0] // 32)], np.float32)
    if cohort.num_channels == 1:
        low, middle, high = np.percentile(slices, (5, 50, 95))
        return {"p5": float(low), "median": float(middle), "p95": float(high)}
    return {
        f"median_{modality.name}": float(np.median(slices[:, channel]))
        for channel, modality in enumerate(cohort.modalities)
    }


def _intensities(cohort: Cohort, parts: Sequence[NDArray[np.floating]]) -> dict[str, float | None]:
    """Return mean and deviation of samples (voxel, channel); of several images the means."""
    values = np.concatenate(parts) if parts else np.zeros((0, cohort.num_channels), np.float32)
    if cohort.num_channels == 1:
        return {
            "mean_intensity": float(values.mean()) if values.size else None,
            "std_intensity": float(values.std()) if values.size else None,
        }
    return {
        f"mean_{modality.name}": float(values[:, channel].mean()) if values.size else None
        for channel, modality in enumerate(cohort.modalities)
    }


def _chosen(cases: Sequence[CohortCase]) -> list[CohortCase]:
    places = np.linspace(0, len(cases) - 1, min(SHEET_CASES, len(cases)))
    return [cases[round(place)] for place in places]


def _draw(axes: Any, cohort: Cohort, case: CohortCase) -> None:
    counts = cohort.slice_classes(case)
    index = case.shape[0] // 2
    if counts is not None and counts[:, 1:].any():
        index = int(counts[:, 1:].sum(axis=1).argmax())
    across_mm, down_mm = case.spacing_mm[0], case.spacing_mm[1]
    image = np.hstack([*np.asarray(cohort.channels(case)[index], np.float32)])
    axes.imshow(image, cmap="gray", vmin=-1, vmax=1, aspect=down_mm / across_mm)
    labels = cohort.labels(case)
    if labels is not None:
        for entry in cohort.task.classes:
            mask = np.tile(labels[index] == entry.value, (1, cohort.num_channels))
            if mask.any() and not mask.all():
                colour = [part / 255 for part in entry.colour]
                axes.contour(mask, levels=[0.5], colors=[colour], linewidths=0.8)
    names = ", ".join(modality.name for modality in cohort.modalities)
    shown = f"{case.split}, slice {index}" + (f": {names}" if cohort.num_channels > 1 else "")
    axes.set_title(f"{case.id}\n{shown}", color="white", fontsize=5, pad=2)
    axes.set_axis_off()
