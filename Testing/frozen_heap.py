"""Measured times without the garbage of other tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
