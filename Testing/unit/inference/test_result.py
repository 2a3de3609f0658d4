"""Sizes of regions."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.result import measure_volumes_ml


def test_regions_that_overlap_count_their_classes() -> None:
    labels = np.zeros((2, 3, 4), np.uint8)
    labels[0, 0] = 1
    labels[0, 1] = 2
    labels[1, 0, :2] = 3
    volumes = measure_volumes_ml(
        Volume(labels, np.diag([1.0, 2.0, 5.0, 1.0])), TASKS["brain_tumour"]
    )
    assert volumes == {
        "WT": pytest.approx(0.10),
        "TC": pytest.approx(0.06),
        "ET": pytest.approx(0.02),
    }
