"""The Slicer application for a test: installs the doubles, loads modules, and takes all down.

Example:
    with slicer_application() as application:
        loaded = application.load_module(Path("CrossModalSeg/CrossModalSeg.py"))
        application.dialogs.answer_message("Ok", containing="Delete")
        click(loaded.widget.ui.deleteButton)
        wait_until(lambda: loaded.widget.ui.applyButton.enabled)
        screenshot(loaded.panel, Path("panel.png"))

In tests the fixture `slicer_application` does the first line. What slots and observers raise, what
Qt warns of, dialogs that nobody expected and errors of VTK fail the test.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6 import QtCore, QtGui, QtWidgets

from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene, import_slicer
from Testing.scene.harness import packaging, qt_module
from Testing.scene.harness.dialogs import Dialogs, dialogs
from Testing.scene.harness.failures import failures
from Testing.scene.harness.interaction import process_events
from Testing.scene.harness.pythonqt import wrapper_class
from Testing.scene.harness.qt_module import opened_urls
from Testing.scene.harness.slicer_app import Application, Module, Modules

FONT = ("DejaVu Sans", 9)
PANEL_WIDTH = 480
"""Of Slicer's module panel, about, in pixels."""

NONE_REFERENCES = 1 << 40

_MISSING = object()


def _keep_none_alive() -> None:
    """Give None more references than a test can use up.

    Before Python 3.12 each call of PySide6 that returns nothing takes one from it, and a page that
    is polled for minutes would end the program.
    """
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += NONE_REFERENCES


_keep_none_alive()


class LoadedModule:
    """A scripted module that is open.

    Attributes:
        module: What `slicer.modules.<name>` is.
        panel: The widget of Qt that it was built into.
    """

    def __init__(self, module: Module, panel: Any) -> None:
        self.module = module
        self.panel = panel
        self._is_entered = False

    @property
    def widget(self) -> Any:
        """The object of the class `<Name>Widget`; another one after a reload."""
        return self.panel.self()

    @property
    def python(self) -> ModuleType:
        """The module of Python."""
        return sys.modules[self.module.name]

    def enter(self) -> None:
        """Let the user come to the module."""
        if not self._is_entered:
            self._is_entered = True
            self.panel.show()
            self.widget.enter()
            process_events()

    def exit(self) -> None:
        """Let the user go to another module."""
        if self._is_entered:
            self._is_entered = False
            self.widget.exit()
            self.panel.hide()
            process_events()

    def reload(self) -> None:
        """Press the developers' button that reads the module's file again."""
        import_slicer().util.reloadScriptedModule(self.module.name)
        process_events()


class SlicerApplication:
    """What a test has of Slicer.

    Attributes:
        session: Scene and logics.
        app: `slicer.app`.
        dialogs: Answers to dialogs that will open.
        opened_urls: What the desktop was asked to open.
        packaging: `slicer.packaging`, with what it was asked to install.
        selected_modules: Modules that code switched to.
    """

    def __init__(self, session: HeadlessScene, app: Application) -> None:
        self.session = session
        self.app = app
        self.dialogs: Dialogs = dialogs
        self.opened_urls = opened_urls
        self.packaging = packaging
        self.selected_modules: list[str] = []
        self._loaded: list[LoadedModule] = []

    @property
    def scene(self) -> Any:
        """The scene, `slicer.mrmlScene`."""
        return self.session.mrml

    @property
    def status_message(self) -> str:
        """What the status bar of the main window says."""
        return str(import_slicer().util.mainWindow().statusBar().currentMessage())

    def load_module(self, path: Path) -> LoadedModule:
        """Load a scripted module, build its panel and enter it, as Slicer does.

        Args:
            path: Of the file that is named like the module.
        """
        slicer, name = import_slicer(), path.stem
        python = _import_file(name, path)
        module = Module(name, path)
        getattr(python, name)(module)
        setattr(slicer.modules, name.lower(), module)
        panel = slicer.qSlicerScriptedLoadableModuleWidget()
        panel.take_module(name)
        panel.setMRMLScene(slicer.mrmlScene)
        panel.resize(PANEL_WIDTH, 900)
        module.take_representation(panel)
        loaded = LoadedModule(module, panel)
        self._loaded.append(loaded)
        panel.reload()
        process_events()
        loaded.enter()
        return loaded

    def unload_module(self, loaded: LoadedModule) -> None:
        """Close a module, as Slicer does at its end or before it loads it anew."""
        self._loaded.remove(loaded)
        try:
            loaded.exit()
        finally:
            self.app.moduleManager().moduleAboutToBeUnloaded.emit(loaded.module.name)
            self._forget(loaded)
        process_events()

    @staticmethod
    def _forget(loaded: LoadedModule) -> None:
        modules, name = import_slicer().modules, loaded.module.name
        for attribute in (name.lower(), f"{name}Widget"):
            vars(modules).pop(attribute, None)
        sys.modules.pop(name, None)
        loaded.panel.forget()
        loaded.panel.delete()

    def save_scene(self, path: Path) -> None:
        """Save everything, by the menu."""
        self.session.save(path, overwrite=True)

    def load_scene(self, path: Path) -> None:
        """Replace what there is by a scene that was saved (.mrb); views and settings stay."""
        if not self.scene.ReadFromMRB(str(path), 1):
            raise AssertionError(f"{path} could not be read")
        process_events()

    def close(self) -> None:
        """Close modules, the newest first."""
        with ExitStack() as stack:
            for loaded in tuple(self._loaded):
                stack.callback(self.unload_module, loaded)


@contextmanager
def slicer_application() -> Iterator[SlicerApplication]:
    """Yield a Slicer with an empty scene; several may follow each other in one process.

    Raises:
        AssertionError: Something went wrong where no caller could see it, or a dialog that was
            expected never opened.
    """
    _start_qt()
    with ExitStack() as stack:
        session = stack.enter_context(headless_scene())
        stack.enter_context(failures)
        stack.callback(gc.collect)
        dialogs.reset()
        packaging.reset()
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossmodalseg-slicer-"))
        application = _install(session, stack, Path(folder))
        try:
            yield application
        except BaseException as error:
            for text in failures.texts:
                error.add_note(text)
            raise
        finally:
            application.close()
            _delete_all()
        failures.raise_any()
        dialogs.check_all_opened()


def _install(session: HeadlessScene, stack: ExitStack, folder: Path) -> SlicerApplication:
    slicer = import_slicer()
    qt_module.reset(folder)
    _replace(stack, sys.modules, {"qt": qt_module.qt, "ctk": qt_module.ctk})
    from Testing.scene.harness import mrml_widgets

    attributes = {name: wrapper_class(each) for name, each in mrml_widgets.CLASSES.items()}
    app = Application(session.mrml, session.application, folder)
    stack.callback(app.close)
    attributes |= {"app": app, "mrmlScene": session.mrml, "modules": Modules(session.application)}
    attributes["qSlicerScriptedLoadableModule"] = Module
    _set_attributes(stack, slicer, attributes)
    application = SlicerApplication(session, app)
    # These read `slicer.util` and node classes, and so need Slicer's libraries.
    from Testing.scene.harness import i18n, parameter_node, scripted_module

    parts = {
        "i18n": i18n,
        "packaging": packaging,
        "parameterNodeWrapper": parameter_node,
        "ScriptedLoadableModule": scripted_module,
    }
    _replace(stack, sys.modules, {f"slicer.{name}": part for name, part in parts.items()})
    _set_attributes(stack, slicer, parts)
    _set_attributes(stack, slicer.util, _utilities(application))
    _add_default_nodes(session)
    return application


def _utilities(application: SlicerApplication) -> dict[str, Any]:
    """Return what replaces the functions of `slicer.util` that need more of the application."""

    def save_scene(filename: str, properties: Any = None) -> bool:
        del properties
        application.save_scene(Path(filename))
        return True

    def load_scene(filename: str, properties: Any = None) -> bool:
        del properties
        application.load_scene(Path(filename))
        return True

    def select_module(module: Any) -> None:
        application.selected_modules.append(str(module))

    return {"saveScene": save_scene, "loadScene": load_scene, "selectModule": select_module}


def _start_qt() -> None:
    if QtWidgets.QApplication.instance() is None:
        QtWidgets.QApplication(["Slicer"])
    QtWidgets.QApplication.setStyle("Fusion")
    QtGui.QGuiApplication.setFont(QtGui.QFont(*FONT))
    QtCore.QCoreApplication.setApplicationName("Slicer")


def _import_file(name: str, path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} cannot be imported.")
    python = importlib.util.module_from_spec(specification)
    sys.modules[name] = python
    specification.loader.exec_module(python)
    return python


def _add_default_nodes(session: HeadlessScene) -> None:
    """Add the nodes of the views that the application always has."""
    for name, orientation in (("Red", "Axial"), ("Green", "Coronal"), ("Yellow", "Sagittal")):
        _add_view_node(session, "vtkMRMLSliceNode", name).SetOrientation(orientation)
        _add_view_node(session, "vtkMRMLSliceCompositeNode", name)
    _add_view_node(session, "vtkMRMLViewNode", "1")
    _add_view_node(session, "vtkMRMLCameraNode", "1")


def _add_view_node(session: HeadlessScene, class_name: str, name: str) -> Any:
    """Add a node that stays when the scene is closed."""
    node = session.mrml.CreateNodeByClass(class_name)
    node.UnRegister(None)
    node.SetSingletonTag(name)
    node.SetLayoutName(name)
    node.SetName(name)
    return session.mrml.AddNode(node)


def _replace(stack: ExitStack, place: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        before = place.get(name, _MISSING)
        place[name] = value
        undo = place.pop if before is _MISSING else place.__setitem__
        stack.callback(undo, name, *(() if before is _MISSING else (before,)))


def _set_attributes(stack: ExitStack, target: Any, values: dict[str, Any]) -> None:
    _replace(stack, vars(target), values)


def _delete_all() -> None:
    """Let Qt delete what waits to be deleted."""
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value)
    QtWidgets.QApplication.processEvents()
