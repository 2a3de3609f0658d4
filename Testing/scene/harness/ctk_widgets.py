"""Placeholders for widgets of CTK, after their public documentation, and the list of them all.

Written as PySide6 wants it; `pythonqt.py` shows them as PythonQt would.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N801, N802, N815

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.scene.harness.ctk_collapsible_button import ctkCollapsibleButton
from Testing.scene.harness.ctk_numbers import ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget
from Testing.scene.harness.dialogs import ctkMessageBox


class ctkExpandableWidget(QtWidgets.QFrame):
    """A frame that the user can drag larger; here it has the size of its contents."""


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text for when nothing is chosen."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCurrentIndex(-1)

    def _get_default_text(self) -> str:
        return self.placeholderText()

    def _set_default_text(self, text: str) -> None:
        self.setPlaceholderText(text)

    defaultText = QtCore.Property(str, _get_default_text, _set_default_text)
    forceDefault = QtCore.Property(bool, lambda _: False, lambda _, __: None)
    scrollWheelEnabled = QtCore.Property(bool, lambda _: True, lambda _, __: None)


class ctkCheckableComboBox(QtWidgets.QComboBox):
    """A combo box whose entries can be checked, each on its own."""

    checkedIndexesChanged = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.model().itemChanged.connect(lambda *_: self._changed())  # type: ignore[attr-defined]
        self.model().rowsInserted.connect(self._make_checkable)

    def checkedIndexes(self) -> list[QtCore.QModelIndex]:
        """Return the indexes that are checked."""
        indexes = (self.model().index(row, 0) for row in range(self.count()))
        return [index for index in indexes if self.checkState(index) == _CHECKED]

    def checkState(self, index: QtCore.QModelIndex) -> QtCore.Qt.CheckState:
        """Return whether an entry is checked."""
        return QtCore.Qt.CheckState(self.model().data(index, _CHECK_ROLE) or 0)

    def setCheckState(self, index: QtCore.QModelIndex, state: QtCore.Qt.CheckState | int) -> None:
        """Check an entry, or not."""
        self.model().setData(index, QtCore.Qt.CheckState(state), _CHECK_ROLE)

    def allChecked(self) -> bool:
        """Tell whether everything is checked."""
        return len(self.checkedIndexes()) == self.count()

    def noneChecked(self) -> bool:
        """Tell whether nothing is checked."""
        return not self.checkedIndexes()

    def _make_checkable(self, _: QtCore.QModelIndex, first: int, last: int) -> None:
        for row in range(first, last + 1):
            item = self.model().item(row)  # type: ignore[attr-defined]
            item.setFlags(QtCore.Qt.ItemFlag.ItemIsEnabled | QtCore.Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(QtCore.Qt.CheckState.Unchecked)

    def _changed(self) -> None:
        texts = [index.data() for index in self.checkedIndexes()]
        self.setPlaceholderText(", ".join(texts) or "None")
        self.setCurrentIndex(-1)
        self.checkedIndexesChanged.emit()


class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit with a magnifying glass and a button that clears it."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)

    showSearchIcon = QtCore.Property(bool, lambda _: True, lambda _, __: None)
    alwaysShowClearIcon = QtCore.Property(bool, lambda _: False, lambda _, __: None)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that can be typed or browsed for."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = QtCore.QDir.Filter.Files
        self._name_filters: list[str] = []
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._edit = QtWidgets.QLineEdit()
        self._edit.textChanged.connect(self.currentPathChanged)
        row.addWidget(self._edit)
        button = QtWidgets.QToolButton()
        button.setText("...")
        button.clicked.connect(self.browse)
        row.addWidget(button)

    def _get_path(self) -> str:
        return self._edit.text()

    def setCurrentPath(self, path: str) -> None:
        """Set the path."""
        self._edit.setText(path)

    def _get_filters(self) -> int:
        return int(self._filters.value)

    def _set_filters(self, filters: int) -> None:
        self._filters = QtCore.QDir.Filter(filters)

    def _get_name_filters(self) -> list[str]:
        return self._name_filters

    def _set_name_filters(self, filters: list[str]) -> None:
        self._name_filters = list(filters)

    def browse(self) -> None:
        """Choose with a dialog: a file, or a folder where only folders are let through."""
        from Testing.scene.harness.dialogs import QFileDialog

        is_file = bool(self._filters & QtCore.QDir.Filter.Files)
        choose: Any = QFileDialog.getOpenFileName if is_file else QFileDialog.getExistingDirectory
        path = choose(self, "Select a file" if is_file else "Select a folder")
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self) -> None:
        """Remember the path for the next time; here nothing is remembered."""

    currentPath = QtCore.Property(str, _get_path, setCurrentPath)
    filters = QtCore.Property(int, _get_filters, _set_filters)
    nameFilters = QtCore.Property("QStringList", _get_name_filters, _set_name_filters)  # type: ignore[arg-type]
    settingKey = QtCore.Property(str, lambda _: "", lambda _, __: None)
    showHistoryButton = QtCore.Property(bool, lambda _: True, lambda _, __: None)


class ctkDirectoryButton(QtWidgets.QPushButton):
    """A button that shows a folder and lets another one be chosen."""

    directoryChanged = QtCore.Signal(str)
    directorySelected = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDirectory(str(QtCore.QDir.currentPath()))
        self.clicked.connect(self.browse)

    def _get_directory(self) -> str:
        return self.text()

    def setDirectory(self, path: str) -> None:
        """Set the folder."""
        if path != self.text():
            self.setText(path)
            self.directoryChanged.emit(path)

    def browse(self) -> None:
        """Choose with a dialog."""
        from Testing.scene.harness.dialogs import QFileDialog

        path = QFileDialog.getExistingDirectory(self, "Select a folder")
        if path:
            self.setDirectory(path)
            self.directorySelected.emit(path)

    directory = QtCore.Property(str, _get_directory, setDirectory)


_CHECKED = QtCore.Qt.CheckState.Checked
_CHECK_ROLE = QtCore.Qt.ItemDataRole.CheckStateRole

CLASSES: dict[str, type[QtWidgets.QWidget]] = {
    widget.__name__: widget
    for widget in (
        ctkCheckableComboBox,
        ctkCollapsibleButton,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleSlider,
        ctkDoubleSpinBox,
        ctkExpandableWidget,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkSearchBox,
        ctkSliderWidget,
    )
}
"""By the names that .ui files use."""
