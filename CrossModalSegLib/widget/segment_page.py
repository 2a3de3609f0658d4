"""The Segment page: choose a scan and a model, press Apply, see the result."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.apply_check import ApplyState, reason_not_to_apply
from CrossModalSegLib.bridge.sample_data import SampleJob
from CrossModalSegLib.bridge.segment_run import RunOutcome, RunProgress, SegmentRequest
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.bridge.segmentations import structures_of, volume_of
from CrossModalSegLib.bridge.structure_volumes import fill_table
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.widget.input_panel import InputPanel
from CrossModalSegLib.widget.installation_panel import InstallationPanel
from CrossModalSegLib.widget.log_panel import LogPanel
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.model_panel import ModelPanel
from CrossModalSegLib.widget.options_panel import OptionsPanel
from CrossModalSegLib.widget.polling import Poller
from CrossModalSegLib.widget.result_panel import ResultPanel

TICKS_PER_LOOK = 20


class SegmentPage:
    """Keeps widgets and parameters in step and runs one segmentation at a time.

    Args:
        widget: Made from SegmentPage.ui.
        service: Worker, models, installation.
    """

    def __init__(self, widget: Any, service: SegmentService) -> None:
        self.ui = slicer.util.childWidgetVariables(widget)
        self._service = service
        self._parameters: Any = None
        self._gui_tag: Any = None
        self._observations: list[tuple[Any, int]] = []
        self._sample: SampleJob | None = None
        self._warmed = ("", "")
        self._has_asked_for_devices = False
        self._is_update_due = False
        self._ticks = 0
        self.inputs = InputPanel(self.ui, self._update_soon)
        self.model = ModelPanel(self.ui, service.catalogue, self._update_soon)
        self.options = OptionsPanel(self.ui, self._update_soon)
        self.result = ResultPanel(self.ui, self._work)
        self.log = LogPanel(self.ui, service.jobs)
        self.message = MessageArea(self.ui, details=service.jobs.log.errors_text)
        self.installation = InstallationPanel(self.ui, service, self._update_soon)
        self.ui.applyButton.clicked.connect(self._apply_or_cancel)
        self.ui.sampleButton.clicked.connect(self._make_sample)
        self._poller = Poller(self._tick)
        self.model.read_catalogue()

    def enter(self) -> None:
        """The user opened the module: look around, in the background."""
        self.installation.check()
        self.refresh_models()
        self._poller.start()

    def exit(self) -> None:
        """The user left the module; what runs goes on."""
        if not self._is_working:
            self._poller.stop()

    def cleanup(self) -> None:
        """Let go of everything."""
        self.set_parameter_node(None)
        self._poller.stop()

    def refresh_models(self) -> None:
        """Look at the models again."""
        self.model.read_catalogue()
        self._update_soon()

    def choose_model(self, name: str) -> None:
        """Choose a model that was trained or imported just now, whatever was filtered for."""
        self.refresh_models()
        parameters = self._parameters
        card = next((card for card in self.model.cards if card.name == name), None)
        if parameters is None or card is None:
            return
        parameters.modality, parameters.task = card.target_modality.name, card.task.name
        parameters.model = name

    def set_parameter_node(self, parameters: Any) -> None:
        """Show and change the parameters of a scene; None: the scene is being closed.

        What runs for the scene before is stopped.
        """
        before, now = (each and each.parameterNode for each in (self._parameters, parameters))
        self._stop_observing()
        if now is None or now is not before:
            self._service.cancel()
            if self._sample is not None:
                self._sample.cancel()
        self._parameters = parameters
        for panel in (self.inputs, self.model, self.options, self.result):
            panel.set_parameters(parameters)
        if parameters is None:
            self.result.clear()
            self.message.hide()
        else:
            self._observe_scene()
        self._update()

    def _observe_scene(self) -> None:
        parameters = self._parameters
        # Not by connectGui: that gives no tag by which it could be undone.
        named = {each.property("SlicerParameterName"): each for each in vars(self.ui).values()}
        bound = {name: widget for name, widget in named.items() if name}
        self._gui_tag = parameters.connectParametersToGui(bound)
        self._observe(parameters.parameterNode, "ModifiedEvent")
        self._observe(slicer.mrmlScene, slicer.vtkMRMLScene.NodeRemovedEvent)
        if parameters.inputVolume is None:
            parameters.inputVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")

    @property
    def _is_working(self) -> bool:
        is_sampling = self._sample is not None and self._sample.is_active
        is_busy = self._service.is_busy or self.result.is_busy
        return is_busy or is_sampling or bool(self._service.jobs.active_jobs)

    def _observe(self, node: Any, event: Any) -> None:
        tag = node.AddObserver(event, self._on_event)
        self._observations.append((node, tag))

    def _on_event(self, _caller: object, _event: object) -> None:
        self._update_soon()

    def _stop_observing(self) -> None:
        for node, tag in self._observations:
            node.RemoveObserver(tag)
        self._observations.clear()
        if self._parameters is not None and self._gui_tag is not None:
            self._parameters.disconnectGui(self._gui_tag)
        self._gui_tag = None

    def _update_soon(self) -> None:
        """Update once, however many things change now."""
        if not self._is_update_due:
            self._is_update_due = True
            qt.QTimer.singleShot(0, self._update)

    def _update(self) -> None:
        self._is_update_due = False
        has_scene = self._parameters is not None
        if has_scene:
            self.inputs.update(self.model.cards, self.model.chosen)
            self._protect_result()
            self.model.update()
            self.inputs.update(self.model.cards, self.model.chosen)
            self.options.update(self.model.chosen)
            self.result.update()
            self._warm_up()
        self._update_apply()

    def _protect_result(self) -> None:
        """Never update the result of one volume with that of another."""
        parameters = self._parameters
        output = parameters.outputSegmentation
        if output is None or output is not parameters.lastSegmentation:
            return
        if volume_of(output) is not parameters.inputVolume:
            parameters.outputSegmentation = None

    def _update_apply(self) -> None:
        button = self.ui.applyButton
        is_busy = self._service.is_busy
        button.setText(_("Cancel") if is_busy else _("Apply"))
        reason = "" if is_busy else self._reason_not_to_apply()
        button.setEnabled(not reason)
        button.setToolTip(reason or (_("Stop; the scene stays as it was.") if is_busy else ""))
        self.ui.progressBar.setVisible(self._service.is_busy or self._is_sampling)
        self.ui.sampleButton.setEnabled(self._parameters is not None and not self._is_sampling)

    @property
    def _is_sampling(self) -> bool:
        return self._sample is not None and self._sample.is_active

    def _reason_not_to_apply(self) -> str:
        if self._parameters is None:
            return str(_("The scene is being closed."))
        model = self.model.chosen
        state = ApplyState(
            is_ready=self.installation.is_ready,
            volumes=self.inputs.volumes,
            modality=self._parameters.modality,
            model=model,
            structures=self.options.kept_structures(model) if model is not None else (),
        )
        return reason_not_to_apply(state)

    def _apply_or_cancel(self, *_args: object) -> None:
        if self._service.is_busy:
            self.ui.statusLabel.setText(_("Cancelling…"))
            self._service.cancel()
            return
        self.message.hide()
        model, parameters = self.model.chosen, self._parameters
        if model is None or self._reason_not_to_apply():
            self._update()
            return
        kept = self.options.kept_structures(model)
        request = SegmentRequest(
            model=model.name,
            model_title=model.title,
            device=parameters.device,
            with_uncertainty=parameters.withUncertainty,
            with_quality=parameters.withQuality,
            structures=() if len(kept) == len(structures_of(model.task)) else kept,
            modality=parameters.modality,
            with_surfaces=parameters.showIn3D,
        )
        volumes = self.inputs.volumes[: len(model.input_modalities)]
        try:
            self._service.begin(
                volumes,
                request,
                output_node=parameters.outputSegmentation,
                roi_node=parameters.regionOfInterest,
                callbacks=(self._show_progress, self._end),
            )
        except CrossModalSegError as error:
            self.message.show_error(error)
        self.ui.progressBar.setValue(0)
        self._poller.start()
        self._update_apply()

    def _show_progress(self, progress: RunProgress) -> None:
        self.ui.progressBar.setValue(round(1000 * progress.fraction))
        text = progress.message
        if progress.eta_seconds is not None and progress.eta_seconds >= 1:
            text += _(" (about {seconds:.0f} s left)").format(seconds=progress.eta_seconds)
        self.ui.statusLabel.setText(text)

    def _end(self, outcome: RunOutcome) -> None:
        if outcome.error is not None:
            self.ui.statusLabel.setText(_("It did not work; the scene is as it was."))
            self.message.show_error(outcome.error)
        elif outcome.state == "done":
            self._keep(outcome)
        else:
            self.ui.statusLabel.setText(_("Cancelled; the scene is as it was."))
        self._update()

    def _keep(self, outcome: RunOutcome) -> None:
        parameters = self._parameters
        parameters.lastSegmentation = outcome.segmentation_node
        parameters.outputSegmentation = (
            outcome.segmentation_node if parameters.updateResult else None
        )
        parameters.volumesTable = fill_table(
            parameters.volumesTable, outcome.volumes, outcome.segmentation_node
        )
        if outcome.warnings:
            texts = (f"{warning.message} {warning.hint}" for warning in outcome.warnings)
            self.message.show_warning("\n".join(text.strip() for text in texts))
        text = _("Done in {seconds:.1f} s.").format(seconds=outcome.seconds)
        self.ui.statusLabel.setText(text)
        self.result.show_quality(outcome.predicted_dice)
        self.result.show()

    def _make_sample(self, *_args: object) -> None:
        self.message.hide()
        self._sample = SampleJob(on_progress=self._show_progress, on_end=self._end_sample)
        self._sample.start()
        self._poller.start()
        self._update_apply()

    def _end_sample(self, outcome: Any) -> None:
        if outcome.error is not None:
            self.message.show_error(outcome.error)
            self.ui.statusLabel.setText("")
        elif outcome.volume_node is not None and self._parameters is not None:
            self._parameters.inputVolume = outcome.volume_node
            self.ui.statusLabel.setText(_("The sample is in the scene. Press Apply."))
        self._update()

    def _warm_up(self) -> None:
        """Let the worker load the chosen model while the user is still looking."""
        model = self.model.chosen
        if model is None or not self.installation.is_ready or self._service.is_busy:
            return
        if not self._has_asked_for_devices:
            self._has_asked_for_devices = True
            self._service.jobs.submit("devices", {}, self._take_devices)
        wanted = (model.name, self._parameters.device)
        if wanted != self._warmed:
            self._warmed = wanted
            arguments = {"model": model.name, "device": self._parameters.device}
            self._service.jobs.submit("warm_up", arguments, self._ignore)
            self._poller.start()

    def _take_devices(self, event: Event) -> None:
        if event["event"] == "done":
            self.options.show_devices(event["summary"])

    def _ignore(self, event: Event) -> None:
        """A model that cannot be warmed up says why when it is applied."""

    def _work(self) -> None:
        self._poller.start()

    def _tick(self) -> None:
        self._service.poll()
        self.result.poll()
        if self._is_sampling and self._sample is not None:
            self._sample.poll()
        self._ticks += 1
        if self._ticks % TICKS_PER_LOOK == 0:
            self.log.update()
            if self.installation.is_verifying:
                self.installation.check()
                self._update_soon()
