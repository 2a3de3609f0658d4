"""`methods`: what can be trained, and what can be set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from CrossModalSegLib.cli.command import Command, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.core.setting_help import Setting
    from CrossModalSegLib.core.tasks import Task
    from CrossModalSegLib.training.method_help import MethodHelp


@dataclass(frozen=True, kw_only=True)
class Methods(Command):
    """List the methods, or describe one with its presets and settings.

    With --progress json the settings come as data: kind, choices, limits, value and explanation of
    each, by the name that `train --override` takes; of a list of methods with --task also the
    values in each preset.
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[NAME]")] = ""
    """Method to describe. Default: list all."""
    preset: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Show the values of this preset instead of the defaults."""
    task: Annotated[str, tyro.conf.arg(metavar="NAME")] = ""
    """Task whose presets are meant; needed for --preset. A name, or a TOML file."""

    def run(self, reporter: Reporter) -> None:
        """Show it.

        Raises:
            UsageError: Options do not go together.
            CrossModalSegError: There is no such method, preset or task.
        """
        if self.preset and not (self.name and self.task):
            raise UsageError(
                "--preset was given without a method or without --task.",
                hint="Write it like: methods dsan --preset paper --task cardiac",
            )
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.methods import METHODS
        from CrossModalSegLib.training.method_help import describe_method

        task = load_task(self.task) if self.task else None
        if self.name:
            described = describe_method(self.name, preset=self.preset, task=task)
            reporter.done([], self._summary(described))
            return
        methods = [describe_method(name, task=task) for name in METHODS]
        describe = _row if self.progress != "json" else partial(_whole, task=task)
        reporter.done([], {"methods": [describe(method) for method in methods]})

    def _summary(self, method: MethodHelp) -> dict[str, Any]:
        from CrossModalSegLib.core.config import to_dict

        summary: dict[str, Any] = to_dict(method)
        if self.progress != "json":
            summary["settings"] = [_setting_row(setting) for setting in method.settings]
        return summary


def _whole(method: MethodHelp, task: Task | None) -> dict[str, Any]:
    """Return all there is to know, with the settings' values in each preset of a task."""
    from CrossModalSegLib.core.config import to_dict
    from CrossModalSegLib.training.method_help import describe_method

    values = {}
    for preset in method.presets if task is not None else ():
        settings = describe_method(method.name, preset=preset, task=task).settings
        values[preset] = {each.name: to_dict(each.value) for each in settings}
    whole: dict[str, Any] = to_dict(method)
    return whole | {"preset_values": values}


def _row(method: MethodHelp) -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "reference": method.reference,
        "presets": list(method.presets),
    }


def _setting_row(setting: Setting) -> dict[str, str]:
    is_group = setting.kind == "group"
    return {
        "setting": setting.name,
        "value": "" if is_group else _as_in_toml(setting.value),
        "takes": "" if is_group else _takes(setting),
        "help": setting.help,
    }


def _as_in_toml(value: Any) -> str:
    """Return a value as overrides and presets write it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _takes(setting: Setting) -> str:
    """Return what a setting accepts, in a few words."""
    if setting.kind == "choice":
        return " | ".join(str(choice) for choice in setting.choices)
    if setting.kind == "list":
        count = "" if setting.length is None else f"{setting.length} "
        return f"{count}{setting.entry}s"
    limits = (("from", setting.minimum), ("to", setting.maximum))
    words = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
    return " ".join([setting.kind, *words])
