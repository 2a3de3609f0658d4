"""Running a network over slices in batches that fit the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from CrossModalSegLib.core.errors import ConfigError, DeviceError, UnknownNameError
from CrossModalSegLib.inference.memory import MemoryWatch, free_bytes, slices_that_fit
from CrossModalSegLib.inference.result import Notice
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.networks.devices import choose_precision, resolve_device

PIXELS_PER_BATCH = {"cpu": 2**19, "cuda": 2**22, "mps": 2**20}
"""Pixels of all slices of a batch, where the caller does not choose and they fit into the memory:
eight slices of 256x256 on a CPU. Larger batches gain nothing there."""

MAX_BATCH_SIZE = 64

AUTOCAST_TYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
PRECISIONS = ("auto", "32-true", *AUTOCAST_TYPES)

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")
"""In the messages of torch's plain RuntimeErrors on MPS and on the CPU."""

Warn = Callable[[Notice], None]

Compute = Callable[[Method, Tensor], Tensor]
"""From images to what is wanted of them, of the same size: probabilities, unless told otherwise."""


def predict(method: Method, images: Tensor) -> Tensor:
    """Return the probabilities of the classes."""
    return method.predict(images)


class BatchRunner:
    """Predicts slices on a device; when memory runs out it takes less, and at last the CPU.

    What it learned it keeps: the next volume begins with the smaller batch, or on the CPU.

    Args:
        method: Its networks are moved to the device.
        device: "auto", "cuda", "mps" or "cpu".
        precision: One of `PRECISIONS`; "auto" is bfloat16 where that is fast, else float32.
        batch_size: Slices at once; None: as many as fit into the free memory and are of use. The
            first batch is one slice then, whose memory is measured.

    Raises:
        DeviceError: The device is not there.
        UnknownNameError: No such device or precision.
        ConfigError: The batch size is not positive.
    """

    def __init__(
        self,
        method: Method,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise UnknownNameError("precision", precision, PRECISIONS)
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}, expected at least 1.")
        self.method = method.eval()
        self.device = resolve_device(device)
        self._wanted_precision = precision
        self._batch_size = batch_size
        self._is_placed = False
        self._bytes_per_slice: int | None = None

    @property
    def precision(self) -> str:
        """Precision on the present device."""
        if self._wanted_precision == "auto":
            return choose_precision(self.device.type)
        return self._wanted_precision

    def run(
        self, slices: NDArray[np.float32], warn: Warn, compute: Compute = predict
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the probabilities (batch, class, row, column) of all slices, in order.

        Args:
            slices: (slice, channel, row, column), or (slice, row, column) of one channel, in
                [-1, 1].
            warn: Called when a batch had to be made smaller or the device given up.
            compute: What is wanted instead of the probabilities; its channels in place of classes.

        Raises:
            DeviceError: Not even one slice fits into the memory of the CPU.
        """
        start = 0
        while start < len(slices):
            size = self._batch_size or self._default_batch_size(slices)
            batch = slices[start : start + size]
            computed = self._attempt(batch, compute)
            if computed is None:
                self._take_less(len(batch), warn)
            else:
                yield computed
                start += len(batch)

    def _attempt(self, batch: NDArray[np.float32], compute: Compute) -> NDArray[np.float32] | None:
        """Return what is computed, or None if there is not enough memory.

        The error is gone when this returns: its traceback would keep the memory occupied.
        """
        try:
            self._place()
            if self._batch_size is None and self._bytes_per_slice is None:
                return self._compute_and_measure(batch, compute)
            return self._compute(batch, compute)
        except (MemoryError, torch.OutOfMemoryError):
            return None
        except RuntimeError as error:
            if not any(words in str(error).lower() for words in _MEMORY_WORDS):
                raise
            return None

    def _place(self) -> None:
        if self._is_placed:
            return
        self.method.to(device=self.device)
        if self.device.type != "mps":
            self.method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._is_placed = True

    @torch.inference_mode()
    def _compute(self, batch: NDArray[np.float32], compute: Compute) -> NDArray[np.float32]:
        images = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device)
        if images.dim() == 3:
            images = images.unsqueeze(1)
        if self.device.type != "mps":
            images = images.contiguous(memory_format=torch.channels_last)
        kind = AUTOCAST_TYPES.get(self.precision)
        with torch.autocast(self.device.type, dtype=kind, enabled=kind is not None):
            computed = compute(self.method, images)
        array: NDArray[np.float32] = computed.float().cpu().numpy()
        return array

    def _compute_and_measure(
        self, batch: NDArray[np.float32], compute: Compute
    ) -> NDArray[np.float32]:
        watch = MemoryWatch(self.device)
        with watch:
            computed = self._compute(batch, compute)
        self._bytes_per_slice = watch.peak_bytes // len(batch)
        return computed

    def _take_less(self, size: int, warn: Warn) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        name = self.device.type
        if size > 1 and self._is_placed:
            self._batch_size = size // 2
            warn(
                Notice(
                    kind="out_of_memory",
                    message=f"{size} slices at once do not fit into the memory of {name}; going "
                    f"on with {self._batch_size}.",
                )
            )
            return
        if name == "cpu":
            raise DeviceError(
                "There is not enough memory to predict even one slice.",
                hint="Close other programs, or use a machine with more memory.",
            )
        self.device = torch.device("cpu")
        self._batch_size, self._is_placed, self._bytes_per_slice = None, False, None
        warn(
            Notice(
                kind="out_of_memory",
                message=f"Not even one slice fits into the memory of {name}; going on with the "
                "CPU, which is slower.",
                hint="Close other programs that use the device.",
            )
        )

    def _default_batch_size(self, slices: NDArray[np.float32]) -> int:
        """Return how many slices fit; one as long as it is not known what a slice takes."""
        if self._bytes_per_slice is None:
            return 1
        height, width = int(slices.shape[-2]), int(slices.shape[-1])
        useful = PIXELS_PER_BATCH.get(self.device.type, PIXELS_PER_BATCH["cpu"])
        most = max(1, min(MAX_BATCH_SIZE, useful // (height * width)))
        return slices_that_fit(self._bytes_per_slice, free_bytes(self.device), most)
