"""How much memory a training has, for its journal."""

from __future__ import annotations

import psutil
import torch

PROCESS_MEMORY, GPU_MEMORY = "memory_mib", "gpu_memory_mib"
"""Names in `metrics` events."""

MEMORY_QUANTITIES = (PROCESS_MEMORY, GPU_MEMORY)

BYTES_PER_MIB = 2**20


def memory_use(device: torch.device) -> dict[str, float]:
    """Return the memory of this process now, and on a CUDA device the most that torch held so far.

    What other programs have on the device, and the driver's own part, are not in it.

    Args:
        device: Where the networks are.

    Returns:
        MiB by name of the quantity.
    """
    use = {PROCESS_MEMORY: psutil.Process().memory_info().rss / BYTES_PER_MIB}
    if device.type == "cuda":
        use[GPU_MEMORY] = torch.cuda.max_memory_reserved(device) / BYTES_PER_MIB
    return {name: round(mib, 1) for name, mib in use.items()}
