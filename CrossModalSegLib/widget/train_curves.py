"""Losses and scores of the run that is followed: a small picture, and nodes for the plot view."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.curves import Curves
from CrossModalSegLib.bridge.training.plots import GROUPS, TrainingPlots, names_of_group
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.curve_picture import draw_curves, legend_html

LEAST_WIDTH_PX = 260
FRAME_PX = 40
"""What lies left and right of the picture in the page."""


class TrainCurves:
    """Draws the curves of one run.

    Args:
        ui: Widgets of TrainProgressPanel.ui.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._plots: TrainingPlots | None = None
        self._run = ""
        self._shown: tuple[Any, ...] = ()
        self._curves: Curves | None = None
        self._group = Choices(ui.curveBox, lambda _name: self._draw())
        texts = {"losses": _("Losses"), "score": _("Label-free score")}
        self._group.fill([(name, texts[name]) for name in GROUPS], "losses")
        ui.plotButton.clicked.connect(self._show_in_plot_view)
        ui.plotButton.setEnabled(False)

    @property
    def plots(self) -> TrainingPlots | None:
        """The nodes of the scene; None before the user asked for them."""
        return self._plots

    def set_run(self, name: str) -> None:
        """Draw another run; the nodes of the one before stay in the scene."""
        self._run, self._plots, self._shown, self._curves = name, None, (), None
        self._ui.curveLabel.clear()
        self._ui.legendLabel.setText("")
        self._ui.plotButton.setEnabled(False)

    def update(self, curves: Curves) -> None:
        """Draw what is new, if the section is open."""
        self._curves = curves
        self._ui.plotButton.setEnabled(len(curves) > 0)
        if not self._ui.curvesButton.collapsed:
            self._draw()
        if self._plots is not None and self._plots.table is not None:
            self._plots.update(curves)

    def cleanup(self) -> None:
        """Leave the nodes to the scene."""
        self._plots = None

    def _draw(self) -> None:
        if self._curves is None:
            return
        group = self._group.current
        width = max(LEAST_WIDTH_PX, self._ui.curvesButton.width - FRAME_PX)
        state = (id(self._curves), self._curves.version, group, width)
        if state == self._shown:
            return
        self._shown = state
        names = names_of_group(self._curves, group)
        points = {name: self._curves[name].points for name in names}
        self._ui.curveLabel.setPixmap(draw_curves(points, width))
        self._ui.legendLabel.setText(legend_html(names, [self._curves[n].last for n in names]))

    def _show_in_plot_view(self, *_args: object) -> None:
        if self._curves is None:
            return
        if self._plots is None:
            self._plots = TrainingPlots(slicer.mrmlScene, self._run)
        self._plots.update(self._curves)
        self._plots.show(self._group.current)
