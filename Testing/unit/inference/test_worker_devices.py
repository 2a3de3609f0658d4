"""Devices, in words."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from CrossModalSegLib.inference.worker_devices import GIB, describe_devices


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of machines with or without GPU, driver and a build of torch for it."""

    def make(
        *, gpus: int = 0, mps: bool = False, cuda: str | None = None, driver: bool = False
    ) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
        monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: "RTX Test")
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (3 * GIB, 8 * GIB))
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)
        monkeypatch.setattr("torch.mps.recommended_max_memory", lambda: 16 * GIB)
        monkeypatch.setattr("torch.mps.driver_allocated_memory", lambda: 4 * GIB)
        monkeypatch.setattr("torch.version.cuda", cuda)
        found = "nvidia-smi" if driver else None
        monkeypatch.setattr(
            "CrossModalSegLib.inference.worker_devices.shutil.which", lambda _: found
        )

    return make


def test_a_gpu_is_recommended_and_the_processor_remains(machine: Any) -> None:
    machine(gpus=2, cuda="12.8", driver=True)
    said = describe_devices()
    assert [device["name"] for device in said["devices"]] == ["cuda", "cpu"]
    assert said["devices"][0] == {
        "name": "cuda",
        "label": "RTX Test",
        "memory_gib": 8.0,
        "free_gib": 3.0,
    }
    assert said["recommended"] == "cuda"
    assert said["explanation"] == (
        "The NVIDIA GPU RTX Test is used, which is the fastest. It is the first of 2."
    )


def test_apples_gpu_is_recommended_where_there_is_one(machine: Any) -> None:
    machine(mps=True)
    said = describe_devices()
    assert said["recommended"] == "mps"
    assert said["devices"][0]["free_gib"] == 12.0
    assert "Apple silicon" in said["explanation"]


@pytest.mark.parametrize(
    ("cuda", "driver", "expected"),
    [
        (None, False, "no NVIDIA GPU was found, and PyTorch .* for the processor alone"),
        (None, True, "NVIDIA driver is there, but .* To use the GPU, install"),
        ("12.8", True, "sees no GPU. The driver may be too old"),
        ("12.8", False, r"no NVIDIA GPU was found \(no driver is installed\)"),
    ],
)
def test_without_a_gpu_the_reason_is_given(
    machine: Any, cuda: str | None, expected: str, *, driver: bool
) -> None:
    machine(cuda=cuda, driver=driver)
    said = describe_devices()
    assert said["recommended"] == "cpu"
    assert said["explanation"].startswith("The processor is used")
    assert re.search(expected, said["explanation"])


def test_the_processor_says_how_many_threads_and_how_much_memory(machine: Any) -> None:
    machine()
    (processor,) = describe_devices()["devices"]
    assert f"{torch.get_num_threads()} threads" in processor["label"]
    assert processor["memory_gib"] > processor["free_gib"] > 0


def test_a_system_that_does_not_tell_its_memory_is_no_error(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()
    monkeypatch.delattr("os.sysconf")
    (processor,) = describe_devices()["devices"]
    assert processor["memory_gib"] is None
    assert processor["free_gib"] is None
