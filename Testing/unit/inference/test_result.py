"""Sizes of structures."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.result import SegmentationResult


def test_volumes_are_voxels_times_the_volume_of_one() -> None:
    labels = Volume(np.zeros((2, 3, 4), np.uint8), np.diag([1.0, 2.0, 5.0, 1.0]))
    result = SegmentationResult(
        labels=labels, voxels={"WT": 10, "ET": 0}, seconds=1.0, device="cpu", precision="32-true"
    )
    assert result.volumes_ml == {"WT": pytest.approx(0.10), "ET": 0.0}
