"""Boxes for tasks and modalities: those that ship, and a user's own from a TOML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.choices import Choices

_FILE = "file"


class NamedChoices:
    """A combo box of names and labels with an entry that asks for a file.

    Args:
        box: A QComboBox.
        labels: What ships, by name.
        on_chosen: Called when the user has chosen.
        check: Reads a file and returns its label; raises if it is no such file.
        on_error: Called with what `check` raised.
    """

    def __init__(
        self,
        box: Any,
        labels: Mapping[str, str],
        on_chosen: Callable[[], None],
        *,
        check: Callable[[str], str],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._box = box
        self._labels = dict(labels)
        self._on_chosen = on_chosen
        self._check = check
        self._on_error = on_error
        self._chosen = ""
        self._choices = Choices(box, self._choose)
        self._fill()

    @property
    def chosen(self) -> str:
        """The name, or the path of a file; "" if nothing was chosen."""
        return self._chosen

    def choose(self, name: str) -> None:
        """Choose without calling back; a name that is not offered chooses nothing."""
        self._chosen = name if name in self._labels else ""
        self._choices.choose(self._chosen)

    def _fill(self) -> None:
        entries = [*self._labels.items(), (_FILE, _("From a file…"))]
        self._choices.fill(entries, self._chosen)

    def _choose(self, name: str) -> None:
        if name == _FILE:
            self._ask()
        else:
            self._chosen = name
        self._choices.choose(self._chosen)
        self._on_chosen()

    def _ask(self) -> None:
        path = qt.QFileDialog.getOpenFileName(
            self._box, _("Choose a description"), "", _("Descriptions (*.toml)")
        )
        if not path:
            return
        try:
            label = self._check(path)
        except (CrossModalSegError, OSError) as error:
            self._on_error(error)
            return
        self._labels[path] = f"{label} ({Path(path).name})"
        self._chosen = path
        self._fill()
