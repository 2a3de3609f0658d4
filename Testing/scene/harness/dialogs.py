"""Dialogs that a test answers beforehand; one that it did not expect fails the test."""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N801, N802, FBT001

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6 import QtWidgets

from Testing.scene.harness.pythonqt import wrap


@dataclass(frozen=True, kw_only=True)
class OpenedDialog:
    """A dialog that was opened and answered.

    Attributes:
        kind: "message", "open", "open many", "save", "folder", "text" or "dialog".
        text: What it asked or said.
        title: Of its window.
    """

    kind: str
    text: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    kind: str
    value: Any
    containing: str


class Dialogs:
    """Answers in the order in which dialogs will open.

    Attributes:
        opened: Dialogs so far.
    """

    def __init__(self) -> None:
        self.opened: list[OpenedDialog] = []
        self._answers: list[_Answer] = []

    def answer_message(self, button: str, *, containing: str = "") -> None:
        """Press a button of the next message box.

        Args:
            button: As Qt names it: "Ok", "Cancel", "Yes", "No"...
            containing: What the message must say.
        """
        self._add("message", getattr(QtWidgets.QMessageBox.StandardButton, button), containing)

    def choose_file(self, path: Path | str) -> None:
        """Choose a file to open; "" cancels."""
        self._add("open", str(path), "")

    def choose_files(self, *paths: Path | str) -> None:
        """Choose several files to open; none cancels."""
        self._add("open many", [str(path) for path in paths], "")

    def choose_save_file(self, path: Path | str) -> None:
        """Choose where to save; "" cancels."""
        self._add("save", str(path), "")

    def choose_folder(self, path: Path | str) -> None:
        """Choose a folder; "" cancels."""
        self._add("folder", str(path), "")

    def enter_text(self, text: str) -> None:
        """Type into the next input dialog; "" cancels."""
        self._add("text", text, "")

    def handle(self, action: Callable[[Any], int]) -> None:
        """Let a function use the next dialog that is not of Qt's own kinds; it returns the code."""
        self._add("dialog", action, "")

    def ask(self, kind: str, text: str, title: str = "") -> Any:
        """Return the next answer.

        Raises:
            AssertionError: The test did not expect this dialog.
        """
        self.opened.append(OpenedDialog(kind=kind, text=text, title=title))
        if not self._answers:
            raise AssertionError(f"A dialog of kind {kind!r} opened unexpectedly: {title} {text}")
        answer = self._answers.pop(0)
        if answer.kind != kind or answer.containing not in text:
            raise AssertionError(
                f"A dialog of kind {kind!r} opened: {title} {text}\n"
                f"Expected was {answer.kind!r} {answer.containing}"
            )
        return answer.value

    def check_all_opened(self) -> None:
        """Raise if a dialog that was expected never opened."""
        left = [f"{answer.kind} {answer.containing}".strip() for answer in self._answers]
        self._answers.clear()
        if left:
            raise AssertionError(f"Dialogs that never opened: {', '.join(left)}")

    def reset(self) -> None:
        """Forget everything."""
        self.opened.clear()
        self._answers.clear()

    def _add(self, kind: str, value: Any, containing: str) -> None:
        self._answers.append(_Answer(kind=kind, value=value, containing=containing))


dialogs = Dialogs()
"""Of the running session; there is one at a time."""


class QDialog(QtWidgets.QDialog):
    """Runs what the test said instead of waiting for a user."""

    def exec(self) -> int:
        """Let the test use it."""
        self.show()
        code = int(dialogs.ask("dialog", self.windowTitle(), self.windowTitle())(wrap(self)))
        self.done(code)
        return code


class QMessageBox(QtWidgets.QMessageBox):
    """Answered at once."""

    def exec(self) -> int:
        """Return the button that the test presses."""
        return int(dialogs.ask("message", self.text(), self.windowTitle()))

    @staticmethod
    def information(*arguments: Any) -> int:  # type: ignore[override]
        """Return the button that the test presses."""
        return _ask_message(*arguments)

    question = warning = critical = information  # type: ignore[assignment]


class ctkMessageBox(QMessageBox):
    """CTK's message box, with a box to check for not being asked again."""

    def setDontShowAgainVisible(self, visible: bool) -> None:
        """Be asked to show that box; the test's answers do not depend on it."""

    def setDontShowAgainSettingsKey(self, key: str) -> None:
        """Be told where the choice is kept; nothing is kept."""


class QFileDialog(QtWidgets.QFileDialog):
    """Chooses what the test said. Under PythonQt the functions return the path alone."""

    @staticmethod
    def getOpenFileName(*arguments: Any) -> str:  # type: ignore[override]
        """Return one file or ""."""
        return str(dialogs.ask("open", *_caption(arguments)))

    @staticmethod
    def getOpenFileNames(*arguments: Any) -> list[str]:  # type: ignore[override]
        """Return files."""
        return list(dialogs.ask("open many", *_caption(arguments)))

    @staticmethod
    def getSaveFileName(*arguments: Any) -> str:  # type: ignore[override]
        """Return a file or ""."""
        return str(dialogs.ask("save", *_caption(arguments)))

    @staticmethod
    def getExistingDirectory(*arguments: Any) -> str:
        """Return a folder or ""."""
        return str(dialogs.ask("folder", *_caption(arguments)))

    def exec(self) -> int:
        """Let the test use it."""
        return int(dialogs.ask("dialog", self.windowTitle(), self.windowTitle())(wrap(self)))


class QInputDialog(QtWidgets.QInputDialog):
    """Enters what the test said. Under PythonQt the functions return the text alone."""

    @staticmethod
    def getText(*arguments: Any) -> str:  # type: ignore[override]
        """Return the text or ""."""
        return str(dialogs.ask("text", str(arguments[2]), str(arguments[1])))


def _ask_message(*arguments: Any) -> int:
    return int(dialogs.ask("message", str(arguments[2]), str(arguments[1])))


def _caption(arguments: tuple[Any, ...]) -> tuple[str, str]:
    title = str(arguments[1]) if len(arguments) > 1 else ""
    return title, title
