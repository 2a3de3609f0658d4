"""How good a segmentation probably is: whether it stays the same when the image changes a little.

A model that is sure of what it sees says the same of a noisier, a turned and an enlarged copy of a
slice. The Dice of its labels with those of the copies, turned back, goes along with the
Dice with a reference, which nobody has. It is no estimate of it in size: errors that the model
makes every time are not seen, so that it comes out too high.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from CrossModalSegLib.core.tasks import Region
from CrossModalSegLib.inference.batches import Compute
from CrossModalSegLib.inference.result import Notice
from CrossModalSegLib.methods.base import Method

NOISE = 0.1
"""Standard deviation of the noise, of intensities from -1 to 1."""

TURN_DEGREES = 8.0

ENLARGEMENT = 1.08

SHIFT_PIXELS = (3.0, -3.0)
"""Along columns and rows, of the enlarged copy."""

LITTLE = 0.85
"""Below this mean a result is warned of: on phantoms of development these were the worst twentieth,
with a Dice of at most 0.72 where 0.78 was the mean."""

_SEED = 20240229

Predict = Callable[[Tensor], Tensor]


def count_agreement(regions: Sequence[Region]) -> Compute:
    """Return a computation for `BatchRunner`: voxels that agree, of each slice.

    It gives (slice, copy, region, 3): voxels in both, voxels of the slice's own labels, voxels of
    the copy's.
    """

    def compute(method: Method, images: Tensor) -> Tensor:
        own = _masks(method.predict(images), regions)
        counts = []
        for copy in _COPIES:
            other = _masks(copy(method.predict, images), regions)
            both = (own & other).sum(dim=(-2, -1))
            counts.append(torch.stack([both, own.sum(dim=(-2, -1)), other.sum(dim=(-2, -1))], -1))
        return torch.stack(counts, dim=1)

    return compute


def predicted_dice(
    counts: Iterable[NDArray[np.float32]], regions: Sequence[Region]
) -> dict[str, float | None]:
    """Return the mean Dice over the copies by region, and over the regions as "mean".

    Args:
        counts: Of each slice, (copy, region, 3).
        regions: Which they are of.

    Returns:
        None for a region that is found neither in the slices nor in any copy; "mean" is None if
        nothing is found at all.
    """
    total = np.stack(list(counts)).sum(axis=0, dtype=np.float64)
    both, own, other = np.moveaxis(total, -1, 0)
    sizes = own + other
    with np.errstate(invalid="ignore"):
        dice = np.where(sizes > 0, 2 * both / sizes, np.nan)
    found: dict[str, float | None] = {}
    for index, region in enumerate(regions):
        values = dice[:, index][np.isfinite(dice[:, index])]
        found[region.name] = float(values.mean()) if values.size else None
    known = [value for value in found.values() if value is not None]
    return {**found, "mean": math.fsum(known) / len(known) if known else None}


def warn_of_little(predicted: Mapping[str, float | None]) -> Notice | None:
    """Return what to tell the user of a result that small changes change; None if they do not."""
    mean = predicted["mean"]
    if mean is None or mean >= LITTLE:
        return None
    return Notice(
        kind="unstable_result",
        message="This result is probably poor: small changes of the image change it (a Dice of "
        f"{mean:.2f} with itself, usually above {LITTLE:g}).",
        hint="Look at every slice of it.",
    )


def _masks(probabilities: Tensor, regions: Sequence[Region]) -> Tensor:
    """Return where each region is, (slice, region, row, column)."""
    labels = probabilities.argmax(dim=1)
    values = [torch.tensor(region.values, device=labels.device) for region in regions]
    return torch.stack([torch.isin(labels, value) for value in values], dim=1)


def _noisy(predict: Predict, images: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(_SEED)
    noise = torch.randn(images.shape[1:], generator=generator).to(images)
    return predict((images + NOISE * noise).clamp(-1, 1))


def _turned(predict: Predict, images: Tensor) -> Tensor:
    return _moved(predict, images, _matrix(math.radians(TURN_DEGREES), 1.0, (0.0, 0.0)))


def _enlarged(predict: Predict, images: Tensor) -> Tensor:
    return _moved(predict, images, _matrix(0.0, ENLARGEMENT, SHIFT_PIXELS))


_COPIES: tuple[Callable[[Predict, Tensor], Tensor], ...] = (_noisy, _turned, _enlarged)


def _matrix(angle: float, scale: float, shift: tuple[float, float]) -> Tensor:
    """Return the matrix from places (column, row, 1) of the copy to those of the image."""
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    return torch.tensor(
        [[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [0.0, 0.0, 1.0]], dtype=torch.float64
    )


def _moved(predict: Predict, images: Tensor, matrix: Tensor) -> Tensor:
    """Return the probabilities of moved images, moved back."""
    there = _sampled(images, matrix)
    return _sampled(predict(there).float(), torch.linalg.inv(matrix))


def _sampled(images: Tensor, matrix: Tensor) -> Tensor:
    """Return images at other places; pixels from their centre, the border goes on beyond."""
    height, width = images.shape[-2:]
    to_pixels = torch.diag(torch.tensor([width / 2, height / 2, 1.0], dtype=torch.float64))
    theta = torch.linalg.inv(to_pixels) @ matrix @ to_pixels
    theta = theta[:2].to(device=images.device, dtype=torch.float32)
    shape = [len(images), 1, height, width]
    grid = functional.affine_grid(theta.expand(len(images), 2, 3), shape, align_corners=False)
    return functional.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
