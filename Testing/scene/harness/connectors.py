"""How `slicer.parameterNodeWrapper` binds widgets to parameters ("GUI Connection" in the guide).

Which widgets can show which types is Slicer's list; anything else is an error there as here.
"""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any

import slicer

from Testing.scene.harness.qt_module import ctk, qt
from Testing.scene.harness.serializers import (
    Choice,
    Maximum,
    Minimum,
    Parameter,
    WithinRange,
    node_types,
)


class Connector:
    """Binds one widget.

    Args:
        widget: Shows the parameter.
        signal: Sent when the user changes it.
        read: Returns what the widget shows.
        write: Shows a value.
    """

    def __init__(
        self, widget: Any, signal: str, read: Callable[[], Any], write: Callable[[Any], None]
    ) -> None:
        self._widget = widget
        self._signal = signal
        self.read = read
        self.write = write
        self._callback: Callable[[], None] | None = None

    def on_changed(self, callback: Callable[[], None] | None) -> None:
        """Call back when the user changes something; None: no more."""
        self._callback = callback
        signal = getattr(self._widget, self._signal)
        if callback is None:
            signal.disconnect(self._changed)
        else:
            signal.connect(self._changed)

    def _changed(self) -> None:
        if self._callback is not None:
            self._callback()


def create_connector(widget: Any, parameter: Parameter) -> Connector:
    """Return what binds a widget to a parameter.

    Raises:
        RuntimeError: This widget cannot show such a parameter.
    """
    for make in (_node_box, _check_box, _number, _choice, _text, _path):
        connector = make(widget, parameter)
        if connector is not None:
            return connector
    raise RuntimeError(
        f"Unable to create GUI connector from datatype '{parameter.annotation}' to widget type "
        f"'{type(widget)}'"
    )


def _of_property(widget: Any, signal: str, name: str) -> Connector:
    return Connector(
        widget, signal, lambda: getattr(widget, name), lambda value: setattr(widget, name, value)
    )


def _node_box(widget: Any, parameter: Parameter) -> Connector | None:
    kinds = node_types(parameter.type)
    if type(widget) is not slicer.qMRMLNodeComboBox or not kinds:
        return None
    widget.nodeTypes = [kind.__name__ for kind in kinds]
    return Connector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def _check_box(widget: Any, parameter: Parameter) -> Connector | None:
    if parameter.type is not bool:
        return None
    if type(widget) is qt.QCheckBox:
        return _of_property(widget, "stateChanged", "checked")
    if type(widget) is qt.QPushButton:
        widget.checkable = True
        return _of_property(widget, "toggled", "checked")
    return None


def _number(widget: Any, parameter: Parameter) -> Connector | None:
    sliders = {int: qt.QSlider, float: ctk.ctkSliderWidget}
    boxes = {int: qt.QSpinBox, float: qt.QDoubleSpinBox}
    kind = parameter.type
    if kind not in sliders or type(widget) not in {sliders[kind], boxes[kind]}:
        return None
    lower, upper = _bounds(parameter)
    if type(widget) is sliders[kind] and None in {lower, upper}:
        raise RuntimeError(f"{widget.className()} cannot show a number without bounds.")
    limit: Any = 2**31 - 1 if kind is int else 1e300
    widget.minimum = kind(lower) if lower is not None else -limit
    widget.maximum = kind(upper) if upper is not None else limit
    return _of_property(widget, "valueChanged", "value")


def _choice(widget: Any, parameter: Parameter) -> Connector | None:
    if type(widget) is not qt.QComboBox:
        return None
    kind = parameter.type
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        label = getattr(kind, "label", lambda each: each.name)
        entries = [(str(label(each)), each) for each in kind]
    elif kind in {int, float, str, bool}:
        choice = next((note for note in parameter.notes if isinstance(note, Choice)), None)
        if choice is None:
            raise RuntimeError("A QComboBox needs a parameter with the annotation Choice.")
        entries = [(str(each), each) for each in choice.choices]
    else:
        return None
    widget.clear()
    for text, _ in entries:
        widget.addItem(text)
    values = [value for _, value in entries]
    return Connector(
        widget,
        "currentIndexChanged",
        lambda: values[widget.currentIndex],
        lambda value: widget.setCurrentIndex(values.index(value)),
    )


def _text(widget: Any, parameter: Parameter) -> Connector | None:
    if parameter.type is not str:
        return None
    if type(widget) is qt.QLineEdit:
        return _of_property(widget, "textChanged", "text")
    if type(widget) is qt.QTextEdit:
        return Connector(widget, "textChanged", widget.toPlainText, widget.setPlainText)
    return None


def _path(widget: Any, parameter: Parameter) -> Connector | None:
    kind = parameter.type
    names = {
        ctk.ctkPathLineEdit: ("currentPathChanged", "currentPath"),
        ctk.ctkDirectoryButton: ("directoryChanged", "directory"),
    }
    is_path = isinstance(kind, type) and issubclass(kind, pathlib.PurePath)
    if not is_path or type(widget) not in names:
        return None
    signal, name = names[type(widget)]
    return Connector(
        widget,
        signal,
        lambda: kind(getattr(widget, name)),
        lambda value: setattr(widget, name, str(value)),
    )


def _bounds(parameter: Parameter) -> tuple[float | None, float | None]:
    lower = upper = None
    for note in parameter.notes:
        if isinstance(note, WithinRange | Minimum):
            lower = note.minimum
        if isinstance(note, WithinRange | Maximum):
            upper = note.maximum
    return lower, upper
