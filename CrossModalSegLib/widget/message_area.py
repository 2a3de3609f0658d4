"""A place inside a page for what went wrong or well, instead of a dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

_STYLE = (
    "#messageFrame {{ background: {ground}; border: 1px solid {line}; border-radius: 3px; }} "
    "#messageLabel {{ color: {ink}; }}"
)
_ERROR = _STYLE.format(ground="#ffe3e0", line="#d9847c", ink="#6b1414")
_WARNING = _STYLE.format(ground="#fff1cc", line="#d8b45a", ink="#5c3d00")
_NOTE = _STYLE.format(ground="#dff1e3", line="#8cbf99", ink="#173d22")


class MessageArea:
    """Shows one message until it is dismissed or followed by another one.

    Args:
        ui: Has messageFrame, messageLabel, copyMessageButton and dismissButton.
        on_hide: Called when a message goes away.
        details: Returns what is copied with a message, for a bug report.
    """

    def __init__(
        self,
        ui: Any,
        *,
        on_hide: Callable[[], None] | None = None,
        details: Callable[[], str] | None = None,
    ) -> None:
        self._ui = ui
        self._on_hide = on_hide or _do_nothing
        self._details = details
        ui.copyMessageButton.clicked.connect(self._copy)
        ui.dismissButton.clicked.connect(self.hide)
        self.hide()

    def show_error(self, error: Exception) -> None:
        """Say why something failed, in the words of the command line."""
        self._show(str(error) or type(error).__name__, _ERROR)

    def show_warning(self, text: str) -> None:
        """Say something that needs a decision."""
        self._show(text, _WARNING)

    def show_note(self, text: str) -> None:
        """Say that something was done."""
        self._show(text, _NOTE)

    def hide(self) -> None:
        """Show nothing."""
        self._ui.messageFrame.setVisible(False)
        self._on_hide()

    def _show(self, text: str, style: str) -> None:
        self._on_hide()
        self._ui.messageFrame.setStyleSheet(style)
        self._ui.messageLabel.setText(text)
        self._ui.messageFrame.setVisible(True)

    def _copy(self) -> None:
        text = self._ui.messageLabel.text
        if self._details is not None:
            text = f"{text}\n\n{self._details()}"
        qt.QApplication.clipboard().setText(text)


def _do_nothing() -> None:
    """Stand in for what nobody asked for."""
