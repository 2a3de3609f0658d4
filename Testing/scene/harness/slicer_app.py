"""`slicer.app` and `slicer.modules`: the part of the application that scripted modules talk to."""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N802, N815

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.scene.harness.pythonqt import wrap, wrapper_class
from Testing.scene.harness.qt_module import QSettings

VERSION = (5, 12, 0)
LOGICS = ("Colors", "Segmentations", "SubjectHierarchy", "Volumes")
"""Modules of Slicer that are there with their logic."""


class _Emitter(QtCore.QObject):
    """Signals of the application and of its parts."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    lastWindowClosed = QtCore.Signal()
    mrmlSceneChanged = QtCore.Signal(object)
    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)
    layoutChanged = QtCore.Signal(int)


class _Speaking:
    """Something that has signals, connected by signature or by name."""

    def __init__(self) -> None:
        self._emitter = wrap(_Emitter())

    def connect(self, signature: str, target: Callable[..., Any]) -> bool:
        """Call `target` whenever a signal is sent."""
        return bool(self._emitter.connect(signature, target))

    def disconnect(self, signature: str, target: Callable[..., Any]) -> bool:
        """Call it no more."""
        return bool(self._emitter.disconnect(signature, target))


class ModuleManager(_Speaking):
    """What loads and unloads modules: qSlicerModuleManager."""

    @property
    def moduleAboutToBeUnloaded(self) -> Any:
        """Sent with a module's name before it goes."""
        return self._emitter.moduleAboutToBeUnloaded

    def module(self, name: str) -> Any:
        """Return a module by its name, or None."""
        import slicer

        return getattr(slicer.modules, name.lower(), None)

    def loadedModulesNames(self) -> list[str]:
        """Return the names of the modules that are there."""
        import slicer

        known = vars(slicer.modules).values()
        return [module.name for module in known if isinstance(module, Module)]


class ViewWidget:
    """A view of the application, as far as modules use it: its window and the node behind it.

    Args:
        view: A view of `CrossModalSegLib.bridge.views`.
    """

    def __init__(self, view: Any) -> None:
        self._view = view
        self.num_scheduled = 0
        """How often it was asked to be drawn. Only in this harness."""

    def sliceView(self) -> Any:
        """Return what draws slices; here the same object."""
        return self

    threeDView = sliceView

    def mrmlViewNode(self) -> Any:
        """Return the node of a 3D view."""
        return self._view.node

    def renderWindow(self) -> Any:
        """Return its window."""
        return self._view.window

    def scheduleRender(self) -> None:
        """Draw it soon; tests draw views themselves."""
        self.num_scheduled += 1


class LayoutManager(_Speaking):
    """Views, as nodes of the scene: qSlicerLayoutManager. Tests say which of them have windows.

    Attributes:
        layout: Number of the arrangement.
        resets: What was asked to be reset, in order: "slices" or "3D".
    """

    def __init__(self, scene: Any) -> None:
        super().__init__()
        self._scene = scene
        self.layout = 3
        self.resets: list[str] = []
        self._slices: dict[str, ViewWidget] = {}
        self._surfaces: list[ViewWidget] = []

    def take_views(self, slices: Iterable[Any], surfaces: Iterable[Any] = ()) -> None:
        """Let these views be the application's. Only in this harness."""
        self._slices = {view.node.GetLayoutName(): ViewWidget(view) for view in slices}
        self._surfaces = [ViewWidget(view) for view in surfaces]

    def sliceWidget(self, name: str) -> ViewWidget | None:
        """Return a slice view by its layout name."""
        return self._slices.get(name)

    @property
    def threeDViewCount(self) -> int:
        """How many 3D views there are."""
        return len(self._surfaces)

    def threeDWidget(self, index: int) -> ViewWidget:
        """Return a 3D view."""
        return self._surfaces[index]

    def sliceViewNames(self) -> list[str]:
        """Return the layout names of slice views."""
        count = self._scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")
        nodes = [self._scene.GetNthNodeByClass(index, "vtkMRMLSliceNode") for index in range(count)]
        return [node.GetLayoutName() for node in nodes]

    def setLayout(self, layout: int) -> None:
        """Arrange the views."""
        self.layout = layout
        self._emitter.layoutChanged(layout)

    def resetSliceViews(self) -> None:
        """Fit slices to what they show."""
        self.resets.append("slices")

    def resetThreeDViews(self) -> None:
        """Fit 3D views to what they show."""
        self.resets.append("3D")


class Application(_Speaking):
    """qSlicerApplication, as far as modules use it.

    Attributes:
        applicationName: As in its title.
        applicationVersion: With three numbers.
        temporaryPath: Folder for temporary files.
    """

    applicationName = "Slicer"
    applicationVersion = ".".join(map(str, VERSION))
    majorVersion, minorVersion = VERSION[:2]
    revision = "0"
    repositoryRevision = "0"
    platform = "offscreen"
    startupFinished = True

    def __init__(self, scene: Any, logic: Any, folder: Path) -> None:
        super().__init__()
        self._logic = logic
        self._scene = scene
        self._modules = ModuleManager()
        self._layout = LayoutManager(scene)
        self._window = wrap(QtWidgets.QMainWindow())
        self._window.setObjectName("qSlicerMainWindow")
        self._window.statusBar()
        self.temporaryPath = str(folder)
        self.slicerHome = str(folder / "Slicer")
        self.slicerUserSettingsFilePath = QSettings().fileName()

    @property
    def startupCompleted(self) -> Any:
        """Sent when all modules are loaded."""
        return self._emitter.startupCompleted

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._scene

    def applicationLogic(self) -> Any:
        """Return the logic that knows the others."""
        return self._logic

    def moduleManager(self) -> ModuleManager:
        """Return what loads modules."""
        return self._modules

    def layoutManager(self) -> LayoutManager:
        """Return what arranges views."""
        return self._layout

    def topLevelWidgets(self) -> list[Any]:
        """Return the windows, the main window first."""
        return [self._window]

    def testingEnabled(self) -> bool:
        """Tell that messages are shown, as to a user; the test answers them."""
        return False

    def commandOptions(self) -> Any:
        """Return the options of the command line."""
        raise NotImplementedError("The harness has no command line.")

    def settings(self) -> Any:
        """Return the settings."""
        return wrapper_class(QSettings)()

    userSettings = revisionUserSettings = settings

    def processEvents(self) -> None:
        """Let Qt work."""
        QtWidgets.QApplication.processEvents()

    def setOverrideCursor(self, cursor: Any) -> None:
        """Show another cursor."""
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        """Show the usual cursor again."""
        QtWidgets.QApplication.restoreOverrideCursor()

    def clipboard(self) -> Any:
        """Return the clipboard."""
        return wrap(QtWidgets.QApplication.clipboard())

    def documentationVersion(self) -> str:
        """Return the version of the documentation."""
        return "5.12"

    def pauseRender(self) -> None:
        """Draw no views for now; there are none."""

    def resumeRender(self) -> None:
        """Draw views again."""

    def close(self) -> None:
        """Take the application down."""
        self._window.delete()


class Module:
    """What `slicer.modules.<name>` is, and what a scripted module gets as its parent.

    Attributes:
        name: Of the class in the file.
        path: Of the file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = str(path)
        self.title = name
        self.categories: list[str] = []
        self.dependencies: list[str] = []
        self.contributors: list[str] = []
        self.helpText = ""
        self.acknowledgementText = ""
        self.icon: Any = None
        self.hidden = False
        self.widgetRepresentationCreationEnabled = True
        self._representation: Any = None

    def widgetRepresentation(self) -> Any:
        """Return the module's panel, whose `self()` is the object written in Python."""
        return self._representation

    def take_representation(self, representation: Any) -> None:
        """Keep the panel. Only in this harness."""
        self._representation = representation


class LogicModule:
    """A module of Slicer's own, of which there is its logic alone."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> Any:
        """Return what the module does without a panel."""
        return self._logic


class Modules:
    """`slicer.modules`: one attribute for each module, in lower case."""

    def __init__(self, application: Any) -> None:
        for name in LOGICS:
            setattr(self, name.lower(), LogicModule(name, application.GetModuleLogic(name)))
