"""Calling Python from Qt as PythonQt does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from Testing.scene.harness.failures import failures

_HAS_ANY_NUMBER = inspect.CO_VARARGS


def guarded(function: Callable[..., Any], wrap: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a slot that calls a function and keeps what it raises for the test to see."""

    def slot(*arguments: Any) -> Any:
        taken = [wrap(each) for each in arguments[: taken_arguments(function)]]
        try:
            return function(*taken)
        except Exception as error:  # noqa: BLE001  whatever it is, the test fails with it
            failures.add(error)
            return None

    return slot


def taken_arguments(function: Callable[..., Any]) -> int | None:
    """Return how many of a signal's arguments a callable is given; None: all of them.

    PythonQt looks at functions and methods alone: `def f(a)` gets one, `def f(a, b=1)` two,
    `def f(*a)` all. Anything else that can be called gets all.
    """
    bound = 0
    if isinstance(function, MethodType):
        function, bound = function.__func__, 1
    if not isinstance(function, FunctionType) or function.__code__.co_flags & _HAS_ANY_NUMBER:
        return None
    return function.__code__.co_argcount - bound
