"""The window's code keeps to what PythonQt and PySide6 both understand."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.packaging.pythonqt_subset import findings, findings_in_file

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [*(ROOT / "CrossModalSegLib" / "widget").rglob("*.py"), *(ROOT / "CrossModalSeg").rglob("*.py")]
)

BAD = {
    "label = self.ui.nameEdit.text()": "property",
    "if ui.applyButton.enabled(): pass": "property",
    "n = self._ui.modelBox.count()": "property",
    "wide = table.viewport().width() > 5": "property",
    "flag = qt.Qt.AlignmentFlag.AlignLeft": "enum",
    "mode = qt.QHeaderView.ResizeMode.Stretch": "enum",
    "dialog.exec()": "exec",
    "import PySide6": "binding",
    "from PySide6 import QtWidgets": "binding",
    "from __feature__ import true_property": "binding",
    "from qt import QLabel": "binding",
    "use(true_property)": "binding",
    "changed = qt.Signal(int)": "binding",
    "class Table(qt.QTableWidget, VTKObservationMixin): pass": "inheritance",
    "class Panel(Base, slicer.qMRMLWidget): pass": "inheritance",
    "self.ui.applyButton.model = card": "attribute",
    "ui.logText.lines = []": "attribute",
    "label = qt.QLabel()\nlabel.node = node": "attribute",
    "path, _ = qt.QFileDialog.getOpenFileName(self, 'Open')": "tuple",
    "path = qt.QFileDialog.getSaveFileName(self, 'Save')[0]": "tuple",
    "button.connect('clicked', self.apply)": "signature",
    "qt.QTimer.singleShot(0, self.update())": "timer",
    "qt.QTimer.singleShot(self.update)": "timer",
    "qt.QLabel(text='Model')": "keyword",
    "qt.QTimer.singleShot(msec=0, slot=self.update)": "timer",
}

GOOD = """
import ctk
import qt
import slicer

class Panel:
    def __init__(self, ui):
        self.ui = ui
        self.title = "own attributes are free"
        ui.nameEdit.text = "model"
        ui.applyButton.enabled = ui.nameEdit.text != "" and ui.modelBox.count > 0
        ui.applyButton.setToolTip(ui.nameEdit.text)
        ui.applyButton.clicked.connect(self.apply)
        ui.applyButton.connect("clicked()", self.apply)
        ui.selector.connect("currentNodeChanged(vtkMRMLNode*)", self.apply)
        text = ui.table.item(0, 1).text() + qt.QApplication.clipboard().text()
        item = qt.QTableWidgetItem(text)
        item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        label = qt.QLabel("Model")
        label.wordWrap = True
        ui.table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        places = text.count("a") + ui.layout().count()
        for index in range(places):
            height = pixmap.size().height()
        path = qt.QFileDialog.getOpenFileName(self, "Open")
        qt.QTimer.singleShot(0, self.apply)
        dialog.exec_()
        if ui.modelBox.isVisible() and slicer.util.confirmOkCancelDisplay("?", windowTitle="!"):
            self.apply()

class Button(qt.QPushButton):
    pass
"""


@pytest.mark.parametrize(("source", "rule"), BAD.items(), ids=list(BAD))
def test_what_pythonqt_cannot_do_is_found(source: str, rule: str) -> None:
    assert rule in {finding.rule for finding in findings(source)}


def test_what_both_understand_is_left_alone() -> None:
    assert findings(GOOD) == []


def test_a_finding_says_where_it_is() -> None:
    (finding,) = findings("import qt\n\nx = dialog.exec()")
    assert finding.line == 3


def test_there_is_something_to_check() -> None:
    names = {path.name for path in FILES}
    assert {"CrossModalSeg.py", "segment_page.py"} <= names


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_the_window_keeps_to_the_common_subset(path: Path) -> None:
    found = [f"{path.name}:{line}: {rule}: {text}" for line, rule, text in findings_in_file(path)]
    assert not found, "\n".join(found)
