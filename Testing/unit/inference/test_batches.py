"""When memory runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from CrossModalSegLib.core.errors import ConfigError, DeviceError, UnknownNameError
from CrossModalSegLib.inference.batches import BatchRunner
from CrossModalSegLib.inference.result import Notice
from CrossModalSegLib.methods.base import Method

SLICES = np.random.default_rng(0).uniform(-1, 1, (11, 8, 6)).astype(np.float32)

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
    MemoryError(),
]


@pytest.fixture
def notices() -> list[Notice]:
    """Return a list for what the runner says."""
    return []


def limit_batch(
    method: Method, monkeypatch: pytest.MonkeyPatch, largest: int, error: Exception
) -> list[int]:
    """Let predictions of more than `largest` slices fail; return the sizes that were tried."""
    tried: list[int] = []
    predict = method.predict

    def limited(x_t: torch.Tensor) -> torch.Tensor:
        tried.append(len(x_t))
        if len(x_t) > largest:
            raise error
        return predict(x_t)

    monkeypatch.setattr(method, "predict", limited)
    return tried


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_a_batch_that_does_not_fit_is_halved_and_no_slice_is_lost(
    method: Method, monkeypatch: pytest.MonkeyPatch, notices: list[Notice], error: Exception
) -> None:
    expected = np.concatenate(list(BatchRunner(method, "cpu", "32-true").run(SLICES, print)))
    tried = limit_batch(method, monkeypatch, 2, error)
    runner = BatchRunner(method, "cpu", "32-true", batch_size=8)
    predicted = np.concatenate(list(runner.run(SLICES, notices.append)))
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)  # vector code differs by size
    assert tried == [8, 4, 2, 2, 2, 2, 2, 1]
    assert [notice.kind for notice in notices] == ["out_of_memory"] * 2
    assert "8 slices at once do not fit into the memory of cpu; going on with 4" in (
        notices[0].message
    )


def test_the_next_volume_begins_with_what_fitted(
    method: Method, monkeypatch: pytest.MonkeyPatch, notices: list[Notice]
) -> None:
    tried = limit_batch(method, monkeypatch, 2, OUT_OF_MEMORY[0])
    runner = BatchRunner(method, "cpu", batch_size=4)
    list(runner.run(SLICES, notices.append))
    tried.clear()
    list(runner.run(SLICES[:4], notices.append))
    assert tried == [2, 2]


def test_when_not_even_one_slice_fits_into_the_cpu_it_is_an_error(
    method: Method, monkeypatch: pytest.MonkeyPatch, notices: list[Notice]
) -> None:
    limit_batch(method, monkeypatch, 0, OUT_OF_MEMORY[0])
    with pytest.raises(DeviceError, match="even one slice"):
        list(BatchRunner(method, "cpu", batch_size=2).run(SLICES, notices.append))


def test_a_gpu_without_memory_gives_way_to_the_cpu(
    method: Method, monkeypatch: pytest.MonkeyPatch, notices: list[Notice]
) -> None:
    place = type(method).to
    moved_to: list[str] = []

    def full_gpu(self: Method, *args: object, **options: object) -> Method:
        if "device" in options:
            moved_to.append(str(options["device"]))
        if str(options.get("device")) == "cuda":
            raise OUT_OF_MEMORY[0]
        return place(self, *args, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(type(method), "to", full_gpu)
    monkeypatch.setattr(
        "CrossModalSegLib.inference.batches.resolve_device", lambda _: torch.device("cuda")
    )
    runner = BatchRunner(method, "auto")
    predicted = np.concatenate(list(runner.run(SLICES, notices.append)))
    assert len(predicted) == len(SLICES)
    assert runner.device.type == "cpu"
    assert moved_to == ["cuda", "cpu"]
    assert "going on with the CPU" in notices[0].message


def test_other_errors_are_not_taken_for_lack_of_memory(
    method: Method, monkeypatch: pytest.MonkeyPatch, notices: list[Notice]
) -> None:
    limit_batch(method, monkeypatch, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1"):
        list(BatchRunner(method, "cpu").run(SLICES, notices.append))
    assert notices == []


@pytest.mark.parametrize(
    ("shape", "expected"), [((256, 256), 8), ((64, 64), 64), ((2048, 2048), 1)]
)
def test_batches_shrink_with_the_size_of_slices(
    method: Method,
    monkeypatch: pytest.MonkeyPatch,
    notices: list[Notice],
    shape: tuple[int, int],
    expected: int,
) -> None:
    tried: list[int] = []

    def small(x_t: torch.Tensor) -> torch.Tensor:
        tried.append(len(x_t))
        return torch.zeros(len(x_t), 5, 1, 1)

    monkeypatch.setattr(method, "predict", small)
    slices = np.broadcast_to(np.float32(0), (expected + 1, *shape))
    list(BatchRunner(method, "cpu").run(slices, notices.append))
    assert tried == [1, expected]


@pytest.mark.parametrize(
    ("free", "expected"),
    [(None, [1, 8, 2]), (10**9, [1, 8, 2]), (6 * 4000, [1, 3, 3, 3, 1]), (1, [1] * 11)],
)
def test_batches_fit_into_half_of_the_free_memory(
    method: Method, monkeypatch: pytest.MonkeyPatch, free: int | None, expected: list[int]
) -> None:
    tried: list[int] = []

    def hungry(x_t: torch.Tensor) -> torch.Tensor:
        tried.append(len(x_t))
        first = torch.ones(len(x_t), 500)  # 2000 bytes a slice, and as much again
        second = first + 1
        return second[:, :5, None, None]

    monkeypatch.setattr(method, "predict", hungry)
    monkeypatch.setattr("CrossModalSegLib.inference.batches.MAX_BATCH_SIZE", 8)
    monkeypatch.setattr("CrossModalSegLib.inference.batches.free_bytes", lambda _: free)
    tiny = np.zeros((11, 1, 1), np.float32)
    runner = BatchRunner(method, "cpu", "32-true")
    list(runner.run(tiny, print))
    assert tried == expected
    assert runner._bytes_per_slice == pytest.approx(4000, abs=16)
    tried.clear()
    list(runner.run(tiny, print))
    assert tried[0] == min(11, expected[1])  # what a slice takes is known by now


def test_another_computation_is_run_like_predictions(method: Method) -> None:
    def twice(_: Method, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images, 2 * images], dim=1)

    runner = BatchRunner(method, "cpu", "32-true", batch_size=4)
    computed = np.concatenate(list(runner.run(SLICES, print, twice)))
    assert np.array_equal(computed, np.stack([SLICES, 2 * SLICES], axis=1))


def test_nothing_is_kept_for_gradients(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[bool] = []
    predict = method.predict

    def watched(x_t: torch.Tensor) -> torch.Tensor:
        modes.append(torch.is_inference_mode_enabled())
        return predict(x_t)

    monkeypatch.setattr(method, "predict", watched)
    list(BatchRunner(method.train(), "cpu").run(SLICES, print))
    assert modes == [True, True]
    assert not method.training


def test_settings_that_make_no_sense_are_refused(method: Method) -> None:
    with pytest.raises(UnknownNameError, match="No precision 'bf16'"):
        BatchRunner(method, "cpu", "bf16")
    with pytest.raises(ConfigError, match="batch_size is 0"):
        BatchRunner(method, "cpu", batch_size=0)
