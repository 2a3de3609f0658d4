"""The modules `qt` and `ctk` as the Slicer application has them."""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N802

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.scene.harness import ctk_widgets, dialogs
from Testing.scene.harness.pythonqt import class_attribute, is_wrapped_class, wrapper_class
from Testing.scene.harness.ui_loader import QUiLoader

_settings: dict[str, str] = {}
opened_urls: list[str] = []
"""What the desktop was asked to open."""


class QSettings(QtCore.QSettings):
    """Settings of the user, here in a file of the session."""

    def __init__(self, *arguments: Any) -> None:
        if arguments:
            super().__init__(*arguments)
        else:
            super().__init__(_settings["path"], QtCore.QSettings.Format.IniFormat)


class QDesktopServices:
    """Opens nothing, and remembers what it was asked to open."""

    @staticmethod
    def openUrl(url: QtCore.QUrl) -> bool:
        """Remember the address."""
        opened_urls.append(url.toString())
        return True


ONLY_PYSIDE = frozenset({"Signal", "SignalInstance", "Slot", "Property", "ClassInfo", "SIGNAL"})
"""What PySide6 adds to Qt."""


class NameSpace:
    """A name space of Qt whose enums have no names of their own."""

    def __init__(self, qt_class: Any) -> None:
        self._qt_class = qt_class

    def __getattr__(self, name: str) -> Any:
        return class_attribute(self._qt_class, name)


class QtModule(ModuleType):
    """`import qt`: all of Qt's modules in one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ONLY_PYSIDE:
            raise AttributeError(f"module 'qt' has no attribute {name!r}")
        for library in (_REPLACED, QtWidgets, QtGui, QtCore):
            value = getattr(library, name, None)
            if value is not None:
                return wrapper_class(value) if is_wrapped_class(value) else value
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class CtkModule(ModuleType):
    """`import ctk`: the widgets of CTK that the harness has placeholders for."""

    def __getattr__(self, name: str) -> Any:
        value = ctk_widgets.CLASSES.get(name)
        if value is None:
            raise AttributeError(f"module 'ctk' has no attribute {name!r} in this harness")
        return wrapper_class(value)


class _REPLACED:
    QDialog = dialogs.QDialog
    QMessageBox = dialogs.QMessageBox
    QFileDialog = dialogs.QFileDialog
    QInputDialog = dialogs.QInputDialog
    QSettings = QSettings
    QDesktopServices = QDesktopServices
    QUiLoader = QUiLoader
    Qt = NameSpace(QtCore.Qt)


qt = QtModule("qt")
ctk = CtkModule("ctk")


def reset(folder: Path) -> None:
    """Forget addresses of the test before, and keep settings in this folder."""
    opened_urls.clear()
    _settings["path"] = str(folder / "Slicer.ini")
