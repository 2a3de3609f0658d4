"""Where the Train page keeps what it makes: cohorts, runs, the queue, logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.bundle.library import user_folder
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.training.run_queue import RunQueue

MAX_NAME_LENGTH = 80
MAX_NUMBER_LENGTH = 6

_OTHER_LETTERS = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True)
class Workspace:
    """A folder of the user; nothing in it is made before something is written.

    Attributes:
        folder: The whole.
    """

    folder: Path

    @property
    def cohorts(self) -> Path:
        """Prepared data, a folder each."""
        return self.folder / "cohorts"

    @property
    def runs(self) -> Path:
        """Training runs, a folder each."""
        return self.folder / "runs"

    @property
    def queue(self) -> Path:
        """Runs that wait for their turn, a file each."""
        return self.folder / "queue"

    @property
    def logs(self) -> Path:
        """What trainings said beside their events, a file each."""
        return self.folder / "logs"

    def free_name(self, wished: str) -> str:
        """Return a name for a run, safe as a folder on every system, that no other one has.

        Args:
            wished: What it is to look like; other letters than a to z, digits and "._-" are
                replaced.
        """
        stem = _OTHER_LETTERS.sub("-", wished.lower()).strip("-_.")
        stem = stem[: MAX_NAME_LENGTH - MAX_NUMBER_LENGTH].rstrip("-_.") or "run"
        if safe_case_id(stem) != stem:  # Windows has other plans for some names
            stem = f"run-{stem}"
        taken = {entry.name for entry in RunQueue(self.folder).all_entries()}
        number, name = 1, stem
        while name in taken or (self.runs / name).exists():
            number += 1
            name = f"{stem}-{number}"
        return name


def default_workspace() -> Workspace:
    """Return the user's own, beside the imported models."""
    return Workspace(user_folder() / "training")
