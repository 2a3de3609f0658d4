"""Widgets that are set again only when they have something else to show."""

from __future__ import annotations

from typing import Any

_NOTHING = object()


class ShownValues:
    """Remembers what widgets were told, for panels that are updated many times a minute.

    Args:
        ui: The widgets. Nobody else calls the same methods of them.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._values: dict[tuple[str, str], Any] = {}

    def call(self, widget: str, method: str, value: Any) -> None:
        """Call a method of a widget, by their names, unless it was called with this value last."""
        if self._values.get((widget, method), _NOTHING) != value:
            self._values[widget, method] = value
            getattr(getattr(self._ui, widget), method)(value)
