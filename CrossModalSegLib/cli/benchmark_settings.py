"""With which settings a trial is trained, and whether an earlier one was trained with the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from CrossModalSegLib.cli.benchmark_suite import Suite, SuiteDirection, SuiteRow

COSMETIC = frozenset(f"training.{name}_every" for name in ("log", "preview", "checkpoint"))
"""Settings that change no weight."""

SOURCES = ("bundle", "core", "data", "inference", "losses", "methods", "metrics", "networks")
"""Packages whose code can change a number; with `training` and `evaluation`."""


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """The settings of a row in a direction.

    Attributes:
        preset: Name, or file.
        overrides: Changes of it.
        values: All settings of method and training.
        defaults: The same where no preset says anything.
    """

    preset: str
    overrides: tuple[str, ...]
    values: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @property
    def iterations(self) -> int:
        """Of all stages, as far as the settings tell."""
        method = self.values["method"]
        return int(method["iterations"]) + int(method.get("translation_iterations", 0))

    @property
    def content_hash(self) -> str:
        """Hash of all settings that can change a weight."""
        leaves = {name: v for name, v in _leaves(self.values) if name not in COSMETIC}
        return hashlib.sha256(json.dumps(leaves, sort_keys=True).encode()).hexdigest()


def trial_settings(
    suite: Suite, direction: SuiteDirection, row: SuiteRow, preset: str
) -> TrialSettings:
    """Read the preset of a row.

    Raises:
        UnknownNameError: No such method or preset.
        ConfigError: An override cannot be read.
    """
    from CrossModalSegLib.core.tasks import TASKS
    from CrossModalSegLib.methods import method_class
    from CrossModalSegLib.training.settings import (
        Preset,
        TrainingSettings,
        list_presets,
        load_preset,
        preset_to_dict,
    )

    name = _preset_name(direction, preset, list_presets(row.method))
    own = direction.overrides if method_class(row.method).uses_target else ()
    overrides = (*suite.overrides, *own, *row.overrides)
    count = len(row.inputs(direction))
    loaded = load_preset(row.method, name, TASKS[direction.task], overrides, num_channels=count)
    config_class = method_class(row.method).config_class
    defaults = Preset(method=config_class(), training=TrainingSettings())
    return TrialSettings(
        preset=name,
        overrides=overrides,
        values=preset_to_dict(loaded),
        defaults=preset_to_dict(defaults),
    )


def _preset_name(direction: SuiteDirection, preset: str, known: Sequence[str]) -> str:
    """Return the preset that a direction takes: its own, its task's, or the general one."""
    names = (direction.presets.get(preset, ""), f"{preset}_{direction.task}")
    return next((name for name in names if name in known), preset)


def differences(before: Mapping[str, Any], now: TrialSettings) -> tuple[str, ...]:
    """Name the settings that changed, with both values.

    A setting that the program did not have then counts as having had its default.
    """
    old, new = dict(_leaves(before)), dict(_leaves(now.values))
    before_all = {**dict(_leaves(now.defaults)), **old}
    return tuple(
        f"{name} was {before_all.get(name)!r}, is {value!r}"
        for name, value in new.items()
        if name not in COSMETIC and before_all.get(name) != value
    )


def sources_hash() -> str:
    """Return a hash of the code that can change a number."""
    digest = hashlib.sha256()
    root = resources.files("CrossModalSegLib")
    for package in (*SOURCES, "evaluation", "training"):
        for name, content in _python_files(root / package, package):
            digest.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def _python_files(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_dir() and not entry.name.startswith("__"):
            yield from _python_files(entry, name)
        elif entry.name.endswith(".py"):
            yield name, entry.read_bytes()


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{name}.")
        else:
            yield name, list(value) if isinstance(value, tuple) else value
