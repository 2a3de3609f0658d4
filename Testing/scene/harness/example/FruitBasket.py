"""An invented scripted module, written as the guide says, for the tests of the harness."""

import enum
import time
from typing import Annotated, Any

import ctk
import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Colour(enum.Enum):
    """Of a fruit."""

    RED = 1
    GREEN = 2


class FruitBasket(ScriptedLoadableModule):  # type: ignore[misc]
    """Its place in Slicer."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Fruit basket")


@parameterNodeWrapper
class FruitBasketParameterNode:
    """What is saved with the scene."""

    volume: vtkMRMLScalarVolumeNode
    name: str = "apple"
    is_ripe: bool = True
    count: Annotated[int, WithinRange(0, 10)] = 3
    weight: Annotated[float, WithinRange(0, 2)] = 0.5
    size: Annotated[str, Choice(["small", "large"])] = "large"
    colour: Colour = Colour.GREEN
    marks: list[int]


class FruitBasketWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # type: ignore[misc]
    """Its panel."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.said: list[str] = []

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/FruitBasket.ui"))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.logic = FruitBasketLogic()
        self.ui.eatButton.clicked.connect(self.eat)
        self.ui.waitButton.connect("clicked()", lambda: time.sleep(0.15))
        self.extra = ctk.ctkCollapsibleButton()
        self.extra.text = "More"
        self.layout.addWidget(self.extra)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.on_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.on_end_close)
        self.connect_parameters()

    def connect_parameters(self) -> None:
        """Bind the widgets to the scene's parameters."""
        wrapper: Any = FruitBasketParameterNode
        self.parameters = wrapper(self.logic.getParameterNode())
        named = {
            widget.property("SlicerParameterName"): widget
            for widget in vars(self.ui).values()
            if widget.property("SlicerParameterName")
        }
        self.tag = self.parameters.connectParametersToGui(named)

    def on_start_close(self, caller: Any, event: Any) -> None:
        """Let go of the parameters."""
        del caller, event
        self.parameters.disconnectGui(self.tag)

    def on_end_close(self, caller: Any, event: Any) -> None:
        """Take the parameters of the new scene."""
        del caller, event
        self.connect_parameters()

    def eat(self) -> None:
        """Ask, then eat."""
        if slicer.util.confirmOkCancelDisplay(f"Eat the {self.parameters.name}?"):
            self.parameters.count -= 1
            slicer.util.showStatusMessage("Eaten.")
            qt.QTimer.singleShot(0, lambda: self.said.append("yum"))

    def enter(self) -> None:
        """The user came."""
        self.said.append("enter")

    def exit(self) -> None:
        """The user left."""
        self.said.append("exit")

    def cleanup(self) -> None:
        """Let go of everything."""
        self.said.append("cleanup")
        self.removeObservers()
        self.parameters.disconnectGui(self.tag)


class FruitBasketLogic(ScriptedLoadableModuleLogic):  # type: ignore[misc]
    """Keeps the parameter node."""
