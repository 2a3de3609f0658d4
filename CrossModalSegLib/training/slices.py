"""The fixed slices on which a run validates and shows itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.tensors import Images, Labels
from CrossModalSegLib.data.cohort import Cohort, CohortCase

SLICES_PER_CASE = 8
MAX_CASES = 12
PREVIEW_COLUMNS = 6

Read = Callable[[CohortCase], NDArray[Any] | None]


@dataclass(frozen=True)
class ValidationSlices:
    """Fixed slices for every validation of a run. There is no field for target labels."""

    x_s: Images
    y_s: Labels
    x_t: Tensor | None
    """Images, as many as there are."""
    shown: tuple[Tensor, Tensor]
    """x_s and x_t of the preview pictures; Images, fewer."""

    def preview(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the slices of the preview pictures on a device."""
        x_s, x_t = self.shown
        return x_s.to(device), x_t.to(device)


def fixed_slices(source: Cohort, target: Cohort | None) -> ValidationSlices:
    """Choose evenly spread slices of the validation cases, or of the training cases if none.

    Args:
        source: Labelled.
        target: Its label files are not opened; None for methods that do not use the target.
    """
    source_cases = _validation_cases(source)
    x_s = _slices(source_cases, source.channels).float()
    y_s = _slices(source_cases, source.labels).long()
    x_t = None
    if target is not None:
        x_t = _slices(_validation_cases(target), target.channels).float()
    shown_t = x_s if x_t is None else x_t
    return ValidationSlices(x_s=x_s, y_s=y_s, x_t=x_t, shown=(_spread(x_s), _spread(shown_t)))


def _validation_cases(cohort: Cohort) -> list[CohortCase]:
    cases = list(cohort.in_split("validation")) or list(cohort.in_split("train"))
    if not cases:
        raise CohortError(f"{cohort.folder} has no training cases.")
    return cases[:MAX_CASES]


def _slices(cases: list[CohortCase], read: Read) -> Tensor:
    """Return slices from the middle four fifths of each case, (slices, ..., height, width)."""
    chosen: list[NDArray[np.generic]] = []
    for case in cases:
        array = read(case)
        if array is None:
            raise CohortError(f"Case {case.id} has no labels.")
        depth = len(array)
        rows = np.unique(np.linspace(0.1 * depth, 0.9 * (depth - 1), SLICES_PER_CASE).astype(int))
        chosen.append(np.array(array[rows]))
    return torch.from_numpy(np.concatenate(chosen))


def _spread(images: Tensor) -> Tensor:
    """Return a few of the images, evenly spread."""
    rows = np.unique(np.linspace(0, len(images) - 1, PREVIEW_COLUMNS).astype(int))
    return images[torch.from_numpy(rows)]
