"""How much memory a block of work takes at its peak."""

from __future__ import annotations

import gc
import threading
from types import TracebackType
from typing import Self

import psutil
import torch

SAMPLE_SECONDS = 0.2


class MemoryWatch:
    """Samples the resident memory of this process while it is entered.

    What earlier work left in the process counts: the number is what a machine must have.
    """

    def __init__(self) -> None:
        self.peak_mb = 0.0
        """In 2^20 bytes."""
        self.peak_gpu_mb: float | None = None
        """Highest memory that torch held on the GPU; None without one."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch."""
        gc.collect()
        self._reset_gpu()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()
        self._read_gpu()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.peak_mb = max(self.peak_mb, process.memory_info().rss / 2**20)
            if self._stop.wait(SAMPLE_SECONDS):
                return

    def _reset_gpu(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def _read_gpu(self) -> None:
        if torch.cuda.is_available():
            self.peak_gpu_mb = torch.cuda.max_memory_allocated() / 2**20
