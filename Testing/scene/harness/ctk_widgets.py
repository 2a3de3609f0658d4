"""Placeholders for widgets of CTK, after their public documentation.

Written as PySide6 wants it; `pythonqt.py` shows them as PythonQt would.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N801, N802, N815, FBT001

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from Testing.scene.harness.dialogs import ctkMessageBox

_HIDDEN = "_q_hiddenByUser"
_TRIANGLES = {False: ((8, -2), (16, -2), (12, 3)), True: ((9, -4), (15, 0), (9, 4))}
"""Of the header, open and collapsed, around the middle of its left end."""


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header that shows and hides what is below it.

    As in CTK: collapsing hides the children and remembers which were hidden before; a child that
    is shown or hidden meanwhile stays hidden and gets its wish when the button is opened.
    """

    contentsCollapsed = QtCore.Signal(bool)
    clicked = QtCore.Signal(bool)
    toggled = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._collapsed = False
        self._collapsed_height = 5
        self._is_forcing = False
        self._height = self.fontMetrics().height() + 8
        self.setContentsMargins(0, self._height, 0, 0)

    def _get_text(self) -> str:
        return self._text

    def setText(self, text: str) -> None:
        """Say what the header says."""
        self._text = text
        self.updateGeometry()
        self.update()

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def setCollapsed(self, collapsed: bool) -> None:
        """Show or hide what is below the header."""
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self._force_contents()
        self.setMaximumHeight(self._height + self._collapsed_height if collapsed else 16777215)
        self.updateGeometry()
        self.update()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def _get_checked(self) -> bool:
        return not self._collapsed

    def setChecked(self, checked: bool) -> None:
        """Open or close."""
        self.setCollapsed(not checked)

    def _get_collapsed_height(self) -> int:
        return self._collapsed_height

    def _set_collapsed_height(self, height: int) -> None:
        self._collapsed_height = height

    def toggle(self) -> None:
        """Open if closed, close if open."""
        self.setCollapsed(not self._collapsed)

    def click(self) -> None:
        """Do what a click on the header does."""
        if self.isEnabled():
            self.toggle()
            self.clicked.emit(not self._collapsed)

    text = QtCore.Property(str, _get_text, setText)
    collapsed = QtCore.Property(bool, _get_collapsed, setCollapsed)
    checked = QtCore.Property(bool, _get_checked, setChecked)
    collapsedHeight = QtCore.Property(int, _get_collapsed_height, _set_collapsed_height)
    contentsLineWidth = QtCore.Property(int, lambda _: 1, lambda _, __: None)
    flat = QtCore.Property(bool, lambda _: False, lambda _, __: None)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """Watch what becomes of children."""
        child = event.child()
        if event.added() and child.isWidgetType():
            child.installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Keep children hidden while collapsed, and remember what they would be."""
        kinds = (QtCore.QEvent.Type.ShowToParent, QtCore.QEvent.Type.HideToParent)
        is_wish = event.type() in kinds and not self._is_forcing
        if is_wish and isinstance(watched, QtWidgets.QWidget):
            watched.setProperty(_HIDDEN, event.type() == kinds[1])
            self._force(watched)
        return super().eventFilter(watched, event)

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        """Hide children now: as long as nothing is shown, that would not last."""
        super().showEvent(event)
        self._force_contents()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """Open or close on a press on the header."""
        if event.position().y() <= self._height:
            self.click()

    def minimumSizeHint(self) -> QtCore.QSize:
        """At least the header."""
        hint = super().minimumSizeHint()
        if self._collapsed:
            return QtCore.QSize(hint.width(), self._height + self._collapsed_height)
        return hint.expandedTo(QtCore.QSize(60, self._height))

    def sizeHint(self) -> QtCore.QSize:
        """At least the header, and no more when collapsed."""
        hint = super().sizeHint()
        if self._collapsed:
            return QtCore.QSize(hint.width(), self._height + self._collapsed_height)
        return hint.expandedTo(self.minimumSizeHint())

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        """Draw the header as Slicer's style does: a flat bar with a triangle."""
        del event
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        bar = QtCore.QRectF(0.5, 0.5, self.width() - 1, self._height - 3)
        painter.setPen(self.palette().mid().color())
        painter.setBrush(self.palette().button())
        painter.drawRoundedRect(bar, 3, 3)
        role = QtGui.QPalette.ColorRole.ButtonText
        ink = self.palette().color(self._colour_group(), role)
        painter.setPen(QtCore.Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        middle = round(bar.center().y())
        points = _TRIANGLES[self._collapsed]
        painter.drawPolygon([QtCore.QPoint(x, middle + y) for x, y in points])
        painter.setPen(ink)
        font = self.font()
        font.setBold(True)
        painter.setFont(font)
        painter.drawText(
            bar.adjusted(24, 0, -4, 0), QtCore.Qt.AlignmentFlag.AlignVCenter, self._text
        )
        painter.end()

    def _colour_group(self) -> QtGui.QPalette.ColorGroup:
        groups = QtGui.QPalette.ColorGroup
        return groups.Active if self.isEnabled() else groups.Disabled

    def _force_contents(self) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                self._force(child)

    def _force(self, child: QtWidgets.QWidget) -> None:
        """Show or hide a child, as if nobody had asked for it."""
        is_hidden = bool(child.property(_HIDDEN))
        if not self.testAttribute(QtCore.Qt.WidgetAttribute.WA_WState_Created) or is_hidden:
            return
        self._is_forcing = True
        child.setVisible(not self._collapsed)
        # Qt ignores being asked to hide what was hidden on purpose; the next one may mean it.
        child.setAttribute(QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide, on=False)
        self._is_forcing = False


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


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """A spin box for numbers with decimals."""


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider for numbers with decimals."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._range = [0.0, 99.0]
        self._step = 1.0
        self._value = 0.0
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, 1000)
        self._slider.valueChanged.connect(self._dragged)
        self._row.addWidget(self._slider)

    def _get_value(self) -> float:
        return self._value

    def setValue(self, value: float) -> None:
        """Set the value, kept within the range."""
        value = min(max(float(value), self._range[0]), self._range[1])
        if value == self._value:
            return
        self._value = value
        self._draw()
        self.valueChanged.emit(value)

    def _get_minimum(self) -> float:
        return self._range[0]

    def setMinimum(self, value: float) -> None:
        """Set the lower end."""
        self.setRange(value, max(value, self._range[1]))

    def _get_maximum(self) -> float:
        return self._range[1]

    def setMaximum(self, value: float) -> None:
        """Set the upper end."""
        self.setRange(min(value, self._range[0]), value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends."""
        self._range = [float(minimum), float(maximum)]
        self.setValue(self._value)
        self._draw()

    def _get_step(self) -> float:
        return self._step

    def setSingleStep(self, step: float) -> None:
        """Set how far an arrow key goes."""
        self._step = step

    def _draw(self) -> None:
        low, high = self._range
        part = (self._value - low) / (high - low) if high > low else 0.0
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setValue(round(1000 * part))

    def _dragged(self, position: int) -> None:
        low, high = self._range
        self.setValue(low + (high - low) * position / 1000)

    value = QtCore.Property(float, _get_value, setValue)
    minimum = QtCore.Property(float, _get_minimum, setMinimum)
    maximum = QtCore.Property(float, _get_maximum, setMaximum)
    singleStep = QtCore.Property(float, _get_step, setSingleStep)
    orientation = QtCore.Property(int, lambda _: 1, lambda _, __: None)


class ctkSliderWidget(ctkDoubleSlider):
    """A slider with a spin box beside it, which show the same value."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = ctkDoubleSpinBox()
        self._row.addWidget(self._box)
        self._box.valueChanged.connect(self.setValue)
        self._draw()

    def _get_decimals(self) -> int:
        return self._box.decimals()

    def setDecimals(self, decimals: int) -> None:
        """Set how many decimals are shown."""
        self._box.setDecimals(decimals)

    def _get_suffix(self) -> str:
        return self._box.suffix()

    def setSuffix(self, suffix: str) -> None:
        """Set what follows the number."""
        self._box.setSuffix(suffix)

    def _draw(self) -> None:
        super()._draw()
        if hasattr(self, "_box"):
            with QtCore.QSignalBlocker(self._box):
                self._box.setRange(*self._range)
                self._box.setSingleStep(self._step)
                self._box.setValue(self._value)

    decimals = QtCore.Property(int, _get_decimals, setDecimals)
    suffix = QtCore.Property(str, _get_suffix, setSuffix)
    tracking = QtCore.Property(bool, lambda _: True, lambda _, __: None)


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
