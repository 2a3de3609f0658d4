"""Signals: as attributes, and by their C++ signature."""

# Functions that only pass arguments on are here for the number that they take.
# ruff: noqa: PLW0108

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

from Testing.scene.harness.calls import guarded

Convert = Callable[[Any], Any]

_connections: dict[tuple[int, str, int], list[tuple[Any, Any]]] = {}
"""(object, signal, arguments) -> what was asked for and what was connected in its place."""

_signals: dict[type, dict[str, list[str]]] = {}
"""Class -> name of a signal -> its signatures."""


class Signal:
    """A signal of an object, as `button.clicked`.

    Args:
        obj: Has the signal.
        name: Without arguments.
        wrap: Turns objects of PySide6 into those of PythonQt.
        unwrap: The other way.
    """

    def __init__(self, obj: QtCore.QObject, name: str, wrap: Convert, unwrap: Convert) -> None:
        self._obj = obj
        self._name = name
        self._wrap = wrap
        self._unwrap = unwrap

    def connect(self, target: Callable[..., Any]) -> bool:
        """Call `target` whenever the signal is sent."""
        return _connect(self._obj, _first_signature(self._obj, self._name), target, self._wrap)

    def disconnect(self, target: Callable[..., Any]) -> bool:
        """Call `target` no more."""
        return _disconnect(self._obj, _first_signature(self._obj, self._name), target)

    def emit(self, *arguments: Any) -> None:
        """Send the signal."""
        getattr(self._obj, self._name).emit(*map(self._unwrap, arguments))

    def __call__(self, *arguments: Any) -> None:
        self.emit(*arguments)


def connect(
    obj: QtCore.QObject, signature: str, target: tuple[Any, ...], wrap: Convert, unwrap: Convert
) -> bool:
    """Connect by signature: `w.connect("clicked()", f)`, or with a receiver and its slot."""
    return _connect(obj, _known_signature(obj, signature), _callable(target, unwrap), wrap)


def disconnect(
    obj: QtCore.QObject, signature: str, target: tuple[Any, ...], wrap: Convert, unwrap: Convert
) -> bool:
    """Undo `connect`."""
    del wrap
    return _disconnect(obj, _known_signature(obj, signature), _callable(target, unwrap))


def is_signal(obj: QtCore.QObject, name: str) -> bool:
    """Tell whether there is a signal of that name."""
    return bool(signatures(obj, name))


def signatures(obj: QtCore.QObject, name: str) -> list[str]:
    """Return the signatures of the signals of a name, as C++ spells them.

    Placeholders of classes that are not Qt's say in `SIGNALS` what their documentation says, since
    PySide6 knows no types of MRML.
    """
    documented = getattr(type(obj), "SIGNALS", {}).get(name)
    if documented is not None:
        return list(documented)
    kind = type(obj)
    if kind not in _signals:
        _signals[kind] = _read_signals(obj.metaObject())
    return _signals[kind].get(name, [])


def _read_signals(meta: QtCore.QMetaObject) -> dict[str, list[str]]:
    """Return the signatures of all signals of a class by their names; takes a millisecond."""
    found: dict[str, list[str]] = {}
    for method in (meta.method(index) for index in range(meta.methodCount())):
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal:
            name = bytes(method.name().data()).decode()
            found.setdefault(name, []).append(bytes(method.methodSignature().data()).decode())
    return found


def argument_count(signature: str) -> int:
    """Return how many arguments a signature has."""
    inner = signature[signature.index("(") + 1 : signature.rindex(")")].strip()
    return inner.count(",") + 1 if inner else 0


def _connect(obj: QtCore.QObject, signature: str, target: Any, wrap: Convert) -> bool:
    name, count = signature.partition("(")[0], argument_count(signature)
    slot = _taking(count, guarded(target, wrap))
    _bound_signal(obj, name, signature).connect(slot)
    key = _key(obj, name, count)
    if key not in _connections:
        _connections[key] = []
        obj.destroyed.connect(lambda *_: _connections.pop(key, None))
    _connections[key].append((target, slot))
    return True


def _taking(count: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with as many arguments: PySide6 asks a slot how many it takes.

    Raises:
        ValueError: No signal has so many.
    """
    forms: list[Callable[..., Any]] = [
        lambda: function(),
        lambda a: function(a),
        lambda a, b: function(a, b),
        lambda a, b, c: function(a, b, c),
        lambda a, b, c, d: function(a, b, c, d),
    ]
    if count >= len(forms):
        raise ValueError(f"The harness knows signals with up to {len(forms) - 1} arguments.")
    return forms[count]


def _disconnect(obj: QtCore.QObject, signature: str, target: Any) -> bool:
    name, count = signature.partition("(")[0], argument_count(signature)
    known = _connections.get(_key(obj, name, count), [])
    for index, (wanted, slot) in enumerate(known):
        if wanted == target:
            _bound_signal(obj, name, signature).disconnect(slot)
            del known[index]
            return True
    return False


def _key(obj: QtCore.QObject, name: str, count: int) -> tuple[int, str, int]:
    """Return what stays the same for an object, also when Python let go of it meanwhile."""
    return shiboken6.getCppPointer(obj)[0], name, count


def _bound_signal(obj: QtCore.QObject, name: str, signature: str) -> Any:
    bound = getattr(obj, name)
    if getattr(type(obj), "SIGNALS", {}).get(name) is None:
        arguments = signature[signature.index("(") + 1 : -1]
        return bound[arguments] if _is_overloaded(obj, name) and arguments else bound
    return bound


def _is_overloaded(obj: QtCore.QObject, name: str) -> bool:
    counts = [argument_count(each) for each in signatures(obj, name)]
    return len(counts) != len(set(counts))


def _first_signature(obj: QtCore.QObject, name: str) -> str:
    return signatures(obj, name)[0]


def _known_signature(obj: QtCore.QObject, signature: str) -> str:
    """Return the signature without needless spaces.

    Raises:
        ValueError: There is no such signal; PythonQt only says so on its console.
    """
    plain = re.sub(r"\s+", "", signature).replace("const", "").replace("&", "")
    known = signatures(obj, plain.partition("(")[0])
    if plain not in known:
        raise ValueError(
            f"QObject::connect() signal {signature!r} does not exist on {type(obj).__name__}; "
            f"of that name there are: {', '.join(known) or 'none'}"
        )
    return plain


def _callable(target: tuple[Any, ...], unwrap: Convert) -> Any:
    if len(target) == 1:
        return target[0]
    receiver, slot = target
    return getattr(unwrap(receiver), slot.partition("(")[0])
