"""Slices of which a network need see only one: those that hold a single value throughout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Repeats:
    """Which slices of a stack are copies of an earlier one, as all of air or padding are.

    A network says the same of equal slices, so one of them stands for all. Only slices with one
    value in each channel are compared: others are equal in artificial images alone.

    Args:
        slices: (slice, channel, row, column), or (slice, row, column) of one channel.

    Attributes:
        kept: Indices of the slices that must be computed, ascending.
        source: Of each slice, the position in `kept` of the one that stands for it.
        counts: Of each kept slice, for how many it stands.
    """

    def __init__(self, slices: NDArray[np.float32]) -> None:
        channels = 1 if slices.ndim == 3 else slices.shape[1]
        flat = slices.reshape(len(slices), channels, -1)
        low, high = flat.min(axis=2), flat.max(axis=2)
        places: dict[tuple[float, ...], int] = {}
        kept: list[int] = []
        source: list[int] = []
        for index, is_constant in enumerate((low == high).all(axis=1)):
            values = tuple(low[index].tolist())
            if is_constant and values in places:
                source.append(places[values])
                continue
            if is_constant:
                places[values] = len(kept)
            source.append(len(kept))
            kept.append(index)
        self.kept: NDArray[np.intp] = np.array(kept, np.intp)
        self.source: NDArray[np.intp] = np.array(source, np.intp)
        self.counts: NDArray[np.intp] = np.bincount(self.source, minlength=len(kept))

    def without(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the slices that must be computed."""
        return slices if len(self.kept) == len(slices) else slices[self.kept]

    def spread(self, computed: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Yield what was computed of the kept slices, in order, for every slice of the stack."""
        fresh = iter(computed)
        repeated: dict[int, NDArray[Any]] = {}
        upcoming = 0
        for place in self.source.tolist():
            if place < upcoming:
                yield repeated[place]
                continue
            result = next(fresh)
            upcoming += 1
            if self.counts[place] > 1:
                repeated[place] = result.copy()
            yield result
