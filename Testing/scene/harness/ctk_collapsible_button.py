"""Placeholder for CTK's collapsible button, after its public documentation."""

# Named as CTK and Qt name things.
# ruff: noqa: N801, N802, N815, FBT001

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

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
