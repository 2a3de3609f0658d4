"""Looking at the deepest features of a method's networks while they predict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from CrossModalSegLib.bundle.feature_statistics import Description
from CrossModalSegLib.methods.base import Method

CHANNELS = 32
"""To which a layer's channels are averaged, neighbours together."""

PLACES = 2
"""Parts into which rows and columns of a slice are averaged."""

LEAST_ROWS = 4
"""Smaller outputs, of poolings over the whole slice for example, have no places."""

Pooled = NDArray[np.float32]
"""(slice, channel, row, column), averaged."""


class FeatureTap:
    """Averages what a layer gives out, without a further computation.

    Args:
        method: Whose layer.
        layer: Its name; where there is none of that name, nothing is collected.
    """

    def __init__(self, method: Method, layer: str) -> None:
        self._module = dict(method.named_modules()).get(layer)
        self._pending: list[Pooled] = []
        self._kept: list[Pooled] = []
        self._source: NDArray[np.intp] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Collect what the layer gives out in this block: one call, for one batch of slices.

        Nothing is kept before `keep`: a batch that did not fit into the memory is tried again.
        """
        if self._module is None:
            yield
            return
        self._pending = []
        handle = self._module.register_forward_hook(self._hear)
        try:
            yield
        finally:
            handle.remove()

    def keep(self) -> None:
        """Keep what was collected last."""
        self._kept += self._pending
        self._pending = []

    def expect(self, source: NDArray[np.intp]) -> None:
        """Say which of the slices that will be kept each slice of the stack is like."""
        self._source = source

    def description(self) -> Description | None:
        """Return the features of the slices that were kept; None if there are none."""
        if not self._kept:
            return None
        kept = np.concatenate(self._kept)
        return describe_slices(kept if self._source is None else kept[self._source])

    def _hear(self, module: nn.Module, inputs: Any, output: Any) -> None:
        del module, inputs
        if isinstance(output, Tensor) and output.ndim == 4:
            self._pending.append(pool(output))


def deepest_layer(method: Method, channels: int, matrix: tuple[int, int]) -> str:
    """Return the name of the layer whose output has the fewest rows and columns; "" if none fits.

    Of several that with most channels, of these the last: it has seen most, and is no part of a
    small critic that looks at features.

    Args:
        method: Ready to predict.
        channels: Of its slices.
        matrix: Rows and columns of its slices.
    """
    sizes: dict[str, tuple[int, int]] = {}

    def watch(name: str) -> Any:
        def hear(module: nn.Module, inputs: Any, output: Any) -> None:
            del module, inputs
            if isinstance(output, Tensor) and output.ndim == 4:
                height, width = output.shape[-2:]
                if min(height, width) >= LEAST_ROWS and output.shape[1] > 1:
                    sizes.pop(name, None)
                    sizes[name] = height * width, -output.shape[1]

        return hear

    leaves = [(n, m) for n, m in method.named_modules() if not list(m.children())]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    weight = next(iter(method.parameters()))
    try:
        with torch.inference_mode():
            method.predict(torch.zeros(1, channels, *matrix, device=weight.device))
    finally:
        for handle in handles:
            handle.remove()
    smallest = min(sizes.values(), default=None)
    return next((name for name in reversed(sizes) if sizes[name] == smallest), "")


def pool(features: Tensor) -> Pooled:
    """Return (slice, channel, row, column), averaged to at most 32 channels in 2x2 places."""
    places = functional.adaptive_avg_pool2d(features.float(), PLACES)
    batch, channels = places.shape[:2]
    flat = places.permute(0, 2, 3, 1).reshape(batch, PLACES * PLACES, channels)
    few = functional.adaptive_avg_pool1d(flat, min(CHANNELS, channels))
    array: Pooled = few.reshape(batch, PLACES, PLACES, -1).permute(0, 3, 1, 2).cpu().numpy()
    return array


def describe_slices(pooled: Pooled) -> Description:
    """Return the features of a case: means over the first and over the second half of slices."""
    half, rest = (len(pooled) + 1) // 2, len(pooled) // 2
    means = np.stack([pooled[:half].mean(axis=0), pooled[rest:].mean(axis=0)])
    return means.astype(np.float64).reshape(-1)
