"""Qt properties of PySide6's objects, read and written by name."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore

GETTERS = {"plainText": "toPlainText", "html": "toHtml", "markdown": "toMarkdown"}
"""Where a property's getter is not called as the property is."""


def is_property(obj: QtCore.QObject, name: str) -> bool:
    """Tell whether there is such a property, dynamic ones included."""
    return obj.metaObject().indexOfProperty(name) >= 0 or name in _dynamic_names(obj)


def read_property(obj: QtCore.QObject, name: str) -> Any:
    """Return the value, by the getter: PySide6 cannot convert every type of a property."""
    capital = name[0].upper() + name[1:]
    for getter in (GETTERS.get(name, name), f"is{capital}", f"has{capital}"):
        found = getattr(obj, getter, None)
        if found is None:
            continue
        return found() if _is_getter(obj, getter) else found
    return obj.property(name)


def write_property(obj: QtCore.QObject, name: str, value: Any) -> None:
    """Set the value.

    Raises:
        AttributeError: It can only be read.
        ValueError: The value is of another type.
    """
    index = obj.metaObject().indexOfProperty(name)
    if index >= 0 and not obj.metaObject().property(index).isWritable():
        raise AttributeError(f"Property {name!r} of {type(obj).__name__} object is not writable")
    kind = obj.metaObject().property(index).typeName() if index >= 0 else ""
    is_wrong = kind == "QString" and not isinstance(value, str)
    if is_wrong or (not obj.setProperty(name, value) and index >= 0):
        raise ValueError(
            f"Property {name!r} of type {kind!r} does not accept an object of type "
            f"{type(value).__name__}"
        )


def _is_getter(obj: QtCore.QObject, name: str) -> bool:
    """Tell a getter from a property that was declared in Python."""
    return not isinstance(getattr(type(obj), name, None), QtCore.Property)


def _dynamic_names(obj: QtCore.QObject) -> set[str]:
    names = (bytes(name.data()).decode() for name in obj.dynamicPropertyNames())
    return {name for name in names if not name.startswith("_q_")}
