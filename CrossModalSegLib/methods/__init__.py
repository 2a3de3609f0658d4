"""Adaptation methods by name: the whole registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from CrossModalSegLib.core.config import from_dict
from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.methods.bigl import BiGL
from CrossModalSegLib.methods.dsan import DSAN
from CrossModalSegLib.methods.glua import GLUA
from CrossModalSegLib.methods.source_only import SourceOnly, SourceOnlyAugmented, Supervised

METHODS: dict[str, type[Method]] = {
    "source_only": SourceOnly,
    "source_only_augmented": SourceOnlyAugmented,
    "supervised": Supervised,
    "bigl": BiGL,
    "dsan": DSAN,
    "glua": GLUA,
}


def method_class(name: str) -> type[Method]:
    """Return the method of that name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in METHODS:
        raise UnknownNameError("method", name, METHODS)
    return METHODS[name]


def build_method(name: str, settings: Mapping[str, Any]) -> Method:
    """Build a method with freshly initialised networks from plain settings.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: A setting is unknown or has the wrong type.
    """
    cls = method_class(name)
    config = from_dict(cls.config_class, settings, f"settings of {name}")
    return cls(config)
