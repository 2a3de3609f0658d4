"""The harness shows Qt as PythonQt does, and refuses what PythonQt refuses."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from Testing.scene.harness import event_loop
from Testing.scene.harness.calls import taken_arguments
from Testing.scene.harness.interaction import process_events, wait_until
from Testing.scene.harness.session import SlicerApplication


@pytest.fixture
def qt(slicer_application: SlicerApplication) -> Any:  # noqa: ARG001
    import qt

    return qt


def test_properties_are_attributes(qt: Any) -> None:
    button = qt.QPushButton("Apply")
    button.enabled = False
    button.toolTip = "not yet"
    assert (button.text, button.enabled, button.isEnabled()) == ("Apply", False, False)
    assert button.visible is False
    button.setText("Cancel")
    assert button.text == "Cancel"
    with pytest.raises(TypeError, match="not callable"):
        button.text()
    edit = qt.QTextEdit()
    edit.plainText = "a note"
    assert edit.plainText == edit.toPlainText() == "a note"
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter


def test_nothing_but_a_property_can_be_set(qt: Any) -> None:
    button = qt.QPushButton()
    for name in ("node", "checkedd", "clicked", "setText"):
        with pytest.raises(AttributeError, match="creating new attributes"):
            setattr(button, name, 1)
    with pytest.raises(AttributeError, match="not writable"):
        button.width = 5
    with pytest.raises(ValueError, match="'text' of type 'QString' does not accept"):
        button.text = 5
    with pytest.raises(AttributeError, match="no attribute named 'txt'"):
        _ = button.txt


def test_dynamic_properties_can_be_read_as_attributes_once_they_are_set(qt: Any) -> None:
    label = qt.QLabel()
    assert label.property("SlicerParameterName") is None
    label.setProperty("SlicerParameterName", "volume")
    assert label.property("SlicerParameterName") == label.SlicerParameterName == "volume"


def test_enum_values_lie_in_their_classes(qt: Any) -> None:
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel
    assert qt.QHeaderView.Stretch is not None
    for owner, name in ((qt.Qt, "AlignmentFlag"), (qt.QMessageBox, "StandardButton")):
        with pytest.raises(AttributeError, match="PythonQt has only the latter"):
            getattr(owner, name)


def test_what_only_pyside_has_is_missing(qt: Any) -> None:
    for name in ("Signal", "Slot", "Property", "QNothing"):
        with pytest.raises(AttributeError, match=name):
            getattr(qt, name)
    with pytest.raises(AttributeError, match="exec"):
        _ = qt.QDialog().exec
    with pytest.raises(TypeError, match="derives from QWidget"):
        type("Mine", (qt.QWidget,), {})
    with pytest.raises(TypeError, match="keyword"):
        qt.QLabel(text="Model")


def test_objects_are_the_same_and_of_their_class(qt: Any) -> None:
    box = qt.QWidget()
    layout = qt.QVBoxLayout(box)
    button = qt.QPushButton("Apply")
    layout.addWidget(button)
    assert button.parent() is box
    assert box.layout() is layout
    assert layout.itemAt(0).widget() is button
    assert isinstance(box.children()[1], qt.QAbstractButton)
    assert type(box.findChildren(qt.QPushButton)[0]) is qt.QPushButton
    assert button.className() == "QPushButton"
    table = qt.QTableWidget(1, 1)
    table.setItem(0, 0, qt.QTableWidgetItem("cell"))
    assert table.item(0, 0).text() == "cell"
    assert table.horizontalHeader().visible in {True, False}


def test_an_object_that_is_gone_says_so(qt: Any) -> None:
    box = qt.QWidget()
    label = qt.QLabel("text", box)
    assert label
    box.delete()
    assert not label
    with pytest.raises(ValueError, match="destroyed QLabel"):
        _ = label.text
    with pytest.raises(ValueError, match="destroyed QLabel"):
        label.text = "more"


def test_slots_get_as_many_arguments_as_they_take(qt: Any) -> None:
    button = qt.QPushButton()
    button.setCheckable(True)
    got: list[Any] = []

    class Panel:
        def none(self) -> None:
            got.append("none")

        def one(self, checked: Any) -> None:
            got.append(checked)

        def many(self, *arguments: Any) -> None:
            got.append(arguments)

    panel = Panel()
    for slot in (panel.none, panel.one, panel.many):
        button.clicked.connect(slot)
    button.connect("clicked()", panel.many)
    button.click()
    assert got == ["none", True, (True,), ()]
    button.clicked.disconnect(panel.one)
    button.disconnect("clicked()", panel.many)
    got.clear()
    button.click()
    assert got == ["none", (False,)]


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        (lambda: 0, 0),
        (lambda a: a, 1),
        (lambda a, b=2: a + b, 2),
        (lambda *a: a, None),
        (len, None),
    ],
)
def test_arguments_are_counted_as_pythonqt_counts(
    function: Callable[..., Any], taken: int | None
) -> None:
    assert taken_arguments(function) == taken


def test_a_signal_that_is_not_there_is_an_error(qt: Any) -> None:
    box = qt.QComboBox()
    with pytest.raises(ValueError, match=r"'clicked\(\)' does not exist on QComboBox"):
        box.connect("clicked()", print)
    with pytest.raises(ValueError, match=r"there are: currentIndexChanged\(int\)"):
        box.connect("currentIndexChanged(QString)", print)
    with pytest.raises(AttributeError):
        _ = box.clicked


def test_signals_carry_wrapped_objects(qt: Any) -> None:
    box = qt.QListWidget()
    got: list[Any] = []
    box.itemChanged.connect(got.append)
    box.addItem(qt.QListWidgetItem("myocardium"))
    box.item(0).setCheckState(qt.Qt.Checked)
    assert got[0] is box.item(0)
    assert got[0].checkState() == qt.Qt.Checked


def test_a_connection_does_not_keep_its_sender(qt: Any) -> None:
    gone: list[str] = []
    button = qt.QPushButton()
    button.destroyed.connect(lambda: gone.append("button"))
    button.clicked.connect(lambda: None)
    del button
    gc.collect()
    assert gone == ["button"]


def test_timers_call_back(qt: Any) -> None:
    ticks: list[str] = []
    timer = qt.QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: ticks.append("tick"))
    timer.start()
    qt.QTimer.singleShot(0, lambda: ticks.append("once"))
    wait_until(lambda: ticks.count("tick") >= 3, 2.0)
    timer.stop()
    assert ticks.count("once") == 1
    assert timer.active is False


def test_what_a_late_slot_raises_is_seen(qt: Any) -> None:
    qt.QTimer.singleShot(5, lambda: int("many"))
    with pytest.raises(AssertionError, match="invalid literal"):
        process_events(0.2)


def test_files_and_texts_are_chosen_by_the_test(
    qt: Any, slicer_application: SlicerApplication
) -> None:
    dialogs = slicer_application.dialogs
    dialogs.choose_file("/a/model.zip")
    dialogs.choose_save_file("")
    dialogs.choose_folder("/a")
    dialogs.enter_text("name")
    dialogs.handle(lambda dialog: 1 if dialog.windowTitle == "Details" else 0)
    dialogs.answer_message("Yes", containing="Really")
    assert qt.QFileDialog.getOpenFileName(None, "Import", "", "*.zip") == "/a/model.zip"
    assert qt.QFileDialog.getSaveFileName(None, "Export") == ""
    assert qt.QFileDialog.getExistingDirectory(None, "Folder") == "/a"
    assert qt.QInputDialog.getText(None, "Rename", "Name:") == "name"
    dialog = qt.QDialog()
    dialog.windowTitle = "Details"
    assert dialog.exec_() == 1
    assert qt.QMessageBox.question(None, "Sure", "Really?") == qt.QMessageBox.Yes
    assert [each.kind for each in dialogs.opened] == [
        "open",
        "save",
        "folder",
        "text",
        "dialog",
        "message",
    ]


def test_settings_last_for_one_application(qt: Any, slicer_application: SlicerApplication) -> None:
    import slicer

    assert qt.QSettings().value("CrossModalSeg/seen") is None
    qt.QSettings().setValue("CrossModalSeg/seen", "yes")
    assert slicer_application.app.settings().value("CrossModalSeg/seen") == "yes"
    assert slicer.util.settingsValue("CrossModalSeg/none", 3, converter=int) == 3


def test_addresses_are_not_opened_and_texts_can_be_copied(
    qt: Any, slicer_application: SlicerApplication
) -> None:
    assert qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile("/a/b"))
    assert slicer_application.opened_urls == ["file:///a/b"]
    qt.QApplication.clipboard().setText("copied")
    assert qt.QApplication.clipboard().text() == "copied"


@pytest.mark.skipif(not event_loop.KEEPS_LOCK, reason="Qt's loop cannot be called with the lock")
def test_threads_wait_while_the_loop_idles_as_in_slicer(qt: Any) -> None:
    steps = 0
    stop = threading.Event()

    def count() -> None:
        nonlocal steps
        while not stop.is_set():
            steps += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        while not steps:
            time.sleep(0.001)
        before = steps
        event_loop.run_loop(300)
        assert steps - before <= 3
        poller = qt.QTimer()
        poller.setInterval(10)
        poller.timeout.connect(lambda: time.sleep(0.001))
        poller.start()
        before = steps
        event_loop.run_loop(300)
        assert steps - before > 10
    finally:
        stop.set()
        thread.join()
