"""Loads .ui files as Slicer does, and refuses what Slicer would only grumble about.

An unknown class, property, signal or slot is an error here.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N802

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.scene.harness.failures import failures
from Testing.scene.harness.pythonqt import unwrap, wrap
from Testing.scene.harness.signals import connect

SCOPED = re.compile(r"\w+::\w+::\w+")
"""`Qt::AlignmentFlag::AlignCenter` is how the designer of Qt 6 writes; that of Qt 5 cannot read
it."""


class UiFileError(AssertionError):
    """A .ui file that Slicer could not load as it is meant."""


class QUiLoader:
    """Makes widgets out of .ui files."""

    def load(self, device: Any, parent: Any = None) -> Any:
        """Return the widget that a file describes.

        Raises:
            UiFileError: Something in it is unknown.
        """
        device = unwrap(device)
        path = Path(device.fileName())
        device.close()
        return load_ui(path, unwrap(parent))


class _Maker(QtUiTools.QUiLoader):
    """Makes Qt's widgets and the placeholders."""

    def __init__(self, classes: dict[str, type[QtWidgets.QWidget]]) -> None:
        super().__init__()
        self._classes = classes
        self.unknown: list[str] = []

    def createWidget(
        self, class_name: str, parent: QtWidgets.QWidget | None = None, name: str = ""
    ) -> QtWidgets.QWidget:
        """Make one widget."""
        if class_name in self._classes:
            widget = self._classes[class_name](parent)
            widget.setObjectName(name)
            return widget
        if class_name not in {*self.availableWidgets(), "Line"}:
            self.unknown.append(f"{class_name} ({name})")
            return super().createWidget("QWidget", parent, name)
        return super().createWidget(class_name, parent, name)


def load_ui(path: Path, parent: QtWidgets.QWidget | None = None) -> Any:
    """Return the widget that a .ui file describes.

    Raises:
        UiFileError: Something in it is unknown.
    """
    tree = ET.parse(path)  # noqa: S314  our own file
    root = tree.getroot()
    problems = _scoped_enums(root)
    connections = root.find("connections")
    if connections is not None:
        root.remove(connections)
    widget, unknown = _make(root, parent)
    problems += unknown
    if not unknown:
        problems += [text for element in root.iter("widget") for text in _unknown(element, widget)]
    if not problems:
        for connection in connections if connections is not None else ():
            problems += _connect(connection, widget)
    if problems:
        raise UiFileError(f"{path.name}:\n" + "\n".join(problems))
    return wrap(widget)


def _make(root: Any, parent: QtWidgets.QWidget | None) -> tuple[QtWidgets.QWidget, list[str]]:
    from Testing.scene.harness import ctk_widgets, mrml_widgets

    maker = _Maker({**ctk_widgets.CLASSES, **mrml_widgets.CLASSES})
    buffer = QtCore.QBuffer()
    buffer.setData(ET.tostring(root))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    said = len(failures.texts)
    widget: Any = maker.load(buffer, parent)
    problems = [f"No class {name}." for name in maker.unknown]
    problems += failures.texts[said:]
    del failures.texts[said:]
    if widget is None:
        problems.append(maker.errorString())
    return widget, problems


def _scoped_enums(root: Any) -> list[str]:
    found = filter(None, (SCOPED.search(element.text or "") for element in root.iter()))
    return [f"{match.group()} cannot be read by Qt 5; write it unscoped." for match in found]


def _unknown(element: Any, widget: QtWidgets.QWidget) -> list[str]:
    """Return what a widget's class does not have of the properties that it is given."""
    name = element.get("name")
    made = _named(widget, name)
    if made is None:
        return [f"{name} was not made."]
    known = made.metaObject()
    problems = []
    for entry in element.findall("property"):
        key = entry.get("name")
        if entry.get("stdset") != "0" and known.indexOfProperty(key) < 0:
            problems.append(f"{element.get('class')} {name} has no property {key}.")
    return problems


def _connect(connection: Any, widget: QtWidgets.QWidget) -> list[str]:
    texts = {part.tag: part.text or "" for part in connection}
    sender, receiver = _named(widget, texts["sender"]), _named(widget, texts["receiver"])
    if sender is None or receiver is None:
        return [f"No widget {texts['sender'] if sender is None else texts['receiver']}."]
    slot = getattr(receiver, texts["slot"].partition("(")[0], None)
    if slot is None:
        return [f"{texts['receiver']} has no slot {texts['slot']}."]

    def call(*arguments: Any) -> None:
        slot(*map(unwrap, arguments))

    try:
        connect(sender, texts["signal"], (call,), wrap, unwrap)
    except ValueError as error:
        return [str(error)]
    return []


def _named(widget: QtWidgets.QWidget, name: str) -> QtWidgets.QWidget | None:
    if widget.objectName() == name:
        return widget
    found: QtWidgets.QWidget | None = widget.findChild(QtWidgets.QWidget, name)
    return found
