"""`slicer.ScriptedLoadableModule`: what scripted modules derive from.

After the developer guide: the module's class gets a parent with path and texts; the widget's gets
one with a layout and a scene, `setup` builds it, `enter` and `exit` follow the user, `cleanup`
comes before the module is unloaded; the logic keeps one parameter node in each scene.
"""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N802, N803

from __future__ import annotations

import logging
import unittest
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtGui

from Testing.scene.harness.qt_module import qt


class ScriptedLoadableModule:
    """The module's place in Slicer."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        icon = Path(parent.path).parent / "Resources" / "Icons" / f"{self.moduleName}.png"
        if icon.is_file():
            parent.icon = QtGui.QIcon(str(icon))

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file in the module's folder Resources."""
        return _resource(self.parent.path, filename)


class ScriptedLoadableModuleWidget:
    """The module's panel.

    Attributes:
        layout: Of the parent, a vertical box.
        developerMode: Whether the panel offers to reload itself.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        is_alone = parent is None
        self.parent = _lone_parent() if parent is None else parent
        self.layout = self.parent.layout()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )
        if is_alone:
            self.setup()
            self.parent.show()

    def resourcePath(self, filename: str) -> str:
        """Return the path of a file in the module's folder Resources."""
        return _resource(slicer.util.modulePath(self.moduleName), filename)

    def setup(self) -> None:
        """Build the panel."""

    def cleanup(self) -> None:
        """Let go of everything, before the module is unloaded."""

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )


class ScriptedLoadableModuleLogic:
    """What the module does without a panel.

    Attributes:
        isSingletonParameterNode: Whether a scene has one parameter node of this module at most.
    """

    def __init__(self, parent: Any = None) -> None:
        del parent
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """Return the scene's parameter node of this module; make one if there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                # Closing the scene takes the attribute away.
                if node.GetAttribute("ModuleName") != self.moduleName:
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            nodes = self.getAllParameterNodes()
            if nodes:
                return nodes[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """Return all parameter nodes of this module in the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """Make a parameter node that is not in the scene yet."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Tests that users can run inside Slicer."""

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        self.messageDelay = 0
        self.enableScreenshots = False

    def delayDisplay(
        self, message: str, requestedDelay: int | None = None, msec: int | None = None
    ) -> None:
        """Show a message for a while; here it is logged."""
        del requestedDelay, msec
        logging.getLogger(__name__).info("%s", message)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:  # noqa: A002
        """Take a picture of the application, if that is wanted; here it never is."""
        del name, description, type

    def runTest(self) -> None:
        """Run the tests."""


def _resource(module_path: str, filename: str) -> str:
    return str(Path(module_path).parent / "Resources" / filename)


def _lone_parent() -> Any:
    parent = slicer.qMRMLWidget()
    parent.setLayout(qt.QVBoxLayout())
    parent.setMRMLScene(slicer.mrmlScene)
    return parent
