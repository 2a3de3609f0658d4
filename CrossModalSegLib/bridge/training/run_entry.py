"""What the list of runs says of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.bridge.training.run_log import Message
from CrossModalSegLib.bridge.training.run_monitor import ACTIVE_STATES, RunState
from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.errors import CrossModalSegError

ListedState = RunState | Literal["queued", "not started"]
"""Of a run in the list. "not started": it failed before it had a folder."""

STATE_LABELS: dict[ListedState, str] = {
    "queued": "Queued",
    "starting": "Starting",
    "running": "Running",
    "paused": "Paused",
    "finished": "Finished",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "killed": "Killed",
    "not started": "Not started",
}

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """One line of the list.

    Attributes:
        name: Of the run's folder, or of the entry of the queue.
        folder: Where the run is, or will be.
        state: What it does.
        config: Its configuration; {} before it has one.
        arguments: Those that are queued, or failed.
        done: Iterations.
        total: Iterations of the whole run; 0: not known.
        best_score: Highest label-free score, None before the first.
        last: The latest warning or error.
        size_bytes: On the disk; None while that is not known.
        is_resumable: Whether it ended before its end.
    """

    name: str
    folder: Path
    state: ListedState
    config: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    done: int = 0
    total: int = 0
    best_score: float | None = None
    last: Message | None = None
    size_bytes: int | None = None
    is_resumable: bool = False

    @property
    def is_active(self) -> bool:
        """Whether a process trains it."""
        return self.state in ACTIVE_STATES

    @property
    def has_folder(self) -> bool:
        """Whether there is something to open and to report of."""
        return bool(self.config)

    @property
    def is_usable(self) -> bool:
        """Whether it has made a model."""
        return self.state == "finished"

    @property
    def is_short_of_memory(self) -> bool:
        """Whether memory ran out, or may have: systems kill what takes too much of it."""
        ran_out = self.last is not None and self.last.kind == "out_of_memory"
        return (self.state == "failed" and ran_out) or self.state == "killed"

    @property
    def batch_size(self) -> int | None:
        """Slices of each domain in a batch, by the configuration."""
        settings = self.config.get("settings")
        training = settings.get("training") if isinstance(settings, Mapping) else None
        size = training.get("batch_size") if isinstance(training, Mapping) else None
        return size if isinstance(size, int) and size >= 1 else None

    @property
    def method(self) -> str:
        """Its name, or "" if nothing says it."""
        return str(self.config.get("method") or _option(self.arguments, "--method"))

    @property
    def state_text(self) -> str:
        """What it does, with how far it is."""
        label = STATE_LABELS[self.state]
        if not self.total or self.state == "finished":
            return label
        return f"{label}, {100 * self.done // self.total} %"

    @property
    def score_text(self) -> str:
        """The label-free score."""
        return "" if self.best_score is None else f"{self.best_score:.3f}"

    @property
    def size_text(self) -> str:
        """What it takes on the disk."""
        if self.size_bytes is None:
            return "…" if self.has_folder else ""
        mib = self.size_bytes / MIB
        return f"{mib / 1024:.1f} GB" if mib >= 1024 else f"{mib:.1f} MB"

    def wishes(self) -> dict[str, Any]:
        """Return what it was asked for, in the form of a run's configuration.

        A batch that was changed on the way is among the overrides.
        """
        return _wishes_of_config(self.config) if self.config else _wishes_of(self.arguments)


def _wishes_of_config(config: Mapping[str, Any]) -> dict[str, Any]:
    overrides = [str(each) for each in config.get("overrides", ())]
    for change in config.get("changes", ()):
        setting = change["setting"]
        overrides = [each for each in overrides if each.partition("=")[0].strip() != setting]
        overrides.append(f"{setting}={change['after']}")
    return {**config, "overrides": overrides}


def _wishes_of(arguments: tuple[str, ...]) -> dict[str, Any]:
    source, target = (_option(arguments, f"--{role}") for role in ("source", "target"))
    return {
        "method": _option(arguments, "--method"),
        "preset": _option(arguments, "--preset"),
        "overrides": list(_options(arguments, "--override")),
        "task": {"name": _task_of(Path(source)) if source else ""},
        "cohorts": {
            "source": {"path": source},
            "target": {"path": target} if target else None,
        },
        "device": _option(arguments, "--device") or "auto",
    }


def _task_of(cohort: Path) -> str:
    """Return the task that a cohort was prepared for, or "" if it cannot be read."""
    try:
        return str(read_json(cohort / "cohort.json")["task"]["name"])
    except (CrossModalSegError, KeyError, TypeError):
        return ""


def _option(arguments: tuple[str, ...], name: str) -> str:
    return next(iter(_options(arguments, name)), "")


def _options(arguments: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return the values of an option, written `--name value` or `--name=value`."""
    joined = tuple(a.partition("=")[2] for a in arguments if a.startswith(f"{name}="))
    return (*(value for key, value in pairwise(arguments) if key == name), *joined)
