"""Complete checkpoints: written whole or not at all, read without executing anything."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.errors import RunError, StorageError

CHECKPOINT_VERSION = 1


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write `state` (tensors and plain values) to a temporary name, flush, rename.

    Raises:
        StorageError: The disk is full or not writable; the old checkpoint is untouched.
    """
    with atomic_write(path) as temporary:
        try:
            torch.save({"v": CHECKPOINT_VERSION, **state}, temporary)
        except RuntimeError as error:  # torch's zip writer hides the OSError of a full disk
            raise StorageError(
                f"{path} could not be written: {_first_line(error)}.",
                hint="Free some space on that disk and resume the run.",
            ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint with torch's safe loader, onto the CPU.

    Raises:
        RunError: The file is missing, damaged, or of another version.
    """
    if not path.is_file():
        raise RunError(
            f"{path} does not exist: the run has no checkpoint to resume from.",
            hint="Start it again in a new folder.",
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError, ValueError) as error:
        raise RunError(
            f"{path} is damaged: {_first_line(error)}.",
            hint="Start the run again in a new folder.",
        ) from error
    if not isinstance(state, dict) or state.get("v") != CHECKPOINT_VERSION:
        raise RunError(f"{path} was written by another version of the program.")
    return state


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
