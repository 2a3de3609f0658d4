"""Arrays in .npy files that are mapped into memory, not read."""

from __future__ import annotations

import math
import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def map_array(path: Path, offset: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map voxels read-only. `np.memmap` resolves the path each time, which costs more than this.

    Raises:
        ValueError: The file is shorter than the array.
    """
    with path.open("rb", buffering=0) as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype, math.prod(shape), offset).reshape(shape)


def checked_offset(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return where the voxels of a .npy file begin, after comparing its header.

    Raises:
        ValueError: The file is no such array.
    """
    with path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"array format {version}, expected (1, 0)")
        found, is_fortran, found_dtype = np.lib.format.read_array_header_1_0(stream)
        offset = stream.tell()
        size = stream.seek(0, os.SEEK_END)
    if is_fortran or (found, found_dtype) != (shape, dtype):
        raise ValueError(f"{found_dtype} of shape {found}, expected {dtype} of shape {shape}")
    expected = offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise ValueError(f"{size} bytes, expected {expected}")
    return offset
