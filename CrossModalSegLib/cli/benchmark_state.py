"""What is known of a trial: how it was made, how far it is, what it took, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from CrossModalSegLib import __version__
from CrossModalSegLib.cli.benchmark_folder import TrialFolder
from CrossModalSegLib.cli.benchmark_settings import TrialSettings
from CrossModalSegLib.cli.benchmark_suite import Trial
from CrossModalSegLib.core.config import from_dict, read_json, to_dict, write_json
from CrossModalSegLib.core.errors import ConfigError, CrossModalSegError

STATE_VERSION = 1

Status = Literal["begun", "finished", "failed"]


@dataclass(frozen=True, kw_only=True)
class TrialState:
    """The content of `trial.json`.

    Attributes:
        status: "begun" also where it was cancelled or killed.
        direction: Name.
        row: Name.
        method: In the registry.
        preset: Name, or file.
        overrides: Changes of the preset.
        preset_hash: Of all settings that can change a weight.
        settings: All of them.
        seed: Of the training.
        phantom: What drew the subjects, its version, and how many there are.
        code: Version of the program and hash of its sources, at the beginning.
        resumed_with: Hashes of the sources with which it went on, where they were others.
        device: That was asked for.
        peak_memory_mb: Highest resident memory of the process while it trained, in 2^20 bytes.
        peak_gpu_mb: Highest memory on the GPU; None without one.
        error: Why it failed: kind, message, hint.
    """

    v: int = STATE_VERSION
    status: Status = "begun"
    direction: str
    row: str
    method: str
    preset: str
    overrides: tuple[str, ...]
    preset_hash: str
    settings: Mapping[str, Any]
    seed: int
    phantom: Mapping[str, Any]
    code: Mapping[str, str]
    resumed_with: tuple[str, ...] = ()
    device: str
    peak_memory_mb: float | None = None
    peak_gpu_mb: float | None = None
    error: Mapping[str, str] = field(default_factory=dict)

    def resumed(self, sources: str, device: str) -> TrialState:
        """Return the state of a trial that goes on."""
        others = dict.fromkeys((*self.resumed_with, sources))
        others.pop(self.code["sources"], None)
        return replace(self, resumed_with=tuple(others), device=device)

    def failed(self, error: CrossModalSegError) -> TrialState:
        """Return the state of a trial that ended in an error."""
        told = {"kind": error.kind, "message": error.message, "hint": error.hint}
        return replace(self, status="failed", error=told)


def new_state(
    trial: Trial, settings: TrialSettings, *, phantom: Mapping[str, Any], sources: str, device: str
) -> TrialState:
    """Return the state of a trial that begins."""
    return TrialState(
        direction=trial.direction.name,
        row=trial.row.name,
        method=trial.row.method,
        preset=settings.preset,
        overrides=settings.overrides,
        preset_hash=settings.content_hash,
        settings=settings.values,
        seed=trial.seed,
        phantom=phantom,
        code={"version": __version__, "sources": sources},
        device=device,
    )


def read_state(folder: TrialFolder) -> TrialState | None:
    """Read the state of a trial; None if it was never begun.

    Raises:
        ConfigError: The file is damaged or of another version.
    """
    path = folder.state_file
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("v") != STATE_VERSION:
        raise ConfigError(f"{path} was written by another version of the program.")
    return from_dict(TrialState, content, str(path))


def write_state(folder: TrialFolder, state: TrialState) -> None:
    """Write the state of a trial.

    Raises:
        StorageError: The disk is full or not writable.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    write_json(folder.state_file, to_dict(state))
