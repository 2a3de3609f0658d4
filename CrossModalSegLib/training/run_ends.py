"""How a training ends that could not go on, told in its journal in words to act on."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from CrossModalSegLib.core.errors import (
    Cancelled,
    CrossModalSegError,
    MemoryShortageError,
    StorageError,
    UnexpectedError,
)
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.journal import Journal

_SIGNS_OF_MEMORY_SHORTAGE = (
    "out of memory",  # CUDA's driver, MPS
    "can't allocate memory",  # torch on the CPU
    "not enough memory",  # torch on the CPU of Windows
    "_STATUS_ALLOC_FAILED",  # cuBLAS, cuDNN
)
"""In messages of torch's RuntimeError, which has no class of its own for them."""

_GPU_NAMES = ("CUDA", "CUBLAS", "CUDNN", "MPS")


@contextmanager
def ends_told(journal: Journal, reporter: Reporter, run: Path, batch_size: int) -> Iterator[None]:
    """Write into the journal why a run did not finish; to others its command tells that.

    Args:
        journal: Of the run; its reserve is freed for the last event.
        reporter: Whose job the events belong to.
        run: The run's folder, for the command line that goes on.
        batch_size: Slices of each domain in a batch.

    Raises:
        MemoryShortageError: Instead of what torch or Python raise when memory runs out.
        CrossModalSegError: As it was raised.
    """
    try:
        yield
    except Cancelled:
        journal.free_reserve()
        Reporter(reporter.job, [journal]).cancelled()
        raise
    except Exception as error:
        told = _explained(error, run, batch_size)
        journal.free_reserve()
        with suppress(StorageError):  # the disk is full to the last byte
            Reporter(reporter.job, [journal]).error(told)
        if told is error or isinstance(told, UnexpectedError):
            raise
        raise told from error


def is_memory_shortage(error: BaseException) -> bool:
    """Tell whether something was raised because the GPU or the computer has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error)
    return isinstance(error, RuntimeError) and any(s in text for s in _SIGNS_OF_MEMORY_SHORTAGE)


def resume_command(run: Path, batch_size: int | None = None) -> str:
    """Return the command line that goes on with a run."""
    smaller = "" if batch_size is None else f" --batch-size {batch_size}"
    return f"crossmodalseg train --run {shlex.quote(str(run))} --resume{smaller}"


def _explained(error: Exception, run: Path, batch_size: int) -> CrossModalSegError:
    if is_memory_shortage(error):
        return _memory_shortage(error, run, batch_size)
    if isinstance(error, StorageError):
        hint = f"{error.hint} Then go on with: {resume_command(run)}"
        return StorageError(error.message, hint=hint)
    return error if isinstance(error, CrossModalSegError) else UnexpectedError(error)


def _memory_shortage(error: Exception, run: Path, batch_size: int) -> MemoryShortageError:
    is_gpu = isinstance(error, torch.OutOfMemoryError) or any(n in str(error) for n in _GPU_NAMES)
    where = "The GPU" if is_gpu else "The computer"
    slices = "1 slice" if batch_size == 1 else f"{batch_size} slices"
    hint = (
        f"Close other programs, or go on with a smaller batch: "
        f"{resume_command(run, batch_size // 2)}"
        if batch_size > 1
        else "Close other programs, or start a new run with a smaller preset or with "
        "training.recompute=true."
    )
    return MemoryShortageError(
        f"{where} ran out of memory in training with {slices} of each domain in a batch.",
        hint=hint,
    )
