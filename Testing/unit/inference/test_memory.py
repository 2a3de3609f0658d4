"""How much memory there is, and how much a computation takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from CrossModalSegLib.inference import memory
from CrossModalSegLib.inference.memory import MemoryWatch, free_bytes, slices_that_fit

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("per_slice", "free", "most", "expected"),
    [
        (100, 1000, 64, 5),  # half of the memory is left to others
        (100, 1000, 3, 3),
        (100, 199, 64, 1),
        (1000, 10, 64, 1),
        (100, None, 64, 64),
        (0, 1000, 64, 64),
    ],
)
def test_as_many_slices_as_fit_and_are_of_use(
    per_slice: int, free: int | None, most: int, expected: int
) -> None:
    assert slices_that_fit(per_slice, free, most) == expected


def test_tensors_count_for_as_long_as_they_live() -> None:
    watch = MemoryWatch(CPU)
    with watch, torch.inference_mode():
        first = torch.zeros(1000)  # 4000 bytes
        second = first + 1  # 8000
        del first
        third = second * 2  # 8000 again
        third += 1  # in place: no more
        view = third.reshape(10, 100)  # nor this
        double = view.double()  # 16000
        del double, view
    assert watch.peak_bytes == 16000
    assert float(third[0]) == 3.0


def test_the_input_of_a_computation_does_not_count() -> None:
    given = torch.zeros(5000)
    watch = MemoryWatch(CPU)
    with watch:
        given.add_(1)
    assert watch.peak_bytes == 0


def test_a_batch_takes_as_much_as_its_slices() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3)
    )
    peaks = []
    for count in (1, 3):
        watch = MemoryWatch(CPU)
        images = torch.zeros(count, 1, 10, 10)
        with watch, torch.inference_mode():
            network(images)
        peaks.append(watch.peak_bytes)
    assert peaks[0] == 2 * 4 * 8 * 8 * 4  # before and after the ReLU
    assert peaks[1] == 3 * peaks[0]


def test_a_container_has_no_more_than_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10_000))
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert free_bytes(CPU) == 10_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes(CPU) == 10_000
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("4000\n")
    (tmp_path / "memory.stat").write_text("anon 3000\ninactive_file 700\nactive_file 300\n")
    assert free_bytes(CPU) == 1700
    (tmp_path / "memory.current").write_text("9000\n")
    assert free_bytes(CPU) == 0


def test_without_psutil_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    monkeypatch.setattr(memory, "_CGROUP", Path("nowhere"))
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_AVPHYS_PAGES": 10}.__getitem__)
    assert free_bytes(CPU) == 40960

    def unknown(_: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr("os.sysconf", unknown)
    assert free_bytes(CPU) is None


def test_what_torch_holds_in_reserve_is_free_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (1000, 8000))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: 600)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 400)
    assert free_bytes(torch.device("cuda")) == 1200


def test_a_gpu_is_asked_for_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", lambda _: asked.append("reset"))
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 300)
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: 1000)
    watch = MemoryWatch(torch.device("cuda"))
    with watch:
        pass
    assert asked == ["reset"]
    assert watch.peak_bytes == 700
