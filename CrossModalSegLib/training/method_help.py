"""Methods and their settings as data, for forms, tables and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.core.setting_help import Setting, describe_settings
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.methods import method_class
from CrossModalSegLib.methods.descriptions import DESCRIPTIONS
from CrossModalSegLib.training.preset_files import list_presets
from CrossModalSegLib.training.settings import Preset, TrainingSettings, load_preset

SET_BY_DATA = frozenset({"method.num_classes", "method.backbone.in_channels"})
"""Settings that follow from task and cohort: nobody sets them."""


@dataclass(frozen=True, kw_only=True)
class MethodHelp:
    """What there is to know of a method before it is trained.

    Attributes:
        name: In the registry; what `train --method` takes.
        title: For people.
        description: What it does, in a paragraph.
        reference: Its paper; "" for none.
        uses_target: Whether training needs a target cohort.
        takes_several_images: Whether cases may have several modalities.
        presets: Their full names, those of other tasks left out.
        settings: By their names in overrides; values are the preset's, or the defaults.
    """

    name: str
    title: str
    description: str
    reference: str
    uses_target: bool
    takes_several_images: bool
    presets: tuple[str, ...]
    settings: tuple[Setting, ...]


def describe_method(name: str, *, preset: str = "", task: Task | None = None) -> MethodHelp:
    """Describe a method and its settings.

    Args:
        name: In the registry of methods.
        preset: Whose values to tell, by name or file; "": the settings' own defaults.
        task: Whose presets to list; needed for a preset's values.

    Raises:
        UnknownNameError: There is no such method or preset.
        ConfigError: The preset is for other tasks, or cannot be read.
    """
    cls = method_class(name)
    if preset and task is not None:
        chosen = load_preset(name, preset, task)
    else:
        chosen = Preset(method=cls.config_class(), training=TrainingSettings())
    parts: dict[str, Any] = {"method.": chosen.method, "training.": chosen.training}
    settings = [s for prefix, part in parts.items() for s in describe_settings(part, prefix)]
    return MethodHelp(
        name=name,
        title=cls.title,
        description=DESCRIPTIONS[name],
        reference=cls.reference,
        uses_target=cls.uses_target,
        takes_several_images=cls.takes_several_images,
        presets=tuple(list_presets(name, task)),
        settings=tuple(setting for setting in settings if setting.name not in SET_BY_DATA),
    )
