"""Numbers and exports of the Compare page: scores, disagreement, figure, tables, report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.comparison.agreement_map import map_of, place_map, show_map
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_scores import (
    MeasuredCase,
    Measurement,
    measure,
)
from CrossModalSegLib.bridge.comparison.score_table import ScoreRow, fill_table
from CrossModalSegLib.bridge.comparison.stepped_job import SteppedJob, Steps
from CrossModalSegLib.bridge.planes import ORIENTATIONS
from CrossModalSegLib.core.errors import Cancelled, CrossModalSegError
from CrossModalSegLib.widget.compare_exports import ExportButtons
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.polling import Poller
from CrossModalSegLib.widget.scores_table import ScoresTable

STALE_MILLISECONDS = 1000
"""Between two looks at whether segmentations were changed."""


class ScoresPanel:
    """Measures what is compared, shows it and saves it.

    Args:
        ui_widget: Made from CompareScoresPanel.ui.
        on_jump: Called with "axial", "coronal" or "sagittal" and the index of a slice along the
            voxel axis of the compared volume that is nearest to the slices' normal.
    """

    def __init__(self, ui_widget: Any, on_jump: Callable[[str, int], None]) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self._on_jump = on_jump
        self._comparisons: tuple[Comparison, ...] = ()
        self._shown: Comparison | None = None
        self._measurement: Measurement | None = None
        self.job = SteppedJob(on_stage=self.ui.busyLabel.setText)
        self.message = MessageArea(self.ui, details=self.job.log.errors_text)
        self._poller = Poller(self._poll)
        self._stale_poller = Poller(self._look_for_changes, STALE_MILLISECONDS)
        self.table = ScoresTable(
            self.ui.scoresTable,
            on_sort=self._fill_table_node,
            on_open=self._jump_to_row,
            on_select=self._update,
        )
        self.exports = ExportButtons(self.ui, self)
        self._fill_boxes()
        self._connect()
        self._update()

    @property
    def is_busy(self) -> bool:
        """Whether something is measured or written."""
        return self.job.is_active

    @property
    def measurement(self) -> Measurement | None:
        """What was measured of the present comparisons, changed since or not."""
        return self._measurement

    @property
    def measured_case(self) -> MeasuredCase | None:
        """What was measured of the comparison that is shown."""
        if self._measurement is None or self._shown is None:
            return None
        return self._measurement.case_of(self._shown)

    def set_comparison(self, comparison: Comparison | None) -> None:
        """Show the numbers of a comparison; one of several volumes keeps those of the others."""
        if comparison is None:
            self.set_comparisons((), None)
        elif any(each is comparison for each in self._comparisons):
            self._show(comparison)
        else:
            self.set_comparisons((comparison,), comparison)

    def set_comparisons(
        self, comparisons: Sequence[Comparison], shown: Comparison | None = None
    ) -> None:
        """Take all volumes that methods are compared on.

        Args:
            comparisons: Of one task; one for each volume.
            shown: The one that views show; None: the first.
        """
        self._forget()
        self._comparisons = tuple(comparisons)
        self.message.hide()
        self._show(shown or next(iter(comparisons), None))
        if self._comparisons:
            self._stale_poller.start()
        else:
            self._stale_poller.stop()

    def cleanup(self) -> None:
        """Let go of everything; what is being written is finished first."""
        self._stale_poller.stop()
        self._poller.stop()
        self.job.shutdown()
        self._comparisons, self._shown = (), None
        self._drop_measurement()

    def begin(self, steps: Steps[Any], on_result: Callable[[Any], None]) -> None:
        """Start a job unless another one runs; what goes wrong is shown."""
        if self.is_busy:
            return
        self.message.hide()
        self.ui.busyLabel.setText("")
        self.job.start(steps, on_result, self._on_error)
        self._poller.start()
        self._update()

    # What is shown

    def _fill_boxes(self) -> None:
        names = {"axial": _("Axial"), "coronal": _("Coronal"), "sagittal": _("Sagittal")}
        for orientation in ORIENTATIONS:
            self.ui.planeBox.addItem(names[orientation], orientation)
        self.exports.fill_boxes(names)

    def _connect(self) -> None:
        self.ui.measureButton.clicked.connect(self._measure)
        self.ui.cancelButton.clicked.connect(self._cancel)
        self.ui.jumpButton.clicked.connect(self._jump)
        self.ui.jumpRowButton.clicked.connect(self._jump_to_selected)
        self.ui.mapBox.toggled.connect(self._show_map)
        self.ui.mapOpacitySlider.valueChanged.connect(self._show_map)

    def _show(self, comparison: Comparison | None) -> None:
        self._hide_map()
        self._shown = comparison
        if comparison is not None:
            index = self.ui.planeBox.findData(comparison.task.slicing)
            self.ui.planeBox.setCurrentIndex(max(0, index))
        self._show_measured()

    def _show_measured(self) -> None:
        self.table.show(self._measurement.rows if self._measurement is not None else ())
        self.ui.agreementLabel.setText(self._agreement_text())
        self._show_map()
        self._update()

    def _agreement_text(self) -> str:
        case = self.measured_case
        if case is None:
            return ""
        if case.disagreement.is_against_reference:
            text = _(
                "Colours: share of the methods that label a voxel otherwise than the reference."
            )
        else:
            text = _("Colours: share of the pairs of methods that label a voxel differently.")
        volume = _("Not all label {volume:.1f} mL alike.")
        return f"{text} {volume.format(volume=case.disagreement.differing_ml)}"

    def _update(self) -> None:
        ui, measured = self.ui, self.measured_case is not None
        idle = not self.is_busy
        ui.busyFrame.setVisible(not idle)
        ui.measureButton.setEnabled(idle and self._shown is not None)
        ui.scoresTable.setVisible(measured)
        ui.agreementBox.setEnabled(measured)
        ui.jumpRowButton.setEnabled(measured and self.table.selected is not None)
        self.exports.update(is_idle=idle)
        self._look_for_changes()

    def _look_for_changes(self) -> None:
        """Say so when what was measured is not there any more."""
        measurement = self._measurement
        if self._comparisons and not all(each.is_whole for each in self._comparisons):
            self.set_comparisons((), None)
        elif measurement is not None and not self.is_busy and not measurement.is_current:
            self.ui.staleLabel.setText(_("Changed since it was measured: measure again."))
        else:
            self.ui.staleLabel.setText("")

    # Measuring

    def _measure(self, *_args: object) -> None:
        if self._comparisons:
            self.begin(self._measure_and_place(self._comparisons), self._take)

    def _measure_and_place(self, comparisons: Sequence[Comparison]) -> Steps[Measurement]:
        measurement = yield from measure(self.job, comparisons)
        for case in measurement.cases:
            name = _("Disagreement about {volume}").format(volume=case.staged.scan)
            place_map(case.disagreement, case.staged.comparison, name)
            yield True
        return measurement

    def _take(self, measurement: Measurement) -> None:
        self._drop_measurement()
        self._measurement = measurement
        self._show_measured()
        self._fill_table_node()

    def _fill_table_node(self) -> None:
        if self._comparisons and self.table.rows:
            volume = self._comparisons[0].volume
            name = _("Scores of methods on {volume}").format(volume=volume.GetName())
            fill_table(self.table.rows, volume, name)

    def _cancel(self, *_args: object) -> None:
        self.job.cancel()
        self._poll()

    def _poll(self) -> None:
        try:
            self.job.poll()
        finally:
            if not self.is_busy:
                self._poller.stop()
                self._update()

    def _on_error(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            return
        if not isinstance(error, CrossModalSegError):
            logging.getLogger(__name__).error("Compare page", exc_info=error)
        self.message.show_error(self._named(error))

    def _named(self, error: Exception) -> Exception:
        """Return an error that names nodes, not files by which they were handed over."""
        if self._measurement is None:
            return error
        text = str(error)
        named = self._measurement.files.without_paths(text)
        return error if named == text else CrossModalSegError(named)

    def _forget(self) -> None:
        """Drop what was measured, and what is being measured."""
        self.job.cancel()
        self._poller.stop()
        self._hide_map()
        self._drop_measurement()

    def _drop_measurement(self) -> None:
        measurement, self._measurement = self._measurement, None
        if measurement is not None:
            measurement.files.close()

    # The map, and jumps

    def _show_map(self, *_args: object) -> None:
        if self.measured_case is not None and self._shown is not None:
            opacity = self.ui.mapOpacitySlider.value / 100
            show_map(self._shown, visible=self.ui.mapBox.checked, opacity=opacity)

    def _hide_map(self) -> None:
        shown = self._shown
        if shown is not None and shown.volume.GetScene() is not None and map_of(shown) is not None:
            show_map(shown, visible=False)

    def _jump(self, *_args: object) -> None:
        self._jump_to("", "")

    def _jump_to_selected(self, *_args: object) -> None:
        row = self.table.selected
        if row is not None:
            self._jump_to_row(row)

    def _jump_to_row(self, row: ScoreRow) -> None:
        case = self.measured_case
        if case is not None and case.staged.name == row.case:
            self._jump_to(row.method, row.structure)
        else:
            self.message.show_note(_("Show {scan} first.").format(scan=row.scan))

    def _jump_to(self, method: str, structure: str) -> None:
        case, plane = self.measured_case, self.ui.planeBox.currentData
        if case is None:
            return
        index = case.disagreement.largest_slice(plane, method=method, structure=structure)
        if index is None:
            self.message.show_note(_("There is no disagreement: all voxels are labelled alike."))
            return
        self.message.hide()
        self._on_jump(plane, index)
