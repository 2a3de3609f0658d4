"""Nodes of the scene as data for a training: pairs for the source, volumes for the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.segmentations import volume_of
from CrossModalSegLib.bridge.training.data_choice import ScenePairs, SceneVolumes


class PairsPanel:
    """A list of volumes, each with a segmentation or a label map.

    Args:
        ui: Widgets of TrainDataPanel.ui.
        on_changed: Called when the list has changed.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._on_changed = on_changed
        self._pairs: list[tuple[Any, Any]] = []
        ui.sourceAddPairButton.clicked.connect(self._add)
        ui.sourceAddAllButton.clicked.connect(self._add_all)
        ui.sourceRemovePairButton.clicked.connect(self._remove)
        for box in (ui.sourceVolumeSelector, ui.sourceSegmentationSelector):
            box.connect("currentNodeChanged(vtkMRMLNode*)", self._update_button)
        self._update_button()

    @property
    def data(self) -> ScenePairs:
        """What is in the list."""
        return ScenePairs(tuple(self._pairs))

    def prune(self) -> None:
        """Take out what is no longer in the scene."""
        scene = slicer.mrmlScene
        left = [p for p in self._pairs if all(scene.IsNodePresent(node) for node in p)]
        if left != self._pairs:
            self._pairs = left
            self._show()

    def clear(self) -> None:
        """Let go of all nodes."""
        self._pairs = []
        self._show()

    def _add(self, *_args: object) -> None:
        volume = self._ui.sourceVolumeSelector.currentNode()
        drawn = self._ui.sourceSegmentationSelector.currentNode()
        if volume is not None and drawn is not None:
            self._take([(volume, drawn)])

    def _add_all(self, *_args: object) -> None:
        found = []
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            volume = volume_of(node)
            if volume is not None and not node.GetHideFromEditors():
                found.append((volume, node))
        self._take(found)

    def _take(self, pairs: list[tuple[Any, Any]]) -> None:
        """Append pairs; a volume is in the list once, with what was added last."""
        for volume, drawn in pairs:
            self._pairs = [pair for pair in self._pairs if pair[0] is not volume]
            self._pairs.append((volume, drawn))
        self._show()
        self._on_changed()

    def _remove(self, *_args: object) -> None:
        chosen = self._ui.sourcePairsList.selectionModel().selectedRows()
        rows = {index.row() for index in chosen}
        self._pairs = [pair for row, pair in enumerate(self._pairs) if row not in rows]
        self._show()
        self._on_changed()

    def _show(self) -> None:
        names = self._ui.sourcePairsList
        names.clear()
        for volume, drawn in self._pairs:
            names.addItem(f"{volume.GetName()}  +  {drawn.GetName()}")

    def _update_button(self, *_args: object) -> None:
        chosen = (
            self._ui.sourceVolumeSelector.currentNode(),
            self._ui.sourceSegmentationSelector.currentNode(),
        )
        self._ui.sourceAddPairButton.setEnabled(None not in chosen)


class VolumesPanel:
    """Volumes of the scene that are checked.

    Args:
        ui: Widgets of TrainDataPanel.ui.
        on_changed: Called when others are checked.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._box = ui.targetVolumesSelector
        self._on_changed = on_changed
        self._box.connect("checkedNodesChanged()", self._change)
        self._box.setToolTip(_("Check the scans that are the target."))

    @property
    def data(self) -> SceneVolumes:
        """What is checked."""
        return SceneVolumes(tuple(self._box.checkedNodes()))

    def _change(self, *_args: object) -> None:
        self._on_changed()
