"""The latest result: volumes of its structures, how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.result_placement import show_result
from CrossModalSegLib.bridge.segmentations import volume_of
from CrossModalSegLib.bridge.structure_volumes import StructureVolume, read_table
from CrossModalSegLib.bridge.surfaces import has_surfaces, surface_steps

_END = object()


class ResultPanel:
    """Table and buttons under the Apply button.

    Args:
        ui: Widgets of SegmentPage.ui.
        on_work: Called when `poll` has something to do.
    """

    def __init__(self, ui: Any, on_work: Callable[[], None]) -> None:
        self._ui = ui
        self._on_work = on_work
        self._surfaces: Iterator[None] | None = None
        self._parameters: Any = None
        self._volumes: Sequence[StructureVolume] = ()
        table = ui.volumesTable
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Structure"), _("Volume (mL)"), _("Voxels")])
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.verticalHeader().setVisible(False)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        ui.showButton.clicked.connect(self.show)
        ui.copyTableButton.clicked.connect(self._copy)
        ui.opacitySlider.valueChanged.connect(self._set_opacity)
        self.show_quality({})

    def set_parameters(self, parameters: Any) -> None:
        """Show the result of these parameters."""
        self._parameters = parameters
        self._surfaces = None

    def update(self) -> None:
        """Show the parameters' state, also that of a scene that was loaded."""
        node, table = self._parameters.lastSegmentation, self._parameters.volumesTable
        self._ui.resultButton.setEnabled(node is not None)
        self._fill(read_table(table) if node is not None and table is not None else ())
        if node is not None and node.GetDisplayNode() is not None:
            slider = self._ui.opacitySlider
            slider.blockSignals(True)
            slider.setValue(round(100 * node.GetDisplayNode().GetOpacity2DFill()))
            slider.blockSignals(False)

    def clear(self) -> None:
        """Show no result."""
        self._ui.resultButton.setEnabled(False)
        self._fill(())
        self.show_quality({})

    def show_quality(self, predicted_dice: Mapping[str, float | None]) -> None:
        """Say how good the latest result probably is; nothing is shown where nobody knows.

        Args:
            predicted_dice: By structure and as "mean".
        """
        label, mean = self._ui.qualityLabel, predicted_dice.get("mean")
        label.setVisible(mean is not None)
        if mean is None:
            return
        parts = [f"{name} {dice:.2f}" for name, dice in predicted_dice.items() if dice is not None]
        text = _("Steadiness (Dice with results of slightly changed scans): {values}.")
        label.setText(text.format(values=", ".join(parts)))
        label.setToolTip(
            _("Goes along with the true Dice, but is higher. It replaces no look at the result.")
        )

    def show(self, *_args: object) -> None:
        """Show scan and result in all views, centred on the result, with surfaces if wanted."""
        node = self._parameters.lastSegmentation if self._parameters is not None else None
        if node is not None and self._parameters.showIn3D and not has_surfaces(node):
            self._surfaces = surface_steps(node)
            self._on_work()
        else:
            self._display(node)

    @property
    def is_busy(self) -> bool:
        """Whether surfaces are being made, after which the result is shown."""
        return self._surfaces is not None

    def poll(self) -> None:
        """Take the next small step."""
        if self._surfaces is not None and next(self._surfaces, _END) is _END:
            self._surfaces = None
            self._display(self._parameters.lastSegmentation)

    def _display(self, node: Any) -> None:
        if node is not None:
            show_result(node, volume_of(node), with_surfaces=self._parameters.showIn3D)

    def _fill(self, volumes: Sequence[StructureVolume]) -> None:
        if tuple(volumes) == tuple(self._volumes):
            return
        self._volumes = tuple(volumes)
        table = self._ui.volumesTable
        table.setRowCount(len(volumes))
        for row, entry in enumerate(volumes):
            pixmap = qt.QPixmap(14, 14)
            pixmap.fill(qt.QColor(*entry.colour))
            name = qt.QTableWidgetItem(entry.label)
            name.setIcon(qt.QIcon(pixmap))
            numbers = (f"{entry.volume_ml:.1f}", f"{entry.voxels:,}")
            table.setItem(row, 0, name)
            for column, text in enumerate(numbers, start=1):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(row, column, item)

    def _copy(self, *_args: object) -> None:
        rows = [f"{entry.label}\t{entry.volume_ml:.3f}\t{entry.voxels}" for entry in self._volumes]
        text = "\n".join([_("Structure") + "\tmL\t" + _("voxels"), *rows])
        qt.QApplication.clipboard().setText(text)
        slicer.util.showStatusMessage(_("The table was copied."), 3000)

    def _set_opacity(self, percent: int) -> None:
        node = self._parameters.lastSegmentation if self._parameters is not None else None
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetOpacity2DFill(percent / 100)
