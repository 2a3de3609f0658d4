"""Settings of a training run that are not the method's own, and presets that hold both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError, MismatchError
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.augmentation import SpatialAugmentation
from CrossModalSegLib.data.sampling import ClassBalance
from CrossModalSegLib.methods import METHODS, method_class
from CrossModalSegLib.methods.base import MethodConfig
from CrossModalSegLib.training.preset_files import list_presets, preset_content, resolve_preset

__all__ = (
    "IntendedData",
    "Preset",
    "TrainingSettings",
    "list_presets",
    "load_preset",
    "preset_from_dict",
    "preset_to_dict",
)

Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How slices are drawn and how often a run saves, validates and shows itself."""

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {
        "batch_size": (1, None),
        "averaging": (0, 1),
        "gradient_clip": (0, None),
        "validate_every": (1, None),
        "checkpoint_every": (1, None),
        "preview_every": (1, None),
        "log_every": (1, None),
    }

    batch_size: int = 8
    """Slices of each domain in a batch (DSAN, Sec. IV.A.2)."""
    balance: ClassBalance = field(default_factory=ClassBalance)
    """How often labelled slices of rare structures are seen, and what is drawn beside them."""
    spatial: SpatialAugmentation = field(default_factory=SpatialAugmentation)
    """Random rotation, scale and shift of the slices of both domains."""
    precision: Precision = "auto"
    """"auto": bf16 autocast where the processor or GPU is fast at it, else float32."""
    recompute: bool = False
    """Forget activations and compute them again when they are needed: less memory, more time, the
    same results. Networks with batch normalisation (deeplab_resnet50) keep theirs."""
    averaging: float = 0.0
    """Decay of the exponential moving average of the weights that is deployed; 0: none."""
    gradient_clip: float = 0.0
    """Largest norm of each update's gradient; 0: no limit."""
    validate_every: int = 500
    """Iterations between two label-free scores of the model."""
    checkpoint_every: int = 500
    """Iterations between two checkpoints."""
    preview_every: int = 500
    """Iterations between two preview pictures."""
    log_every: int = 20
    """Iterations over which the losses of one journal line are averaged."""

    def __post_init__(self) -> None:
        """Refuse numbers that no run can use.

        Raises:
            ConfigError: An interval or the batch is not positive, or the averaging not in [0, 1).
        """
        names = ("batch_size", "validate_every", "checkpoint_every", "preview_every", "log_every")
        for name in names:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1.")
        if not 0 <= self.averaging < 1:
            raise ConfigError(f"averaging is {self.averaging}, expected a number in [0, 1).")


@dataclass(frozen=True, kw_only=True)
class IntendedData:
    """What a preset was made for. Training on other data is possible, and comes with a warning."""

    matrix: tuple[int, int] | None = None
    """Rows and columns of a slice; None: any."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The settings of one run: the method's and the training's, and the data they are meant for."""

    method: MethodConfig
    training: TrainingSettings
    data: IntendedData = field(default_factory=IntendedData)


def load_preset(
    method: str,
    name: str,
    task: Task,
    overrides: Sequence[str] = (),
    *,
    num_channels: int = 1,
) -> Preset:
    """Read a preset of a method and change it by overrides.

    Args:
        method: Name in the registry of methods.
        name: Name of a preset that ships, or a TOML file with tables [method], [training] and
            [data]; see `resolve_preset` for presets of one task.
        task: Sets the number of classes, and which of several presets is meant.
        overrides: Like `method.lambda_adv=0.1` or `training.batch_size=4`; values as in TOML.
        num_channels: Images of each case; sets the channels that enter the network.

    Raises:
        UnknownNameError: No such method or preset.
        MismatchError: The method works on single images, and cases have several.
        ConfigError: An unknown key, a wrong type, or an override that cannot be read.
    """
    cls = method_class(method)
    config_class = cls.config_class
    if num_channels > 1 and not cls.takes_several_images:
        able = [other for other, entry in METHODS.items() if entry.takes_several_images]
        raise MismatchError(
            f"{method} works on single images, and the cases of these cohorts have {num_channels}.",
            hint=f"Prepare cohorts with one modality, or use one of {', '.join(able)}.",
        )
    name = resolve_preset(method, name, task)
    content = preset_content(method, name)
    for override in overrides:
        _apply_override(content, override)
    where = f"preset {name!r} of {method}"
    unknown = set(content) - {"method", "training", "data"}
    if unknown:
        raise ConfigError(
            f"{where} has unknown tables {sorted(unknown)}.",
            hint="Use [method], [training] and [data].",
        )
    method_table = {**content.get("method", {}), "num_classes": task.num_classes}
    backbone = method_table.get("backbone", {})
    if cls.takes_several_images and isinstance(backbone, Mapping):
        method_table["backbone"] = {**backbone, "in_channels": num_channels}
    return Preset(
        method=from_dict(config_class, method_table, f"{where}, [method]"),
        training=from_dict(TrainingSettings, content.get("training", {}), f"{where}, [training]"),
        data=from_dict(IntendedData, content.get("data", {}), f"{where}, [data]"),
    )


def preset_from_dict(method: str, content: Mapping[str, Any], where: str) -> Preset:
    """Read back the settings that a run folder holds.

    Raises:
        ConfigError: A key is unknown or a value has the wrong type.
    """
    config_class = method_class(method).config_class
    return Preset(
        method=from_dict(config_class, content["method"], f"{where}, method"),
        training=from_dict(TrainingSettings, content["training"], f"{where}, training"),
        data=from_dict(IntendedData, content.get("data", {}), f"{where}, data"),
    )


def preset_to_dict(preset: Preset) -> dict[str, Any]:
    """Return a preset as plain JSON values."""
    content: dict[str, Any] = to_dict(preset)
    return content


def _apply_override(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    names = key.strip().split(".")
    if not separator or len(names) < 2:
        raise ConfigError(
            f"The override {override!r} cannot be read.",
            hint="Write it like method.lambda_adv=0.1 or training.batch_size=4.",
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = content
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"The override {override!r} goes into {name!r}, which is a value.")
    table[names[-1]] = parsed
