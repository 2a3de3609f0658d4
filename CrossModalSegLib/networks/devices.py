"""Which device and which precision to compute with."""

from __future__ import annotations

from typing import Literal

import torch

from CrossModalSegLib.core.errors import DeviceError, UnknownNameError

DEVICES = ("auto", "cuda", "mps", "cpu")


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; "auto" prefers CUDA, then MPS, then the CPU.

    Raises:
        UnknownNameError: No such kind of device.
        DeviceError: The device is not there, or torch was built without it.
    """
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, is_there in available.items() if is_there)
    if not available[name]:
        raise DeviceError(
            f"The device {name!r} was asked for, but torch {torch.__version__} sees none.",
            hint="Use --device auto or cpu, or install a build of torch for that device.",
        )
    return torch.device(name)


def is_bf16_fast(device_type: str) -> bool:
    """Tell whether bfloat16 autocast is faster than float32 there.

    On x86 CPUs this needs AMX or AVX512-BF16; without them bfloat16 is emulated and slower.
    """
    if device_type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if device_type != "cpu":
        return False
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


def choose_precision(device_type: str) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Return the fastest precision that trains safely on a kind of device."""
    return "bf16-mixed" if is_bf16_fast(device_type) else "32-true"
