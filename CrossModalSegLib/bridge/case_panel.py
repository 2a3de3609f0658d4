"""What a picture of one case shows, however it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from CrossModalSegLib.bridge import drawing
from CrossModalSegLib.bridge.planes import (
    PointRas,
    SlicePlane,
    foreground_bounds_ras,
    framing_mm,
    most_telling_point,
    planes_through,
)
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume

REFERENCE_COLUMN = "Reference"

WINDOW_PERCENTILES = (1.0, 99.5)
"""Of the intensities in the planes that are shown."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CasePanel:
    """What a picture of one case shows.

    Attributes:
        image: Background of the slices.
        segmentations: Label maps by the name of their column, in order; on any grids.
        task: Gives structures and colours.
        reference: Label map of experts: a column of its own, and outlines over the others.
        title: Heading.
        captions: Small text below a column's name, a score for example.
        window: Intensities shown as black and white; by default those of what is seen.
        tile_px: Width and height of each view.
    """

    image: Volume
    segmentations: Mapping[str, Volume]
    task: Task
    reference: Volume | None = None
    title: str = ""
    captions: Mapping[str, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    tile_px: int = 300

    @property
    def columns(self) -> dict[str, Volume]:
        """Label maps by column, the reference first."""
        reference = {} if self.reference is None else {REFERENCE_COLUMN: self.reference}
        return {**reference, **self.segmentations}

    @property
    def leading_labels(self) -> Volume:
        """The label map that decides what is shown: the reference, or the first not empty."""
        columns = list(self.columns.values())
        filled = [labels for labels in columns if labels.array_kji.any()]
        empty = self.image.with_array(np.zeros_like(self.image.array_kji))
        return next(iter(filled or columns), empty)

    def planes(self) -> tuple[SlicePlane, ...]:
        """Return the slices that all columns show."""
        centre = most_telling_point(self.leading_labels)
        return planes_through(centre, framing_mm(self.leading_labels, centre), self.tile_px)

    def bounds_ras(self) -> tuple[PointRas, PointRas]:
        """Return the box that all 3D views show."""
        return foreground_bounds_ras(self.leading_labels)

    def shown_window(self) -> tuple[float, float]:
        """Return the intensities shown as black and as white."""
        if self.window is not None:
            return self.window
        seen = [
            drawing.sample(self.image, drawing.plane_points_ras(plane), order=0, outside=np.nan)
            for plane in self.planes()
        ]
        inside = np.concatenate([values[np.isfinite(values)] for values in seen])
        low, high = np.percentile(inside if inside.size else [0.0], WINDOW_PERCENTILES)
        return float(low), max(float(high), float(low) + 1e-3)
