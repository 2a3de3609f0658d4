"""`slicer.parameterNodeWrapper`: a parameter node with typed attributes, bound to widgets.

After the developer guide ("Parameter Nodes"). Kept are also habits that the guide does not tell:
values are remembered and read again only when the node says that it was modified; every change
writes all parameters into all connected widgets; `connectGui` returns nothing, so that only
`connectParametersToGui` gives a tag with which widgets can be disconnected.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N802, N803, N815

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable
from typing import Any

import slicer

from Testing.scene.harness.connectors import Connector, create_connector
from Testing.scene.harness.serializers import (
    Choice,
    Default,
    Maximum,
    Minimum,
    Parameter,
    Validator,
    WithinRange,
)

__all__ = [
    "Choice",
    "Default",
    "Maximum",
    "Minimum",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

SlicerParameterNamePropertyName = "SlicerParameterName"
_MODIFIED = "ModifiedEvent"


class _Remembered:
    """A parameter's value, read again when the node was modified."""

    def __init__(self, parameter: Parameter, node: Any) -> None:
        self.parameter = parameter
        self._node = node
        self._is_writing = False
        self._value = parameter.read(node)
        weak = weakref.ref(self)

        def read_again(*_: object) -> None:
            remembered = weak()
            if remembered is not None:
                remembered._read()

        self._tag = node.AddObserver(_MODIFIED, read_again)

    def __del__(self) -> None:
        self._node.RemoveObserver(self._tag)

    @property
    def value(self) -> Any:
        return self._value

    def write(self, value: Any) -> None:
        self._is_writing = True
        try:
            with slicer.util.NodeModify(self._node):
                self.parameter.write(self._node, value)
                self._value = self.parameter.read(self._node)
        finally:
            self._is_writing = False

    def _read(self) -> None:
        if not self._is_writing:
            self._value = self.parameter.read(self._node)


class _Wrapper:
    """What every decorated class can do."""

    allParameters: dict[str, Parameter]

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, dict[str, Connector]] = {}
        self._next_tag = 0
        self._is_updating_gui = False
        self._values = {
            name: _Remembered(parameter, parameterNode)
            for name, parameter in self.allParameters.items()
        }

    def default(self, name: str) -> Any:
        """Return what a parameter is at first."""
        return self._remembered(name).parameter.default

    def dataType(self, name: str) -> Any:
        """Return a parameter's type as it was written."""
        return self._remembered(name).parameter.annotation

    def getValue(self, name: str) -> Any:
        """Return a parameter."""
        return self._remembered(name).value

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter."""
        self._remembered(name).write(value)

    def connectGui(self, gui: Any) -> None:
        """Bind every widget that says in `SlicerParameterName` which parameter it shows.

        The guide shows this as returning a tag. Slicer's own function returns nothing.
        """
        widgets = vars(gui).values() if not _is_widget(gui) else _descendants(gui)
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind widgets to parameters by name; return a tag for `disconnectGui`."""
        for name in mapping:
            self._remembered(name)
        connectors = {
            name: create_connector(widget, self.allParameters[name])
            for name, widget in mapping.items()
        }
        tag = self._next_tag
        self._next_tag += 1
        self._guis[tag] = connectors
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.on_changed(self._reader(name, connector))
        self.AddObserver(_MODIFIED, lambda *_: self._update_gui())
        return tag

    def disconnectGui(self, tag: int | None) -> None:
        """Unbind widgets; a tag that is not known does nothing."""
        for connector in self._guis.pop(tag, {}).values():  # type: ignore[arg-type]
            connector.on_changed(None)

    def StartModify(self) -> Any:
        """Hold events back."""
        return self.parameterNode.StartModify()

    def EndModify(self, was_modifying: Any) -> Any:
        """Send what was held back."""
        return self.parameterNode.EndModify(was_modifying)

    def Modified(self) -> None:
        """Say that something was changed."""
        self.parameterNode.Modified()

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        """Observe the node."""
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        """Observe it no more."""
        self.parameterNode.RemoveObserver(tag)

    def _remembered(self, name: str) -> _Remembered:
        if name not in self._values:
            raise ValueError(
                f"Cannot find a param with the given name: {name}. Found: {', '.join(self._values)}"
            )
        return self._values[name]

    def _reader(self, name: str, connector: Connector) -> Callable[[], None]:
        def read() -> None:
            with slicer.util.NodeModify(self):
                if not self._is_updating_gui:
                    self.setValue(name, connector.read())

        return read

    def _update_gui(self) -> None:
        if self._is_updating_gui:
            return
        self._is_updating_gui = True
        try:
            with slicer.util.NodeModify(self):
                for connectors in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._is_updating_gui = False


def parameterNodeWrapper(decorated: Any = None) -> Any:
    """Turn a class with typed attributes into a wrapper of parameter nodes."""
    return _wrapper_of if decorated is None else _wrapper_of(decorated)


def isParameterNodeWrapper(value: Any) -> bool:
    """Tell whether a class or an object is such a wrapper."""
    return issubclass(value if isinstance(value, type) else type(value), _Wrapper)


def _wrapper_of(decorated: Any) -> Any:
    parameters = {}
    for name, annotation in typing.get_type_hints(decorated, include_extras=True).items():
        if hasattr(_Wrapper, name):
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
        default = (getattr(decorated, name),) if hasattr(decorated, name) else None
        parameters[name] = Parameter(name, annotation, default)
    attributes = {name: _attribute(name) for name in parameters}
    own = {
        name: value
        for name, value in vars(decorated).items()
        if name not in {*parameters, "__dict__", "__weakref__"}
    }
    return type(decorated.__name__, (_Wrapper,), {**own, **attributes, "allParameters": parameters})


def _attribute(name: str) -> property:
    return property(
        lambda self: self.getValue(name), lambda self, value: self.setValue(name, value)
    )


def _is_widget(gui: Any) -> bool:
    return bool(getattr(gui, "isWidgetType", lambda: False)())


def _descendants(widget: Any) -> list[Any]:
    found: list[Any] = slicer.util.findChildren(widget)
    return [each for each in found if _is_widget(each)]
