"""The presets that ship with the library, by method, name and task."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import read_toml
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS, Task

SUFFIX = ".toml"


def list_presets(method: str, task: Task | None = None) -> list[str]:
    """Return the names of the presets that ship for a method.

    Args:
        method: Name in the registry of methods.
        task: Leave out those made for another task: `paper_abdomen` is none for the heart.
    """
    folder = resources.files("CrossModalSegLib") / "presets" / method
    if not folder.is_dir():
        return []
    names = sorted(
        entry.name.removesuffix(SUFFIX) for entry in folder.iterdir() if entry.name.endswith(SUFFIX)
    )
    if task is None:
        return names
    return [name for name in names if task_of_preset(name) in (None, task.name)]


def task_of_preset(name: str) -> str | None:
    """Return the task whose name a preset's name ends in, or None if it is for any.

    `paper_whole_tumour` is for `whole_tumour`.
    """
    return next((task for task in TASKS if name.endswith(f"_{task}")), None)


def resolve_preset(method: str, name: str, task: Task) -> str:
    """Return the preset that a name means for a task: NAME_TASK if there is one, else NAME.

    Raises:
        UnknownNameError: The method has no preset of that name.
        ConfigError: It has some of that name, but for other tasks alone.
    """
    names = list_presets(method)
    own = f"{name}_{task.name}"
    if own in names:
        return own
    if name.endswith(SUFFIX) or name in names:
        return name
    others = [other for other in names if other == f"{name}_{task_of_preset(other)}"]
    if others:
        raise ConfigError(
            f"{method} has no preset {name!r} for the task {task.name!r}, expected one of: "
            f"{', '.join(others)}.",
            hint="Pass one of these by its full name, another preset, or a TOML file.",
        )
    raise UnknownNameError(f"preset of {method}", name, [*names, f"FILE{SUFFIX}"])


def preset_content(method: str, name: str) -> dict[str, Any]:
    """Read a preset that ships, by its full name, or a TOML file.

    Raises:
        UnknownNameError: The method has no such preset.
        ConfigError: The file is missing or not TOML.
    """
    if name.endswith(SUFFIX):
        return read_toml(Path(name))
    if name not in list_presets(method):
        raise UnknownNameError(f"preset of {method}", name, [*list_presets(method), "FILE.toml"])
    file = resources.files("CrossModalSegLib") / "presets" / method / f"{name}{SUFFIX}"
    return tomllib.loads(file.read_text(encoding="utf-8"))
