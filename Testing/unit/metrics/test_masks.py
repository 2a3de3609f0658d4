"""What two arrays must be before they are compared."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.core.errors import GeometryError, LabelError
from CrossModalSegLib.metrics.masks import require_comparable

MASK = np.ones((2, 3, 4), dtype=bool)


def test_two_masks_of_one_shape_are_accepted() -> None:
    require_comparable(MASK, ~MASK)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_an_array_of_labels_or_probabilities_is_refused(kind: type[np.generic]) -> None:
    with pytest.raises(LabelError, match=f"reference is an array of {np.dtype(kind)}"):
        require_comparable(MASK, MASK.astype(kind))
    with pytest.raises(LabelError, match="prediction is an array"):
        require_comparable(MASK.astype(kind), MASK)


def test_shapes_that_differ_are_both_named() -> None:
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\).*\(2, 3, 3\)"):
        require_comparable(MASK, MASK[..., 1:])
