"""How unsure a model is of each voxel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    empty_slices,
    restore_shares,
    return_to_grid,
)
from CrossModalSegLib.data.resampling import largest


def normalised_entropy(shares: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return -sum_c p_c ln p_c / ln C of probabilities (class, row, column): 0 sure, 1 no idea.

    Shannon's entropy, relative to that of C classes of which each is as probable as the others.
    What the network did not see, where all shares are 0, is 0.
    """
    entropy = np.zeros(shares.shape[1:], np.float32)
    for share in shares:
        add_entropy(entropy, share)
    entropy /= np.float32(np.log(len(shares)))
    return np.clip(entropy, 0.0, 1.0, out=entropy)


def add_entropy(entropy: NDArray[np.float32], share: NDArray[np.float32]) -> None:
    """Add what one class contributes, -p ln p, in place; the shape is any."""
    positive = np.maximum(share, np.finfo(np.float32).tiny)  # 0 ln 0 is 0
    entropy -= share * np.log(positive)


def restore_with_uncertainty(
    probabilities: Iterable[NDArray[np.floating]],
    grid: Volume,
    settings: Preprocessing,
    *,
    slices: range | None = None,
) -> tuple[Volume, Volume]:
    """Turn probabilities of prepared slices into labels and their normalised entropy.

    As `restore_probabilities`: the entropy is that of the probabilities on the volume's own grid,
    from which the labels come, and one slice at a time is in memory beside the two results.

    Args:
        probabilities: One array (class, row, column) a slice, in order.
        grid: The volume that was prepared.
        settings: As it was prepared.
        slices: Those that the probabilities are of; the others are background and 0. None: all.

    Raises:
        GeometryError: Number or size of the slices do not fit the volume.
    """
    labels = empty_slices(grid, settings, np.dtype(np.uint8))
    uncertainty = empty_slices(grid, settings, np.dtype(np.float32))
    for index, shares in restore_shares(probabilities, grid, settings, slices=slices):
        labels[index] = largest(shares)
        uncertainty[index] = normalised_entropy(shares)
    return return_to_grid(labels, grid, settings), return_to_grid(uncertainty, grid, settings)
