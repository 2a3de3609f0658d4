"""How much memory there is, how much a slice takes, and how many slices fit."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MEMORY_SHARE = 0.5
"""Share of the free memory that a batch may take: libraries need room of their own, other programs
too, and what is measured leaves out what convolutions use in passing."""

_CGROUP = Path("/sys/fs/cgroup")
"""Of Linux: the limit that a container has."""


def free_bytes(device: torch.device) -> int | None:
    """Return the memory that a device can still give; None where nobody says."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        in_reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + in_reserve
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    known = [n for n in (_available_bytes(), _container_bytes()) if n is not None]
    return min(known, default=None)


def slices_that_fit(bytes_per_slice: int, free: int | None, most: int) -> int:
    """Return how many slices of a size a batch may have.

    Args:
        bytes_per_slice: That one of them takes.
        free: Free memory; None: unknown.
        most: Beyond which larger batches gain nothing.
    """
    if free is None or bytes_per_slice <= 0:
        return most
    return max(1, min(most, int(MEMORY_SHARE * free) // bytes_per_slice))


class MemoryWatch:
    """Finds the most memory that tensors took at one time while it was open.

    On a CUDA device the allocator knows. Elsewhere the tensors are watched; what the libraries
    below torch use in passing is not seen there.

    Args:
        device: Where the computation is done.
    """

    def __init__(self, device: torch.device) -> None:
        self.peak_bytes = 0
        self._device = device
        self._before = 0
        self._tensors: Any = _LiveTensors()  # torch has no types for these modes

    def __enter__(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        else:
            self._tensors.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._device.type == "cuda":
            self.peak_bytes = torch.cuda.max_memory_allocated(self._device) - self._before
        else:
            self._tensors.__exit__(*error)
            self.peak_bytes = self._tensors.peak


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that operations make, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._live = 0
        self._known: dict[int, weakref.finalize[..., Any]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        given = {self._key(leaf) for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _is_tensor(leaf) and self._key(leaf) not in given:
                self._add(leaf)
        return result

    def _add(self, tensor: torch.Tensor) -> None:
        key = self._key(tensor)
        if key in self._known:
            return
        storage = tensor.untyped_storage()
        size = storage.nbytes()
        self._known[key] = weakref.finalize(storage, self._forget, key, size)
        self._live += size
        self.peak = max(self.peak, self._live)

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self._live -= size

    @staticmethod
    def _key(tensor: torch.Tensor) -> int:
        key: int = tensor.untyped_storage()._cdata  # noqa: SLF001  (as torch's own memory tracker)
        return key


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)


def _available_bytes() -> int | None:
    try:
        import psutil
    except ModuleNotFoundError:  # Slicer installs it for training alone
        return _available_pages()
    return int(psutil.virtual_memory().available)


def _available_pages() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows and macOS
        return None


def _container_bytes() -> int | None:
    """Return what a container's limit leaves; its cached files can be dropped."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # no container of this kind, or no limit ("max")
        return None
    cached = next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0)
    return max(0, limit - used + cached)
