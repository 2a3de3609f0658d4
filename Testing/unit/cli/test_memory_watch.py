"""Peak memory of a block."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from CrossModalSegLib.cli.memory_watch import SAMPLE_SECONDS, MemoryWatch


def test_memory_that_was_given_back_counts() -> None:
    with MemoryWatch() as idle:
        time.sleep(2 * SAMPLE_SECONDS)
    with MemoryWatch() as busy:
        block = np.ones(300 * 2**20, dtype=np.uint8)
        time.sleep(2 * SAMPLE_SECONDS)
        del block
    assert 250 < busy.peak_mb - idle.peak_mb < 400


def test_an_error_inside_is_not_hidden() -> None:
    watch = MemoryWatch()
    with pytest.raises(ValueError, match="inside"), watch:
        raise ValueError("inside")
    assert watch.peak_mb > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_there_is_no_memory_of_one() -> None:
    with MemoryWatch() as watch:
        pass
    assert watch.peak_gpu_mb is None
