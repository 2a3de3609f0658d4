"""Placeholders for Slicer's own widgets, after their public documentation.

They follow a real scene. Signals carry nodes, which PySide6 knows as Python objects only; `SIGNALS`
says what the documentation calls them.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N801, N802, N815

from __future__ import annotations

import sys
from typing import Any, ClassVar

from PySide6 import QtCore, QtGui, QtWidgets

from CrossModalSegLib.bridge.scene import import_slicer
from Testing.scene.harness.ctk_collapsible_button import ctkCollapsibleButton
from Testing.scene.harness.node_boxes import qMRMLCheckableNodeComboBox, qMRMLNodeComboBox
from Testing.scene.harness.observers import Observers
from Testing.scene.harness.pythonqt import wrap


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that knows a scene and tells its children."""

    mrmlSceneChanged = QtCore.Signal(object)
    SIGNALS: ClassVar = {"mrmlSceneChanged": ["mrmlSceneChanged(vtkMRMLScene*)"]}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The panel of a scripted module; its contents are made by an object written in Python."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._python: Any = None
        self._name = ""
        self.setLayout(QtWidgets.QVBoxLayout())

    def take_module(self, name: str) -> None:
        """Be told whose panel this is. Only in this harness."""
        self._name = name

    def self(self) -> Any:
        """Return the object written in Python."""
        return self._python

    def reload(self) -> None:
        """Make the contents, by the class as it has been loaded last."""
        slicer = import_slicer()
        self._python = getattr(sys.modules[self._name], f"{self._name}Widget")(wrap(self))
        setattr(slicer.modules, f"{self._name}Widget", self._python)
        self._python.setup()

    def forget(self) -> None:
        """Let go of the object. Only in this harness."""
        self._python = None


class qMRMLCollapsibleButton(ctkCollapsibleButton):
    """A collapsible button that hands the scene on."""

    mrmlSceneChanged = QtCore.Signal(object)
    SIGNALS: ClassVar = {"mrmlSceneChanged": ["mrmlSceneChanged(vtkMRMLScene*)"]}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class _NodeTable(QtWidgets.QTableWidget):
    """A table that shows a node and follows it."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._observers = Observers()
        self.verticalHeader().setVisible(False)
        self.destroyed.connect(self._observers.remove_all)

    def _follow(self, node: Any, events: tuple[Any, ...]) -> None:
        self._observers.remove_all()
        self._node = node
        for event in events if node is not None else ():
            self._observers.add(node, event, self._fill)
        self._fill()

    def _fill(self) -> None:
        raise NotImplementedError


class qMRMLSegmentsTableView(_NodeTable):
    """The segments of a segmentation: visibility, colour, name."""

    def setSegmentationNode(self, node: Any) -> None:
        """Show another segmentation."""
        segmentation = import_slicer().vtkSegmentation
        events = (segmentation.SegmentAdded, segmentation.SegmentRemoved)
        self._follow(node, (*events, segmentation.SegmentModified))

    def segmentationNode(self) -> Any:
        """Return the node."""
        return self._node

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""

    def _fill(self) -> None:
        node = self._node
        segmentation: Any = node.GetSegmentation() if node is not None else None
        count = segmentation.GetNumberOfSegments() if segmentation is not None else 0
        self.setColumnCount(2)
        self.setHorizontalHeaderLabels(["", "Name"])
        self.horizontalHeader().setStretchLastSection(True)
        self.setRowCount(count)
        for row in range(count):
            segment = segmentation.GetNthSegment(row)
            colour = QtWidgets.QTableWidgetItem()
            colour.setBackground(QtGui.QColor.fromRgbF(*segment.GetColor()))
            self.setItem(row, 0, colour)
            self.setItem(row, 1, QtWidgets.QTableWidgetItem(segment.GetName()))

    visibilityColumnVisible = QtCore.Property(bool, lambda _: True, lambda _, __: None)
    opacityColumnVisible = QtCore.Property(bool, lambda _: False, lambda _, __: None)
    statusColumnVisible = QtCore.Property(bool, lambda _: False, lambda _, __: None)
    headerVisible = QtCore.Property(bool, lambda _: True, lambda _, __: None)
    readOnly = QtCore.Property(bool, lambda _: False, lambda _, __: None)


class qMRMLTableView(_NodeTable):
    """The contents of a table node."""

    def setMRMLTableNode(self, node: Any) -> None:
        """Show another table."""
        self._follow(node, ("ModifiedEvent",))

    def mrmlTableNode(self) -> Any:
        """Return the node."""
        return self._node

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""

    def _fill(self) -> None:
        node = self._node
        columns = node.GetNumberOfColumns() if node is not None else 0
        rows = node.GetNumberOfRows() if node is not None else 0
        self.setColumnCount(columns)
        self.setRowCount(rows)
        if columns:
            self.setHorizontalHeaderLabels([node.GetColumnName(index) for index in range(columns)])
        for row in range(rows):
            for column in range(columns):
                text = node.GetCellText(row, column)
                self.setItem(row, column, QtWidgets.QTableWidgetItem(text))

    editable = QtCore.Property(bool, lambda _: True, lambda _, __: None)


CLASSES: dict[str, type[QtWidgets.QWidget]] = {
    widget.__name__: widget
    for widget in (
        qMRMLCheckableNodeComboBox,
        qMRMLCollapsibleButton,
        qMRMLNodeComboBox,
        qMRMLSegmentsTableView,
        qMRMLTableView,
        qMRMLWidget,
        qSlicerScriptedLoadableModuleWidget,
    )
}
"""By the names that .ui files use; `slicer` has them too."""
