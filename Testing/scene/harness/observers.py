"""Observers of VTK objects that can be removed together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Observers:
    """Keeps what was observed. Callbacks get no arguments."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def add(self, obj: Any, event: Any, callback: Callable[[], None]) -> None:
        """Call back on an event."""
        self._tags.append((obj, obj.AddObserver(event, lambda *_: callback())))

    def remove_all(self, *_: object) -> None:
        """Observe nothing more."""
        for obj, tag in self._tags:
            obj.RemoveObserver(tag)
        self._tags.clear()
