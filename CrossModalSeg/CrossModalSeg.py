"""The CrossModalSeg module of 3D Slicer: its place in Slicer, its parameters, its scripting entry.

Work is done in CrossModalSegLib, which lies beside this file. Nothing of it is imported before the
module is opened, and no third-party package is needed to open it.
"""

# Annotations stay evaluated here: Slicer reads those of the parameter node.

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer import (
    vtkMRMLMarkupsROINode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
)
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from CrossModalSegLib.bridge.segment_run import RunOutcome, SegmentRun
    from CrossModalSegLib.bridge.segment_service import SegmentService


class CrossModalSeg(ScriptedLoadableModule):
    """Name, place and help of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CrossModalSeg")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = []
        self.parent.contributors = ["CrossModalSeg contributors"]
        self.parent.helpText = _(
            "Segments a modality for which nobody has labels, with models that were adapted from "
            "another modality: brain tumours, the substructures of the heart, abdominal organs. "
            "For research use only."
        )
        self.parent.acknowledgementText = _(
            "Unsupervised cross-modality domain adaptation after BiGL (He et al.), DSAN (Han et "
            "al.) and GLUA (Su et al.)."
        )


@parameterNodeWrapper
class CrossModalSegParameterNode:
    """What is saved with the scene."""

    inputVolume: vtkMRMLScalarVolumeNode
    secondVolume: vtkMRMLScalarVolumeNode
    thirdVolume: vtkMRMLScalarVolumeNode
    fourthVolume: vtkMRMLScalarVolumeNode
    outputSegmentation: vtkMRMLSegmentationNode
    lastSegmentation: vtkMRMLSegmentationNode
    volumesTable: vtkMRMLTableNode
    regionOfInterest: vtkMRMLMarkupsROINode
    modality: str = ""
    task: str = ""
    model: str = ""
    device: str = "auto"
    leftOutStructures: str = ""
    withUncertainty: bool = False
    withQuality: bool = False
    showIn3D: bool = True
    updateResult: bool = True


class CrossModalSegWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel: a tab for each page."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: CrossModalSegLogic | None = None
        self.pages: Any = None

    def setup(self) -> None:
        """Build the panel when it is opened for the first time."""
        ScriptedLoadableModuleWidget.setup(self)
        from CrossModalSegLib.widget.pages import Pages

        widget = slicer.util.loadUI(self.resourcePath("UI/CrossModalSeg.ui"))
        self.layout.addWidget(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = CrossModalSegLogic()
        self.pages = Pages(widget, self.logic.service, lambda name: self.resourcePath(f"UI/{name}"))
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self._takeParameterNode()

    def cleanup(self) -> None:
        """End all processes and let go of the scene, when the module is closed or reloaded."""
        self.removeObservers()
        if self.pages is not None:
            self.pages.cleanup()
            self.pages = None
        if self.logic is not None:
            self.logic.shutdown()
            self.logic = None

    def enter(self) -> None:
        """The user opened the module."""
        self._takeParameterNode()
        if self.pages is not None:
            self.pages.enter()

    def exit(self) -> None:
        """The user left the module; a segmentation goes on."""
        if self.pages is not None:
            self.pages.exit()

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        """Let go of nodes that are about to be deleted; what runs is stopped."""
        if self.pages is not None:
            self.pages.set_parameter_node(None)

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        """Start afresh with the new scene, or with what a loaded one has saved."""
        self._takeParameterNode()

    def _takeParameterNode(self) -> None:
        if self.pages is None or self.logic is None or slicer.mrmlScene.IsClosing():
            return
        self.pages.set_parameter_node(self.logic.getParameterNode())


class CrossModalSegLogic(ScriptedLoadableModuleLogic):
    """The scripting entry.

    Example:
        from CrossModalSeg import CrossModalSegLogic
        logic = CrossModalSegLogic()
        segmentation = logic.segment(volumeNode, model="cardiac_ct_to_mr_bssfp_dsan")
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._service: SegmentService | None = None
        self._poller: Any = None

    @property
    def service(self) -> "SegmentService":
        """Worker, models and installation."""
        if self._service is None:
            from CrossModalSegLib.bridge.segment_service import SegmentService

            self._service = SegmentService()
        return self._service

    def getParameterNode(self) -> CrossModalSegParameterNode:
        """Return the module's parameters in the present scene."""
        node = super().getParameterNode()
        return CrossModalSegParameterNode(node)  # type: ignore[call-arg]  # made by the decorator

    def models(self) -> list[str]:
        """Return the names of the models that can be used."""
        return [card.name for card in self.service.catalogue.matching()]

    def segment(
        self,
        volumeNode: Any,
        model: str,
        *,
        additionalVolumeNodes: "Sequence[Any]" = (),
        outputNode: Any = None,
        regionOfInterestNode: Any = None,
        device: str = "auto",
        structures: "Sequence[str]" = (),
        uncertainty: bool = False,
        quality: bool = False,
        flips: "Sequence[str]" = (),
        blocking: bool = True,
        onEnd: "Callable[[RunOutcome], None] | None" = None,
    ) -> Any:
        """Segment a volume node.

        Args:
            volumeNode: The scan. Any orientation and spacing.
            model: A name out of `models()`.
            additionalVolumeNodes: Further inputs of multi-modal models, in the model's order.
            outputNode: Segmentation node to replace; None: a new one.
            regionOfInterestNode: Markups box outside of which nothing is segmented.
            device: "auto", "cuda", "mps" or "cpu".
            structures: Names of those to keep; none given: all.
            uncertainty: Also make an uncertainty map.
            quality: Also say how good the result probably is, in the outcome's summary and, where
                it is poor, among its warnings.
            flips: Axes along which slices are mirrored, too ("left-right" for brains).
            blocking: Return when the result is there. Otherwise return at once.
            onEnd: Called with the outcome of a run that does not block.

        Returns:
            The segmentation node; of a run that does not block the `SegmentRun`, which has
            `is_active` and `cancel()`.

        Raises:
            CrossModalSegError: The message says what was wrong and what to do.
        """
        from CrossModalSegLib.bridge.segment_run import SegmentRequest

        request = SegmentRequest(
            model=model,
            model_title=self.service.model(model).title,
            device=device,
            structures=tuple(structures),
            with_uncertainty=uncertainty,
            with_quality=quality,
            flips=tuple(flips),
        )
        volumes = [volumeNode, *additionalVolumeNodes]
        if blocking:
            outcome = self.service.segment_and_wait(
                volumes, request, output_node=outputNode, roi_node=regionOfInterestNode
            )
            return outcome.segmentation_node
        return self._begin(volumes, request, (outputNode, regionOfInterestNode), onEnd)

    def shutdown(self) -> None:
        """End the worker and its processes."""
        if self._poller is not None:
            self._poller.stop()
        if self._service is not None:
            self._service.shutdown()

    def _begin(
        self,
        volumes: list[Any],
        request: Any,
        nodes: tuple[Any, Any],
        onEnd: "Callable[[RunOutcome], None] | None",
    ) -> "SegmentRun":
        from CrossModalSegLib.widget.polling import Poller

        def end(outcome: "RunOutcome") -> None:
            self._poller.stop()
            if outcome.error is not None:
                logging.getLogger(__name__).error("%s", outcome.error)
            if onEnd is not None:
                onEnd(outcome)

        self._poller = Poller(self.service.poll)
        run = self.service.begin(
            volumes,
            request,
            output_node=nodes[0],
            roi_node=nodes[1],
            callbacks=(lambda _progress: None, end),
        )
        self._poller.start()
        return run


class CrossModalSegTest(ScriptedLoadableModuleTest):
    """Runs the self-test that lies beside the module, from Slicer's own test button."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Segment a phantom and check where the result lies."""
        self.setUp()
        self.test_the_module_opens_and_lists_models()

    def test_the_module_opens_and_lists_models(self) -> None:
        """The library is found, and a model is there."""
        logic = CrossModalSegLogic()
        self.assertTrue(logic.models())
        self.assertTrue(Path(__file__).with_name("Resources").is_dir())
        logic.shutdown()
