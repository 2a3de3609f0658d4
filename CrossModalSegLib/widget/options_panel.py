"""Device and structures that are kept; further options bind themselves to the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.model_catalogue import ModelCard
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.widget.choices import Choices

SEPARATOR = ","


class OptionsPanel:
    """Where to compute, and what to leave out.

    Args:
        ui: Widgets of SegmentPage.ui.
        on_changed: Called when the user chose.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._on_changed = on_changed
        self._parameters: Any = None
        self._listed: ModelCard | None = None
        self._devices = [("auto", _("Automatic")), ("cpu", _("Processor (CPU)"))]
        self._device = Choices(ui.deviceBox, self._choose_device)
        ui.structureList.itemChanged.connect(self._check_structure)

    def set_parameters(self, parameters: Any) -> None:
        """Show and change these parameters."""
        self._parameters = parameters
        self._listed = None

    def show_devices(self, summary: Mapping[str, Any]) -> None:
        """Offer the devices that the worker found."""
        found = [(entry["name"], _describe(entry)) for entry in summary["devices"]]
        self._devices = [("auto", _("Automatic")), *found]
        self._ui.deviceHint.setText(summary.get("explanation", ""))
        if self._parameters is not None:
            self._device.fill(self._devices, self._parameters.device)

    def update(self, model: ModelCard | None) -> None:
        """Show the parameters' state."""
        names = {entry[0] for entry in self._devices}
        if self._parameters.device not in names:  # saved with a scene on another machine
            self._parameters.device = "auto"
        self._device.fill(self._devices, self._parameters.device)
        if model is not self._listed:
            self._listed = model
            self._list_structures()

    def kept_structures(self, model: ModelCard) -> tuple[str, ...]:
        """Return the names of the structures that are not left out."""
        left_out = self._left_out()
        return tuple(
            entry.name for entry in structures_of(model.task) if entry.name not in left_out
        )

    def _left_out(self) -> set[str]:
        return set(filter(None, self._parameters.leftOutStructures.split(SEPARATOR)))

    def _list_structures(self) -> None:
        widget, left_out = self._ui.structureList, self._left_out()
        widget.blockSignals(True)
        try:
            widget.clear()
            for structure in structures_of(self._listed.task) if self._listed is not None else ():
                item = qt.QListWidgetItem(structure.label)
                item.setFlags(qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsEnabled)
                is_kept = structure.name not in left_out
                item.setCheckState(qt.Qt.Checked if is_kept else qt.Qt.Unchecked)
                pixmap = qt.QPixmap(14, 14)
                pixmap.fill(qt.QColor(*structure.colour))
                item.setIcon(qt.QIcon(pixmap))
                widget.addItem(item)
        finally:
            widget.blockSignals(False)

    def _check_structure(self, item: Any) -> None:
        if item is None or self._listed is None:
            return
        widget = self._ui.structureList
        left_out = self._left_out()
        for row, structure in enumerate(structures_of(self._listed.task)):
            left_out.discard(structure.name)
            if widget.item(row).checkState() == qt.Qt.Unchecked:
                left_out.add(structure.name)
        self._parameters.leftOutStructures = SEPARATOR.join(sorted(left_out))
        self._on_changed()

    def _choose_device(self, name: str) -> None:
        self._parameters.device = name
        self._on_changed()


def _describe(device: Mapping[str, Any]) -> str:
    memory = device.get("memory_gib")
    label = str(device.get("label") or device["name"])
    return f"{label} ({memory:.0f} GiB)" if memory else label
