"""The Compare page: choose a volume and methods, press Compare, see them side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_grid import ComparisonGrid
from CrossModalSegLib.bridge.comparison.comparison_request import reason_not_to_compare
from CrossModalSegLib.bridge.comparison.comparison_run import ComparisonOutcome, ComparisonRun
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.compare_methods import MethodsPanel
from CrossModalSegLib.widget.compare_scores_panel import ScoresPanel
from CrossModalSegLib.widget.compare_views import ViewsPanel
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.polling import Poller


class ComparePage:
    """Runs one comparison at a time and shows it.

    Args:
        widget: Made from ComparePage.ui.
        service: Worker, models, installation.
        resource: Returns the path of a .ui file by its name.
    """

    def __init__(
        self, widget: Any, service: SegmentService, resource: Callable[[str], str]
    ) -> None:
        self.ui = slicer.util.childWidgetVariables(widget)
        self._service = service
        self._parameters: Any = None
        self._observations: list[tuple[Any, int]] = []
        self._is_update_due = False
        self._is_closed = False
        self._run: ComparisonRun | None = None
        self.methods = MethodsPanel(self.ui, service.catalogue, self._update_soon)
        self.grid = ComparisonGrid(slicer.mrmlScene)
        self.message = MessageArea(self.ui, details=service.jobs.log.errors_text)
        scores_widget = slicer.util.loadUI(resource("CompareScoresPanel.ui"))
        self.ui.scoresSection.layout().addWidget(scores_widget)
        self.scores = ScoresPanel(scores_widget, on_jump=self._jump)
        self._scored: tuple[Comparison, ...] = ()
        self.views = ViewsPanel(self.ui, self.grid, self._take_shown)
        self.ui.compareButton.clicked.connect(self._compare_or_cancel)
        self._poller = Poller(self._tick)

    @property
    def is_running(self) -> bool:
        """Whether models are being run."""
        return self._run is not None and self._run.is_active

    def enter(self) -> None:
        """The user opened the module."""
        self.refresh_models()

    def exit(self) -> None:
        """The user left the module; what runs goes on, and what is shown stays."""

    def cleanup(self) -> None:
        """Let go of everything."""
        self.set_parameter_node(None)
        self._poller.stop()
        self.scores.cleanup()
        self._is_closed = True

    def refresh_models(self) -> None:
        """Look at the models again."""
        self.methods.read_catalogue()
        self._update_soon()

    def set_parameter_node(self, parameters: Any) -> None:
        """Follow a scene; None: it is being closed, and what is shown or runs for it ends."""
        before, now = (each and each.parameterNode for each in (self._parameters, parameters))
        self._stop_observing()
        if now is None or now is not before:
            if self._run is not None:
                self._run.cancel()
            self.views.set_comparisons(())
            self.message.hide()
        self._parameters = parameters
        if parameters is not None:
            scene = slicer.mrmlScene
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
                self._observations.append((scene, scene.AddObserver(event, self._on_scene)))
        self._update_soon()

    def _stop_observing(self) -> None:
        for node, tag in self._observations:
            node.RemoveObserver(tag)
        self._observations.clear()

    def _on_scene(self, _caller: object, _event: object) -> None:
        self._update_soon()

    def _update_soon(self) -> None:
        """Update once, however many things change now."""
        if not self._is_update_due:
            self._is_update_due = True
            qt.QTimer.singleShot(0, self._update)

    def _update(self) -> None:
        self._is_update_due = False
        if self._is_closed:
            return
        if self._parameters is not None:
            self.methods.update()
            self.grid.keep_others_away()
        self.views.update()
        button = self.ui.compareButton
        button.setText(_("Cancel") if self.is_running else _("Compare"))
        reason = "" if self.is_running else self._reason_not_to_compare()
        button.setEnabled(not reason)
        button.setToolTip(reason or self._explanation())
        self.ui.progressBar.setVisible(self.is_running)

    def _explanation(self) -> str:
        if self.is_running:
            return str(_("Stop; results that are there already stay."))
        return str(
            _(
                "Run the models one after another and show all methods side by side. Results of "
                "these models of an earlier comparison of the same volume are replaced."
            )
        )

    def _reason_not_to_compare(self) -> str:
        if self._parameters is None:
            return str(_("The scene is being closed."))
        request = self.methods.request()
        is_ready = not request.models or self._service.installer.check().ready
        reason = reason_not_to_compare(request, is_ready=is_ready)
        if not reason and request.models and self._service.is_busy:
            return str(_("A volume is being segmented. Wait until it is done."))
        return reason

    def _compare_or_cancel(self, *_args: object) -> None:
        if self._run is not None and self._run.is_active:
            self.ui.statusLabel.setText(_("Cancelling…"))
            self._run.cancel()
            return
        self.message.hide()
        if self._reason_not_to_compare():
            self._update()
            return
        run = ComparisonRun(self._service, on_progress=self._show_progress, on_end=self._end)
        try:
            run.start(self.methods.request(self._parameters.device))
        except CrossModalSegError as error:
            self.message.show_error(error)
        else:
            self._run = run
            self.ui.progressBar.setValue(0)
            self._poller.start()
        self._update()

    def _show_progress(self, fraction: float, text: str) -> None:
        self.ui.progressBar.setValue(round(1000 * fraction))
        self.ui.statusLabel.setText(text)

    def _end(self, outcome: ComparisonOutcome) -> None:
        if outcome.state == "cancelled":
            self.ui.statusLabel.setText(_("Cancelled; results that were there already stay."))
        else:
            self._show_outcome(outcome)
        self._update_soon()

    def _show_outcome(self, outcome: ComparisonOutcome) -> None:
        count = sum(len(each.methods) for each in outcome.comparisons)
        text = _("Done. Segmentations: {count}; volumes: {volumes}; failed: {failed}.")
        self.ui.statusLabel.setText(
            text.format(count=count, volumes=len(outcome.comparisons), failed=len(outcome.failures))
        )
        failed = [f"{each.label}, {each.volume}: {each.error}" for each in outcome.failures]
        if failed or outcome.warnings:
            self.message.show_warning("\n".join([*failed, *outcome.warnings]))
        self._try(lambda: self.views.set_comparisons(outcome.comparisons))

    def _take_shown(self, comparison: Comparison | None) -> None:
        self.ui.scoresSection.setEnabled(comparison is not None)
        if self.views.comparisons != self._scored:
            self._scored = self.views.comparisons
            self.scores.set_comparisons(self._scored, comparison)
        else:
            self.scores.set_comparison(comparison)
        if comparison is not None:
            self._poller.start()

    def _jump(self, orientation: str, index: int) -> None:
        self._try(lambda: self.views.jump(orientation, index))

    def _try(self, action: Callable[[], None]) -> None:
        """Do something with the views; say why if it cannot be done."""
        try:
            action()
        except CrossModalSegError as error:
            self.views.set_comparisons(())
            self.message.show_error(error)

    def _tick(self) -> None:
        if self.is_running and self._run is not None:
            self._run.poll()
        self._try(self.views.poll)
        if not self.is_running and self.views.shown is None:
            self._poller.stop()
