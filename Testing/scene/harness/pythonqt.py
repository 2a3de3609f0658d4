"""Qt objects as PythonQt shows them, over those of PySide6.

Properties are attributes, signals connect to whatever can be called and hand over as many arguments
as it takes, nothing but a property can be set, and an object that is gone says so.
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import shiboken6
from PySide6 import QtCore, QtWidgets

from Testing.scene.harness.calls import guarded
from Testing.scene.harness.properties import is_property, read_property, write_property
from Testing.scene.harness.signals import Signal, connect, disconnect, is_signal

RENAMED = {"exec_": "exec", "print_": "print"}
"""Names that were taken in Python 2: PythonQt still has an underscore there, and no other form."""

_wrappers: weakref.WeakValueDictionary[int, QtWrapper] = weakref.WeakValueDictionary()
_classes: dict[type, type] = {}


class QtWrapperType(type):
    """A class of PythonQt: has the enum values and static functions of its Qt class."""

    qt_class: Any

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **_: object
    ) -> QtWrapperType:
        if "qt_class" not in namespace:
            raise TypeError(
                f"{name} derives from {bases[0].__name__}, which this harness cannot do. "
                "Put the widget into an object of your own instead."
            )
        return super().__new__(cls, name, bases, namespace)

    def __getattr__(cls, name: str) -> Any:
        return class_attribute(cls.qt_class, name)


class QtWrapper(metaclass=QtWrapperType):
    """An object of Qt.

    Attributes:
        qt_class: The class of PySide6.
    """

    __slots__ = ("__weakref__", "_qt")
    qt_class: Any = object

    def __init__(self, *arguments: Any) -> None:
        _keep(self, type(self).qt_class(*map(unwrap, arguments)))

    def __getattr__(self, name: str) -> Any:
        obj = self._qt
        if not shiboken6.isValid(obj):
            raise ValueError(f"Trying to use {name} of a destroyed {type(obj).__name__} object.")
        if isinstance(obj, QtCore.QObject):
            found = _object_attribute(obj, name)
            if found is not None:
                return found[0]
        if name in RENAMED.values() or name.startswith("_") or not hasattr(obj, name := _qt(name)):
            raise AttributeError(f"{type(obj).__name__} has no attribute named {name!r}")
        return wrap(getattr(obj, name))

    def __setattr__(self, name: str, value: Any) -> None:
        obj = self._qt
        if not shiboken6.isValid(obj):
            raise ValueError(f"Trying to set {name} of a destroyed {type(obj).__name__} object.")
        if name == "name":
            name = "objectName"
        if not isinstance(obj, QtCore.QObject) or not is_property(obj, name):
            raise AttributeError(
                f"{name!r} does not exist on {type(obj).__name__}, and creating new attributes on "
                "C++ objects is not allowed"
            )
        write_property(obj, name, unwrap(value))

    def __bool__(self) -> bool:
        return bool(shiboken6.isValid(self._qt))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QtWrapper) and self._qt is other._qt

    def __hash__(self) -> int:
        return id(self._qt)

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self._qt!r})"

    def __dir__(self) -> Iterable[str]:
        return sorted({*dir(type(self)), *dir(self._qt)})


def wrap(value: Any) -> Any:
    """Return what PythonQt would hand to Python."""
    if isinstance(value, QtWrapper):
        return value
    if isinstance(value, list | tuple):
        return type(value)(map(wrap, value)) if type(value) in {list, tuple} else value
    if isinstance(value, shiboken6.Object):
        return wrapper_of(value) if is_wrapped_class(type(value)) else value
    if callable(value) and type(value).__name__ in {
        "builtin_function_or_method",
        "method",
        "method-wrapper",
    }:
        return _method(value)
    return value


def unwrap(value: Any) -> Any:
    """Return what PySide6 takes."""
    if isinstance(value, QtWrapper):
        return value._qt
    if isinstance(value, QtWrapperType):
        return value.qt_class
    if isinstance(value, list | tuple):
        return type(value)(map(unwrap, value)) if type(value) in {list, tuple} else value
    if isinstance(value, Signal) or (callable(value) and not isinstance(value, type)):
        return guarded(value, wrap) if not isinstance(value, shiboken6.Object) else value
    return value


def wrapper_of(obj: Any) -> Any:
    """Return the wrapper of an object of Qt: the same one as long as it lives."""
    known = _wrappers.get(id(obj))
    if known is not None:
        return known
    made = object.__new__(wrapper_class(type(obj)))
    _keep(made, obj)
    return made


def wrapper_class(qt_class: Any) -> Any:
    """Return the class that stands for a class of PySide6, derived as that one is."""
    if qt_class not in _classes:
        bases = [base for base in qt_class.__bases__ if is_wrapped_class(base)]
        base = wrapper_class(bases[0]) if bases else QtWrapper
        namespace = {"__slots__": (), "qt_class": qt_class, "__doc__": qt_class.__doc__}
        _classes[qt_class] = QtWrapperType(qt_class.__name__, (base,), namespace)
    return _classes[qt_class]


def is_wrapped_class(value: Any) -> bool:
    """Tell objects, which have an identity, from values such as colours and sizes."""
    if not isinstance(value, type) or not issubclass(value, shiboken6.Object):
        return False
    if issubclass(value, QtCore.QObject):
        return True
    items = (
        QtWidgets.QLayoutItem,
        QtWidgets.QTableWidgetItem,
        QtWidgets.QListWidgetItem,
        QtWidgets.QTreeWidgetItem,
    )
    return issubclass(value, items)


def class_attribute(qt_class: Any, name: str) -> Any:
    """Return an enum value or a static function of a class or name space of Qt.

    Enums that are classes in PySide6 are none in PythonQt, where their values lie in the class.
    """
    if name.startswith("_"):
        raise AttributeError(name)
    value = getattr(qt_class, name)
    if isinstance(value, type) and issubclass(value, enum.Enum):
        raise AttributeError(  # noqa: TRY004
            f"{qt_class.__name__}.{name}.X is how PySide6 spells {qt_class.__name__}.X; PythonQt "
            "has only the latter"
        )
    return wrap(value)


def _object_attribute(obj: QtCore.QObject, name: str) -> tuple[Any] | None:
    """Return what PythonQt adds to a QObject, its property or its signal, as a tuple of one."""
    if name == "name":
        name = "objectName"
    if name == "className":
        return (lambda: obj.metaObject().className(),)
    if name == "delete":
        return (lambda: shiboken6.delete(obj),)
    if name in {"connect", "disconnect"}:
        return (_by_signature(obj, connect if name == "connect" else disconnect),)
    if is_property(obj, name):
        return (wrap(read_property(obj, name)),)
    if is_signal(obj, name):
        return (Signal(obj, name, wrap, unwrap),)
    return None


def _by_signature(obj: QtCore.QObject, action: Callable[..., bool]) -> Callable[..., bool]:
    def call(signature: str, *target: Any) -> bool:
        return action(obj, signature, target, wrap, unwrap)

    return call


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return wrap(function(*map(unwrap, arguments)))

    call.__name__ = function.__name__
    return call


def _qt(name: str) -> str:
    return RENAMED.get(name, name)


def _keep(wrapper: QtWrapper, obj: Any) -> None:
    object.__setattr__(wrapper, "_qt", obj)
    _wrappers[id(obj)] = wrapper
