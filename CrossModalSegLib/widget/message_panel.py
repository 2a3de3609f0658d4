"""What the user should read: why something failed, or what to mind about a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.core.errors import CrossModalSegError

ERROR_STYLE = "QFrame#messageFrame { background: #f8d7da; } QLabel { color: #58151c; }"
WARNING_STYLE = "QFrame#messageFrame { background: #fff3cd; } QLabel { color: #5c4503; }"


class MessagePanel:
    """A frame that does not get in the way of anything else.

    Args:
        ui: Widgets of SegmentPage.ui.
        details: Returns what is copied for a bug report.
    """

    def __init__(self, ui: Any, details: Any) -> None:
        self._ui = ui
        self._details = details
        self._text = ""
        ui.messageLabel.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
        ui.copyErrorButton.clicked.connect(self._copy)
        ui.dismissButton.clicked.connect(self.clear)

    def show_error(self, error: CrossModalSegError) -> None:
        """Show an error as the shell shows it."""
        self._show(f"{error.message}\n{error.hint}".strip(), ERROR_STYLE)

    def show_warnings(self, warnings: Iterable[Any]) -> None:
        """Show the warnings of a result; nothing if there are none."""
        texts = [f"{warning.message} {warning.hint}".strip() for warning in warnings]
        if texts:
            self._show("\n".join(texts), WARNING_STYLE)

    def clear(self, *_args: object) -> None:
        """Show nothing."""
        self._text = ""
        self._ui.messageFrame.setVisible(False)

    def _show(self, text: str, style: str) -> None:
        self._text = text
        self._ui.messageLabel.setText(text)
        self._ui.messageFrame.setStyleSheet(style)
        self._ui.messageFrame.setVisible(True)

    def _copy(self, *_args: object) -> None:
        qt.QApplication.clipboard().setText(f"{self._text}\n\n{self._details()}")
        slicer.util.showStatusMessage(_("The details were copied."), 3000)
