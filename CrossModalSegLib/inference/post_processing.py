"""Rules that clean predicted labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.volume import Volume


def post_process(labels: Volume, rules: PostProcessing) -> Volume:
    """Apply a bundle's rules to its labels."""
    if not rules.largest_component:
        return labels
    return labels.with_array(keep_largest_components(labels.array_kji))


def keep_largest_components(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return labels with only the largest part of each class; the rest becomes background.

    Parts hang together by faces of voxels (6 neighbours). Of several largest parts the first stays.
    """
    from scipy import ndimage

    kept = np.zeros_like(labels)
    boxes: Sequence[tuple[slice, ...] | None] = ndimage.find_objects(labels)
    for value, box in enumerate(boxes, start=1):
        if box is None:
            continue
        parts, _ = ndimage.label(labels[box] == value)
        sizes = np.bincount(parts.reshape(-1))
        sizes[0] = 0  # what is not of this class
        kept[box][parts == sizes.argmax()] = value
    return kept
