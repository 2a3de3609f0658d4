"""What goes wrong where no caller can see it: in slots, in observers, inside Qt."""

from __future__ import annotations

import sys
import traceback
from types import TracebackType
from typing import Self

from PySide6 import QtCore

HARMLESS = (
    "This plugin does not support propagateSizeHints()",
    "This plugin does not support raise()",
    "QSocketNotifier: Can only be used with threads started with QThread",
)
"""What Qt says of having no screen, and of threads that are not its own."""


class Failures:
    """Collects them, for the test to fail on.

    Attributes:
        texts: Not yet reported.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, error: BaseException) -> None:
        """Note an exception that was raised in a slot or an observer."""
        self.texts.append("".join(traceback.format_exception(error)))

    def raise_any(self) -> None:
        """Raise what was collected, once."""
        if self.texts:
            texts, self.texts = self.texts, []
            raise AssertionError("In slots, observers or Qt:\n" + "\n".join(texts))

    def __enter__(self) -> Self:
        """Begin to watch; what a test before has left is forgotten."""
        self.texts.clear()
        self._hook = sys.excepthook
        sys.excepthook = self._take_exception
        self._handler = QtCore.qInstallMessageHandler(self._take_message)
        return self

    def __exit__(self, *_: object) -> None:
        """Watch no more."""
        sys.excepthook = self._hook
        QtCore.qInstallMessageHandler(self._handler)

    def _take_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """VTK and PySide hand exceptions of observers and slots to this hook."""
        self.texts.append("".join(traceback.format_exception(kind, error, trace)))

    def _take_message(
        self, kind: QtCore.QtMsgType, _: QtCore.QMessageLogContext, text: str | None
    ) -> None:
        is_bad = kind not in {QtCore.QtMsgType.QtDebugMsg, QtCore.QtMsgType.QtInfoMsg}
        if is_bad and not str(text).startswith(HARMLESS):
            self.texts.append(f"Qt: {text}")


failures = Failures()
"""Of the running session; there is one at a time."""
