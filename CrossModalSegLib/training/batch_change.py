"""A run that goes on with other batches than it began with, and remembers that."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.run_folder import RunFolder

SETTING = "training.batch_size"


@dataclass(frozen=True)
class BatchChange:
    """From how many slices of each domain in a batch to how many."""

    before: int
    after: int


def batch_change(config: Mapping[str, Any], batch_size: int | None) -> BatchChange | None:
    """Return what resuming with a batch changes; None if that is nothing.

    Args:
        config: Of the run.
        batch_size: Slices of each domain; None: as before.

    Raises:
        ConfigError: It is not positive.
    """
    before = batch_size_of(config)
    if batch_size is None or batch_size == before:
        return None
    if batch_size < 1:
        raise ConfigError(f"The batch size is {batch_size}, expected at least 1.")
    return BatchChange(before, batch_size)


def batch_size_of(config: Mapping[str, Any]) -> int:
    """Return the slices of each domain in a batch of a run."""
    return int(config["settings"]["training"]["batch_size"])


def with_batch(config: Mapping[str, Any], change: BatchChange) -> dict[str, Any]:
    """Return a run's configuration with another batch."""
    changed = copy.deepcopy(dict(config))
    changed["settings"]["training"]["batch_size"] = change.after
    return changed


def record_change(
    folder: RunFolder, config: dict[str, Any], change: BatchChange, iteration: int
) -> None:
    """Write the changed configuration, with what was changed when.

    Args:
        folder: Of the run.
        config: As `with_batch` returned it; the change is added to its history.
        change: What was changed.
        iteration: After which the new batches come.

    Raises:
        StorageError: The disk is full or not writable.
    """
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "iteration": iteration,
        "setting": SETTING,
        "before": change.before,
        "after": change.after,
    }
    config["changes"] = [*config.get("changes", []), entry]
    write_json(folder.config_file, config)


def tell_change(reporter: Reporter, change: BatchChange, iteration: int) -> None:
    """Warn that the run is no longer what its preset describes."""
    reporter.warning(
        "batch_size",
        f"From iteration {iteration} on a batch has {change.after} slices of each domain, not "
        f"{change.before}. Learning rates and the number of iterations stay.",
        "Results are no longer those of the preset as it stands.",
    )
