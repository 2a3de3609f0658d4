"""What a user wants to train, and why it cannot start yet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.training.method_info import MethodInfo, override_text
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import ConfigError, RunError


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A training as a form holds it.

    Attributes:
        task: Name, or the path of its description.
        method: In the registry.
        preset: Of the method.
        source: Labelled cohort.
        target: Unlabelled cohort; None for methods that have none.
        overrides: Setting -> value; only those that differ from the preset.
        device: "auto", "cuda", "mps" or "cpu".
        name: Of the run; "": a name is made.
    """

    task: str
    method: str
    preset: str
    source: Path
    target: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    name: str = ""

    def options(self, run: Path) -> list[str]:
        """Return the arguments of the program that trains this.

        Args:
            run: Folder of the run.
        """
        arguments = ["train", "--run", str(run), "--method", self.method, "--preset", self.preset]
        arguments += ["--source", str(self.source)]
        if self.target is not None:
            arguments += ["--target", str(self.target)]
        for name, value in self.overrides.items():
            arguments += ["--override", override_text(name, value)]
        return [*arguments, "--device", self.device]


def suggested_name(task: str, modalities: Sequence[str], method: str) -> str:
    """Return what a run could be called: "cardiac_ct_to_mr_bssfp_dsan".

    Args:
        task: Name, or the path of its description.
        modalities: Of source and target; those that are not known are "".
        method: In the registry.
    """
    domains = "_to_".join(filter(None, modalities))
    parts = (Path(task).stem, domains, method)
    return re.sub(r"[^a-z0-9._-]+", "-", "_".join(filter(None, parts)).lower())


def require_name(name: str, workspace: Workspace) -> None:
    """Refuse a name that no run can have, or that one has.

    Raises:
        RunError: It is such a name.
    """
    free = workspace.free_name(name)
    if free != name:
        raise RunError(f"A run cannot be called {name!r}.", hint=f"{free!r} would be free.")


def reason_not_to_start(
    *, reason_of_data: str, methods: Sequence[MethodInfo], method: str, wrong_setting: str
) -> str:
    """Return why a training cannot start, in a sentence; "" if it can.

    Args:
        reason_of_data: Why the data are not ready, if they are not.
        methods: Of the task; empty while they are asked for.
        method: The chosen one.
        wrong_setting: What is wrong with a changed setting, if anything is.
    """
    if reason_of_data:
        return reason_of_data
    if not methods:
        return "The methods are being asked for."
    if method not in {entry.name for entry in methods}:
        return "Choose a method."
    return wrong_setting


def request_of_config(config: Mapping[str, Any]) -> TrainingRequest:
    """Return what a run was asked for, out of its `config.json`: to train it again, changed.

    Raises:
        ConfigError: It lacks something.
    """
    try:
        cohorts = config["cohorts"]
        target = cohorts.get("target")
        return TrainingRequest(
            task=str(config["task"]["name"]),
            method=str(config["method"]),
            preset=str(config["preset"]),
            source=Path(cohorts["source"]["path"]),
            target=None if target is None else Path(target["path"]),
            overrides=dict(map(_read_override, config.get("overrides", ()))),
            device=str(config.get("device", "auto")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"The run's config.json cannot be read: {error}.") from error


def _read_override(text: str) -> tuple[str, Any]:
    """Split `name=value`; what is no TOML is a text, as for the command line."""
    import tomllib

    name, _, value = text.partition("=")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()
