"""The runs of a workspace by their folders, without reading more than their names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CONFIG_FILE, LOCK_FILE = "config.json", "run.lock"


@dataclass(frozen=True)
class FoundRun:
    """A folder with a run.

    Attributes:
        name: Of the folder.
        begun: When its configuration was written, in seconds since the epoch.
        is_locked: Whether some process said that it trains there; it may be gone.
    """

    name: str
    begun: float
    is_locked: bool


def find_runs(folder: Path) -> tuple[FoundRun, ...]:
    """Return the runs in a folder, the newest first; hidden folders are left out."""
    found = []
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except OSError:  # there is none yet
        return ()
    for name in names:
        try:
            begun = (folder / name / CONFIG_FILE).stat().st_mtime
        except OSError:  # no run
            continue
        found.append(FoundRun(name, begun, (folder / name / LOCK_FILE).exists()))
    return tuple(sorted(found, key=lambda run: (-run.begun, run.name)))
