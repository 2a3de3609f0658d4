"""A case between its images and its result: slices to predict, and the way back to its grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.channels import crop_images, on_grid_of_first, prepare_images
from CrossModalSegLib.data.foreground import paste
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    restore_map,
    restore_probabilities,
    slices_that_meet,
)
from CrossModalSegLib.inference.region import Area
from CrossModalSegLib.inference.uncertainty import restore_with_uncertainty


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedImages:
    """The slices of a case and where they lie.

    Attributes:
        grid: The first image, on whose grid the result lies.
        part: What was prepared of it: all, or its foreground.
        mask: The area of interest on the grid of `part`; None: everywhere.
        all_slices: (slice, channel, row, column) of the whole part, in [-1, 1].
        met: Which of them meet the area of interest; None: all.
        settings: How they were prepared.
    """

    grid: Volume
    part: Volume
    mask: Volume | None
    all_slices: NDArray[np.float32]
    met: range | None
    settings: Preprocessing

    @property
    def slices(self) -> NDArray[np.float32]:
        """The slices to predict."""
        if self.met is None:
            return self.all_slices
        return self.all_slices[self.met.start : self.met.stop]

    def restore(
        self, probabilities: Iterable[NDArray[np.floating]], *, with_uncertainty: bool
    ) -> tuple[Volume, Volume | None]:
        """Return labels, and uncertainty if it is wanted, on the grid.

        Args:
            probabilities: One array (class, row, column) of each of `slices`, in order.
            with_uncertainty: Whether it is.
        """
        part, settings, met = self.part, self.settings, self.met
        if not with_uncertainty:
            labels = restore_probabilities(probabilities, part, settings, slices=met)
            return self._placed(labels), None
        labels, unsure = restore_with_uncertainty(probabilities, part, settings, slices=met)
        return self._placed(labels), self._placed(unsure)

    def restore_values(
        self, values: Iterable[NDArray[np.floating]], *, outside: float = 0.0
    ) -> Volume:
        """Return numbers (row, column) of each of `slices` on the grid; `outside` where none are.

        What lies in a slice beside the area of interest is left as it is.
        """
        restored = restore_map(values, self.part, self.settings, outside=outside, slices=self.met)
        return paste(restored, self.grid, outside)

    def _placed(self, volume: Volume) -> Volume:
        return paste(within(self.mask, volume), self.grid)


def prepare_case(
    images: Sequence[Volume], settings: Preprocessing, area: Area | None = None
) -> PreparedImages:
    """Cut the images of a case into slices.

    Args:
        images: In the order of the bundle.
        settings: The bundle's.
        area: Where the user looks; None: everywhere.

    Raises:
        InputFileError: An image is constant, or has NaN or infinite voxels.
        GeometryError: The area or an image does not meet the first image.
    """
    parts = crop_images(on_grid_of_first(images), settings)
    mask = None if area is None else area.mask(parts[0])
    slices = prepare_images(parts, settings)
    return PreparedImages(
        grid=images[0],
        part=parts[0],
        mask=mask,
        all_slices=slices,
        met=None if mask is None else slices_that_meet(mask, settings),
        settings=settings,
    )


def within(mask: Volume | None, volume: Volume) -> Volume:
    """Return a volume that is 0 outside a mask."""
    if mask is None:
        return volume
    inside: NDArray[Any] = mask.array_kji
    return volume.with_array(np.where(inside, volume.array_kji, volume.array_kji.dtype.type(0)))
