"""Measured times without the garbage of other tests."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ATTEMPTS = 4


@contextmanager
def frozen_heap() -> Iterator[None]:
    """Let the garbage collector look at nothing that was there before.

    After thousands of tests it would stop the program for a tenth of a second, whatever is measured
    just then; objects that the measured code makes still count.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def least_seconds(measure: Callable[[], float], bound: float) -> float:
    """Return a measured time that is below a bound, or the least of several.

    A computer that is shared may stand still for a second, which its clocks put down to whoever ran
    just then. Code that takes too long takes too long every time.
    """
    times: list[float] = []
    while len(times) < ATTEMPTS and (not times or times[-1] >= bound):
        times.append(measure())
    return min(times)
