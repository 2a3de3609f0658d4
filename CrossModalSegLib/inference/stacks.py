"""Probabilities of all slices of a case, beyond some size on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import storage_errors

LARGEST_IN_MEMORY = 2**28
"""Bytes; larger stacks are kept in a temporary file, which is gone with them."""

Stack = NDArray[np.float32]
"""(slice, class, row, column)."""


def stack_slices(slices: Iterable[NDArray[np.float32]], shape: tuple[int, int, int, int]) -> Stack:
    """Return what slices hold as one array.

    Args:
        slices: (class, row, column) each, as many as `shape` says.
        shape: Of the stack.

    Raises:
        StorageError: The disk for temporary files is full.
    """
    stack = _empty(shape)
    with storage_errors(Path(tempfile.gettempdir())):
        for index, entry in enumerate(slices):
            stack[index] = entry
    return stack


def _empty(shape: tuple[int, int, int, int]) -> Stack:
    num_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(np.float32).itemsize
    if num_bytes <= LARGEST_IN_MEMORY:
        return np.empty(shape, np.float32)
    with storage_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        file.truncate(num_bytes)
        return np.memmap(file, np.float32, "r+", shape=shape)
