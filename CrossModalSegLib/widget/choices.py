"""A combo box whose entries stand for names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Choices:
    """Shows texts and speaks of names.

    Args:
        box: A QComboBox.
        on_chosen: Called with the name when the user chooses.
    """

    def __init__(self, box: Any, on_chosen: Callable[[str], None]) -> None:
        self._box = box
        self._on_chosen = on_chosen
        self._names: tuple[str, ...] = ()
        box.currentIndexChanged.connect(self._choose)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the entries."""
        return self._names

    @property
    def current(self) -> str:
        """Name of the chosen entry; "" if there is none."""
        index = self._box.currentIndex
        return self._names[index] if 0 <= index < len(self._names) else ""

    def fill(self, entries: Sequence[tuple[str, str]], chosen: str) -> None:
        """Replace all entries, (name, text) each, without calling back."""
        names = tuple(name for name, _ in entries)
        self._box.blockSignals(True)
        try:
            self._box.clear()
            for _, text in entries:
                self._box.addItem(text)
            self._names = names
            self._box.setCurrentIndex(names.index(chosen) if chosen in names else -1)
        finally:
            self._box.blockSignals(False)

    def choose(self, name: str) -> None:
        """Show an entry as chosen, without calling back."""
        self._box.blockSignals(True)
        self._box.setCurrentIndex(self._names.index(name) if name in self._names else -1)
        self._box.blockSignals(False)

    def _choose(self, _: int) -> None:
        if self.current or self._box.currentIndex >= 0:
            self._on_chosen(self.current)
