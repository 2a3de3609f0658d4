"""The tabs of the module and what they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer

from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.widget.compare_page import ComparePage
from CrossModalSegLib.widget.models_page import ModelsPage
from CrossModalSegLib.widget.segment_page import SegmentPage
from CrossModalSegLib.widget.train_page import TrainPage


class Pages:
    """Segment, Train, Compare and Models.

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
        compare_widget = self._load(resource("ComparePage.ui"), self.ui.compareTab)
        models_widget = self._load(resource("ModelsPage.ui"), self.ui.modelsTab)
        train_widget = self._load(resource("TrainPage.ui"), self.ui.trainTab)
        self.segment = SegmentPage(segment_widget, service)
        self.compare = ComparePage(compare_widget, service, resource)
        self.models = ModelsPage(models_widget, service.catalogue, on_changed=self._refresh_models)
        self.train = TrainPage(train_widget, service, resource, self._use)
        self._is_training_open = False
        self.ui.pages.currentChanged.connect(lambda _index: self._open_training())

    def set_parameter_node(self, parameters: Any) -> None:
        """Show and change the parameters of a scene; None: of no scene, while one is closed."""
        self.segment.set_parameter_node(parameters)
        self.compare.set_parameter_node(parameters)

    def enter(self) -> None:
        """The user opened the module."""
        self.segment.enter()
        self.compare.enter()
        self.models.refresh()
        self._open_training()

    def exit(self) -> None:
        """The user left the module."""
        self.segment.exit()
        self.compare.exit()
        self._leave_training()

    def cleanup(self) -> None:
        """Let go of everything."""
        self.segment.cleanup()
        self.compare.cleanup()
        self.models.cleanup()
        self.train.cleanup()

    def _open_training(self) -> None:
        """Look at data and runs while the tab is open; in the others nobody has to wait for it."""
        is_open = self.ui.pages.currentWidget() == self.ui.trainTab
        if is_open and not self._is_training_open:
            self._is_training_open = True
            self.train.enter()
        elif not is_open:
            self._leave_training()

    def _leave_training(self) -> None:
        if self._is_training_open:
            self._is_training_open = False
            self.train.exit()

    def _use(self, bundle: Path) -> None:
        """Import a model that was trained here and choose it on the Segment page."""

        def show(name: str) -> None:
            self.segment.choose_model(name)
            self.ui.pages.setCurrentWidget(self.ui.segmentTab)

        self.models.add(bundle, show)

    def _refresh_models(self) -> None:
        """The models of this computer are not those of before."""
        self.segment.refresh_models()
        self.compare.refresh_models()

    @staticmethod
    def _load(path: str, tab: Any) -> Any:
        widget = slicer.util.loadUI(path)
        if hasattr(widget, "setMRMLScene"):
            widget.setMRMLScene(slicer.mrmlScene)
        tab.layout().addWidget(widget)
        return widget
