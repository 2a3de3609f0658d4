"""What a worker can compute with, in words for people who choose."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from typing import Any

import torch

from CrossModalSegLib.networks.devices import resolve_device

GIB = 2**30

HOW_TO_GET_CUDA = "install a build of PyTorch for CUDA (in Slicer: the PyTorch extension)"


def describe_devices() -> dict[str, Any]:
    """Return the devices, which of them "auto" takes, and why."""
    devices = [*_cuda(), *_mps(), _cpu()]
    return {
        "devices": devices,
        "recommended": resolve_device("auto").type,
        "explanation": explain_choice(str(devices[0]["label"])),
    }


def explain_choice(label: str) -> str:
    """Return a sentence that says why "auto" takes the device that it takes.

    Args:
        label: Of that device.
    """
    name = resolve_device("auto").type
    if name == "cuda":
        count = torch.cuda.device_count()
        others = f" It is the first of {count}." if count > 1 else ""
        return f"The NVIDIA GPU {label} is used, which is the fastest.{others}"
    if name == "mps":
        return f"The GPU of {label} is used, which is faster than the processor."
    build = f"PyTorch {torch.__version__}"
    has_driver = shutil.which("nvidia-smi") is not None
    if torch.version.cuda is None and has_driver:
        return (
            f"The processor is used: an NVIDIA driver is there, but {build} is a build for the "
            f"processor alone. To use the GPU, {HOW_TO_GET_CUDA}."
        )
    if torch.version.cuda is None:
        return (
            f"The processor is used: no NVIDIA GPU was found, and {build} is a build for the "
            "processor alone."
        )
    if has_driver:
        return (
            f"The processor is used: an NVIDIA driver is there, but {build} (CUDA "
            f"{torch.version.cuda}) sees no GPU. The driver may be too old for it."
        )
    return f"The processor is used: no NVIDIA GPU was found (no driver is installed); {build}."


def _cuda() -> Iterator[dict[str, Any]]:
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        yield _device("cuda", torch.cuda.get_device_name(), total, free)


def _mps() -> Iterator[dict[str, Any]]:
    if torch.backends.mps.is_available():
        total = torch.mps.recommended_max_memory()
        free = total - torch.mps.driver_allocated_memory()
        yield _device("mps", "Apple silicon", total, free)


def _cpu() -> dict[str, Any]:
    name = platform.processor() or platform.machine() or "Processor"
    label = f"{name}, {torch.get_num_threads()} threads"
    return _device("cpu", label, *_memory_of_the_system())


def _memory_of_the_system() -> tuple[int | None, int | None]:
    """Return all and free memory in bytes, where the system says so without further packages."""
    try:
        page, pages = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return None, None
    try:
        return page * pages, page * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError):  # not on macOS
        return page * pages, None


def _device(name: str, label: str, total: int | None, free: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "label": label,
        "memory_gib": None if total is None else total / GIB,
        "free_gib": None if free is None else free / GIB,
    }
