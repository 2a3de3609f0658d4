"""How far data of a domain are on their way to a cohort, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from CrossModalSegLib.bridge.training.data_summary import DomainSummary
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event

State = Literal["done", "failed", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class PreparationProgress:
    """How far it is.

    Attributes:
        text: What is being done.
        fraction: Of the whole, 0 to 1; None where that is not known.
    """

    text: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class PreparationOutcome:
    """How it ended.

    Attributes:
        state: "done", "failed" or "cancelled".
        summary: Of data that were checked or prepared.
        cohort: The folder, if there is one now.
        picture: A contact sheet of it.
        error: Why it failed.
    """

    state: State
    summary: DomainSummary | None = None
    cohort: Path | None = None
    picture: Path | None = None
    error: CrossModalSegError | None = None


def progress_at_start(arguments: Sequence[str]) -> PreparationProgress:
    """Return what is said when a command begins."""
    if arguments[0] == "inspect":
        return PreparationProgress(text="Drawing a contact sheet")
    is_check = "--dry-run" in arguments
    return PreparationProgress(text="Looking at the data" if is_check else "Preparing")


def progress_of(event: Event) -> PreparationProgress:
    """Return what a progress event of a command says."""
    done, total = event.get("done"), event.get("total")
    doing = {"survey": "Reading", "prepare": "Preparing"}.get(str(event.get("stage")), "Working")
    if not total:
        return PreparationProgress(text=doing)
    return PreparationProgress(text=f"{doing}, {done} of {total} cases", fraction=done / total)
