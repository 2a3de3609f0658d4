"""A volume node's way into a file, without keeping anybody waiting."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.volumes import node_view
from CrossModalSegLib.core.errors import storage_errors
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_encoding import write_nrrd

STEP_BYTES = 4 * 2**20
"""Copied at a time: a few ms, some times more where memory is touched for the first time."""

MAX_NAME = 60
"""Letters of a volume's name that a file's name keeps."""

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class VolumeCopy:
    """Copies the voxels of a volume node, a few slices at a time.

    Only the thread that owns the scene may look at a node, and a large scan takes longer to copy
    than a program may stand still.

    Args:
        node: Stays as it is. When it is changed in the middle, the copy is begun anew.
        step_bytes: How much to copy at a time.

    Raises:
        CrossModalSegError: As of `node_to_volume`.
    """

    def __init__(self, node: Any, *, step_bytes: int = STEP_BYTES) -> None:
        self.name = str(node.GetName())
        self._node = node
        self._step_bytes = step_bytes
        self._done = 0
        self._begin()

    def step(self) -> bool:
        """Copy a part; return whether everything is copied.

        Raises:
            CrossModalSegError: The node was changed and cannot be used any more.
        """
        if self._node.GetImageData() is not self._image or self._image.GetMTime() != self._time:
            self._begin()
            self._rows = len(self._array_kji)
        first, last = self._done, self._done + self._rows
        self._array_kji[first:last] = self._view.array_kji[first:last]
        self._done = last
        return last >= len(self._array_kji)

    @property
    def volume(self) -> Volume:
        """The copy; its affine leads to the world."""
        return Volume(self._array_kji, self._view.affine_ras)

    @property
    def grid(self) -> Volume:
        """The place of the voxels, without them."""
        return empty_grid(self._view)

    def _begin(self) -> None:
        self._view = node_view(self._node)
        self._image = self._node.GetImageData()
        self._time = self._image.GetMTime()
        view: NDArray[Any] = self._view.array_kji
        self._array_kji: NDArray[Any] = np.empty(view.shape, view.dtype)
        self._rows = max(1, self._step_bytes // max(1, view[0].nbytes))
        self._done = 0


class VolumesExport:
    """Hands several volume nodes over to another process, as files.

    Args:
        copies: Begun copies of the nodes.
        folder: Gets one file each.
    """

    def __init__(self, copies: Sequence[VolumeCopy], folder: Path) -> None:
        self._copies = list(copies)
        self._pending = deque(copies)
        self._names = [copy.name for copy in copies]
        self.paths = [
            folder / f"{number}_{_UNSAFE.sub('_', copy.name)[:MAX_NAME]}.nrrd"
            for number, copy in enumerate(copies, start=1)
        ]
        self.grid = copies[0].grid
        """Of the first volume; final when all are copied."""

    @property
    def share(self) -> float:
        """How much is copied, 0 to 1, by the number of volumes."""
        return 1 - len(self._pending) / len(self.paths)

    def copy(self, seconds: float) -> bool:
        """Copy voxels for about so long; return whether all are copied.

        Raises:
            CrossModalSegError: A node was changed and cannot be used any more.
        """
        end = time.perf_counter() + seconds
        while self._pending and time.perf_counter() < end:
            if self._pending[0].step():
                self._pending.popleft()
        self.grid = self._copies[0].grid
        return not self._pending

    def write(self) -> None:
        """Write what was copied, and forget it; any thread may.

        Raises:
            StorageError: The disk is full or not writable.
        """
        for copy, path in zip(self._copies, self.paths, strict=True):
            write_exchange_file(copy.volume, path)
        self._copies.clear()

    def without_paths(self, text: str) -> str:
        """Name volumes in a message, not the files by which they were handed over."""
        for path, name in zip(self.paths, self._names, strict=True):
            text = text.replace(str(path), f"The volume {name!r}")
        return text


def empty_grid(volume: Volume) -> Volume:
    """Return a volume's grid with voxels of 0 that need no memory."""
    nothing: NDArray[np.uint8] = np.broadcast_to(np.uint8(0), volume.shape_kji)
    return Volume(nothing, volume.affine_ras)


def write_exchange_file(volume: Volume, path: Path) -> None:
    """Write a volume for another process as fast as the disk takes it; any thread may.

    Raises:
        StorageError: The disk is full or not writable.
    """
    with storage_errors(path):
        write_nrrd(volume, path, compressed=False)
