"""The buttons that save a comparison: figure, CSV, LaTeX, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.comparison.comparison_export import (
    FigureChoice,
    scores_csv,
    scores_latex,
    write_figure,
    write_report,
    write_text,
)
from CrossModalSegLib.bridge.planes import ORIENTATIONS

if TYPE_CHECKING:
    from CrossModalSegLib.widget.compare_scores_panel import ScoresPanel

ALL_PLANES = "all"
LARGEST, DISAGREEMENT = "largest", "disagreement"


class ExportButtons:
    """Asks where to save, and starts the job that does it.

    Args:
        ui: Widgets of CompareScoresPanel.ui.
        panel: Has what was measured, and runs jobs.
    """

    def __init__(self, ui: Any, panel: ScoresPanel) -> None:
        self._last_folder = ""
        self._ui = ui
        self._panel = panel
        ui.figureButton.clicked.connect(self._save_figure)
        ui.csvButton.clicked.connect(self._save_csv)
        ui.latexButton.clicked.connect(self._save_latex)
        ui.reportButton.clicked.connect(self._save_report)

    def fill_boxes(self, planes: Mapping[str, str]) -> None:
        """Offer planes, by their names for people."""
        self._ui.planesBox.addItem(_("Axial, coronal and sagittal"), ALL_PLANES)
        for orientation in ORIENTATIONS:
            self._ui.planesBox.addItem(planes[orientation], orientation)
        self._ui.slicesBox.addItem(_("With the largest structures"), LARGEST)
        self._ui.slicesBox.addItem(_("Of the largest disagreement"), DISAGREEMENT)

    def update(self, *, is_idle: bool) -> None:
        """Enable what can be saved now."""
        measurement = self._panel.measurement
        is_ready = is_idle and self._panel.measured_case is not None
        for button in (self._ui.figureButton, self._ui.csvButton, self._ui.latexButton):
            button.setEnabled(is_ready)
        has_scores = measurement is not None and bool(measurement.files.scored)
        self._ui.reportButton.setEnabled(is_ready and has_scores)
        self._ui.figureGroup.setEnabled(is_ready)
        tip = _("Save the report of the command compare: tables, tests, figures, in one HTML file.")
        if measurement is not None and not has_scores:
            tip = _("A report needs a reference: choose one and compare again.")
        self._ui.reportButton.setToolTip(tip)

    def choice(self) -> FigureChoice:
        """Return what the figure is to show."""
        planes, case = self._ui.planesBox.currentData, self._panel.measured_case
        return FigureChoice(
            planes=ORIENTATIONS if planes == ALL_PLANES else (planes,),
            width_px=self._ui.widthBox.value,
            with_errors=self._ui.errorsBox.checked,
            at_disagreement=self._ui.slicesBox.currentData == DISAGREEMENT,
            title=case.staged.scan if case is not None else "",
        )

    def _save_figure(self, *_args: object) -> None:
        case, measurement = self._panel.measured_case, self._panel.measurement
        if case is None or measurement is None:
            return
        name = f"{case.staged.name}.png"
        path = self._ask_for_path(_("Save the figure"), name, _("Pictures (*.png)"))
        if path is not None:
            steps = write_figure(self._panel.job, measurement, case, self.choice(), path)
            self._panel.begin(steps, self._tell_saved)

    def _save_csv(self, *_args: object) -> None:
        rows = tuple(self._panel.table.rows)
        self._save_text(
            _("Save the table"), "scores.csv", _("Tables (*.csv)"), lambda: scores_csv(rows)
        )

    def _save_latex(self, *_args: object) -> None:
        measurement = self._panel.measurement
        if measurement is not None:
            self._save_text(
                _("Save the table"),
                "scores.tex",
                _("LaTeX (*.tex)"),
                lambda: scores_latex(measurement),
            )

    def _save_text(self, title: str, name: str, kind: str, text: Callable[[], str]) -> None:
        path = self._ask_for_path(title, name, kind)
        if path is not None:
            self._panel.begin(write_text(self._panel.job, text, path), self._tell_saved)

    def _save_report(self, *_args: object) -> None:
        measurement = self._panel.measurement
        if measurement is None:
            return
        kind = _("Web pages (*.html)")
        path = self._ask_for_path(_("Save the report"), "comparison.html", kind)
        if path is not None:
            title = _("Comparison of methods: {task}").format(task=measurement.files.task.label)
            steps = write_report(self._panel.job, measurement, title, path)
            self._panel.begin(steps, self._open_report)

    def _ask_for_path(self, title: str, suggested: str, kind: str) -> Path | None:
        """Ask where to save a file.

        Args:
            title: Of the dialog.
            suggested: Its name with its ending, which it will have.
            kind: Filter, e.g. "Pictures (*.png)".
        """
        start = str(Path(self._last_folder) / suggested)
        chosen = qt.QFileDialog.getSaveFileName(self._panel.widget, title, start, kind)
        if not chosen:
            return None
        path, suffix = Path(chosen), Path(suggested).suffix
        if path.suffix.lower() != suffix:
            path = path.with_name(f"{path.name}{suffix}")
            if path.exists():  # the dialog did not ask about this one
                text = _("{path} exists already. Choose another name.").format(path=path)
                self._panel.message.show_warning(text)
                return None
        self._last_folder = str(path.parent)
        return path

    def _open_report(self, path: Path) -> None:
        self._tell_saved(path)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def _tell_saved(self, path: Path) -> None:
        self._panel.message.show_note(_("Saved {path}.").format(path=path))
        slicer.util.showStatusMessage(_("Saved {path}.").format(path=path), 3000)
