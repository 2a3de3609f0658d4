"""The tabs of the module and what they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.widget.models_page import ModelsPage
from CrossModalSegLib.widget.segment_page import SegmentPage


class Pages:
    """Segment and Models.

    Args:
        widget: Made from CrossModalSeg.ui.
        service: Worker, models, installation.
        resource: Returns the path of a .ui file by its name.
    """

    def __init__(
        self, widget: Any, service: SegmentService, resource: Callable[[str], str]
    ) -> None:
        self.ui = slicer.util.childWidgetVariables(widget)
        segment_widget = self._load(resource("SegmentPage.ui"), self.ui.segmentTab)
        models_widget = self._load(resource("ModelsPage.ui"), self.ui.modelsTab)
        self.segment = SegmentPage(segment_widget, service)
        self.models = ModelsPage(
            models_widget, service.catalogue, on_changed=self.segment.refresh_models
        )

    def set_parameter_node(self, parameters: Any) -> None:
        """Show and change the parameters of a scene; None: of no scene, while one is closed."""
        self.segment.set_parameter_node(parameters)

    def enter(self) -> None:
        """The user opened the module."""
        self.segment.enter()
        self.models.refresh()

    def exit(self) -> None:
        """The user left the module."""
        self.segment.exit()

    def cleanup(self) -> None:
        """Let go of everything."""
        self.segment.cleanup()
        self.models.cleanup()

    @staticmethod
    def _load(path: str, tab: Any) -> Any:
        widget = slicer.util.loadUI(path)
        if hasattr(widget, "setMRMLScene"):
            widget.setMRMLScene(slicer.mrmlScene)
        tab.layout().addWidget(widget)
        return widget
