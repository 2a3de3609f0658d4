"""What is compared: volumes, structures, models and segmentations, references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.comparison.adopted_segmentations import adopted_from
from CrossModalSegLib.bridge.comparison.comparison_request import ComparisonRequest, owner
from CrossModalSegLib.bridge.comparison.result_folder import COMPARED_MODEL
from CrossModalSegLib.bridge.comparison.segment_matching import matched_structures
from CrossModalSegLib.bridge.model_catalogue import ModelCard, ModelCatalogue
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.widget.choices import Choices

_METHOD, _KIND, _FOR = range(3)


class _Row(NamedTuple):
    """One method that can be checked.

    Attributes:
        key: Tells it from the others.
        title: For people.
        kind: A model, or a segmentation.
        purpose: What it is for or belongs to.
        card: Of a model.
        node: Of a segmentation.
    """

    key: str
    title: str
    kind: str
    purpose: str
    card: ModelCard | None = None
    node: Any = None


class MethodsPanel:
    """Says what the user wants to compare.

    Args:
        ui: Widgets of ComparePage.ui.
        catalogue: The models.
        on_changed: Called when the user chose.
    """

    def __init__(self, ui: Any, catalogue: ModelCatalogue, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._catalogue = catalogue
        self._on_changed = on_changed
        self._cards: tuple[ModelCard, ...] = ()
        self._rows: list[_Row] = []
        self._checked: set[str] = set()
        self._is_filling = False
        self._task_name = ""
        self._task = Choices(ui.taskBox, self._choose_task)
        header = ui.methodsTable.horizontalHeader()
        header.setSectionResizeMode(_METHOD, qt.QHeaderView.Stretch)
        ui.methodsTable.itemChanged.connect(self._take_check)
        ui.volumesBox.checkedNodesChanged.connect(self._changed)
        ui.referencesBox.checkedNodesChanged.connect(self._changed)
        self.read_catalogue()

    def read_catalogue(self) -> None:
        """Look at the models again."""
        self._cards = tuple(card for card in self._catalogue.entries() if card.is_usable)

    @property
    def task(self) -> Task | None:
        """The chosen one."""
        return self._tasks.get(self._task_name)

    def request(self, device: str = "auto") -> ComparisonRequest:
        """Return what is chosen now."""
        chosen = [row for row in self._rows if row.key in self._checked]
        return ComparisonRequest(
            task=self.task,
            volumes=tuple(self._ui.volumesBox.checkedNodes()),
            models=tuple(row.card for row in chosen if row.card is not None),
            segmentations=tuple(row.node for row in chosen if row.node is not None),
            references=tuple(self._ui.referencesBox.checkedNodes()),
            device=device,
        )

    def update(self) -> None:
        """Show what there is by now."""
        tasks = self._tasks
        if self._task_name not in tasks:
            names = [card.task.name for card in self._cards]
            self._task_name = names[0] if names else next(iter(tasks), "")
        self._task.fill([(name, task.label) for name, task in tasks.items()], self._task_name)
        rows = [*self._model_rows(), *self._segmentation_rows()]
        if [row[:4] for row in rows] != [row[:4] for row in self._rows]:
            self._fill(rows)
        self._rows = rows

    @property
    def _tasks(self) -> dict[str, Task]:
        """Those of models first: what they are called there is what their results are."""
        return {card.task.name: card.task for card in self._cards} | {
            name: task
            for name, task in TASKS.items()
            if name not in {card.task.name for card in self._cards}
        }

    def _model_rows(self) -> list[_Row]:
        kind = _("Model")
        return [
            _Row(card.name, card.title, kind, card.target_modality.label, card=card)
            for card in self._cards
            if card.task.name == self._task_name
        ]

    def _segmentation_rows(self) -> list[_Row]:
        """Return those of the scene that have structures of the task, copies of ours left out."""
        task, kind = self.task, _("Segmentation")
        if task is None:
            return []
        references = self._ui.referencesBox.checkedNodes()
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        models = {card.name for card in self._cards}
        rows = []
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
            is_copy = adopted_from(node) is not None or node.GetAttribute(COMPARED_MODEL) in models
            if is_copy or node in references or not matched_structures(node, task):
                continue
            volume = owner(node, volumes)
            of = volume.GetName() if volume is not None else ""
            rows.append(_Row(node.GetID(), node.GetName(), kind, of, node=node))
        return rows

    def _fill(self, rows: list[_Row]) -> None:
        table = self._ui.methodsTable
        self._is_filling = True
        table.setRowCount(len(rows))
        for index, row in enumerate(rows):
            for column, text in enumerate((row.title, row.kind, row.purpose)):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                if column == _METHOD:
                    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
                    is_checked = row.key in self._checked
                    item.setCheckState(qt.Qt.Checked if is_checked else qt.Qt.Unchecked)
                table.setItem(index, column, item)
        for column in (_KIND, _FOR):
            table.resizeColumnToContents(column)
        self._is_filling = False
        self._checked &= {row.key for row in rows}

    def _take_check(self, item: Any) -> None:
        if self._is_filling or item.column() != _METHOD:
            return
        key = self._rows[item.row()].key
        if item.checkState() == qt.Qt.Checked:
            self._checked.add(key)
        else:
            self._checked.discard(key)
        self._on_changed()

    def _choose_task(self, name: str) -> None:
        self._task_name = name
        self._on_changed()

    def _changed(self, *_args: object) -> None:
        self._on_changed()
