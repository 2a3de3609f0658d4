"""One domain of the Train page: what its data are and what kind of scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.modality_suggestion import suggest_modality
from CrossModalSegLib.bridge.training.data_choice import (
    CohortFolder,
    DataChoice,
    DatasetFolder,
    DomainRequest,
    PreparationOptions,
    Role,
    ScenePairs,
    SceneVolumes,
    read_meanings,
)
from CrossModalSegLib.bridge.training.data_preparation import cohorts_in
from CrossModalSegLib.core.modalities import MODALITIES, load_modality
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.train_choices import NamedChoices
from CrossModalSegLib.widget.train_scene_data import PairsPanel, VolumesPanel
from CrossModalSegLib.widget.train_series_panel import SeriesPanel

FOLDER, COHORT, PAIRS, VOLUMES, SERIES = "folder", "cohort", "pairs", "volumes", "series"


class DomainPanel:
    """Widgets of one domain whose names begin with its role.

    Args:
        ui: Widgets of TrainDataPanel.ui.
        role: Which domain.
        cohorts: Folder of the user's cohorts.
        on_changed: Called when the user has changed something.
        on_error: Called with what is wrong with a file that was chosen.
    """

    def __init__(
        self,
        ui: Any,
        role: Role,
        cohorts: Path,
        on_changed: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._role = role
        self._cohorts = cohorts
        self._on_changed = on_changed
        self._ui = ui
        self._further_cohorts: list[Path] = []
        self._is_modality_said = False
        self.pairs = PairsPanel(ui, on_changed) if role == "source" else None
        self.volumes = VolumesPanel(ui, on_changed) if role == "target" else None
        self.series = SeriesPanel(ui, on_changed) if role == "target" else None
        self._kind = Choices(self._widget("KindBox"), self._choose_kind)
        self._cohort = Choices(self._widget("CohortBox"), self._change)
        self._modality = NamedChoices(
            self._widget("ModalityBox"),
            {name: modality.label for name, modality in MODALITIES.items()},
            self._say_modality,
            check=lambda path: load_modality(path).label,
            on_error=on_error,
        )
        self._kind.fill(self._kinds(), FOLDER)
        self._widget("FolderEdit").textChanged.connect(self._change)
        self._widget("FolderButton").clicked.connect(self._browse_folder)
        self._widget("CohortButton").clicked.connect(self._browse_cohort)
        if role == "source":
            ui.sourceMeaningEdit.textChanged.connect(self._change)
        self.refresh()
        self._show_kind()

    @property
    def kind(self) -> str:
        """Where the data are."""
        return self._kind.current

    @property
    def modality(self) -> str:
        """The modality that was chosen; "" if none was."""
        return self._modality.chosen

    def request(self, task: str, options: PreparationOptions) -> DomainRequest:
        """Return what the user wants.

        Raises:
            ConfigError: The meaning of labels cannot be read.
        """
        data = self._data()
        is_cohort = isinstance(data, CohortFolder)
        text = self._ui.sourceMeaningEdit.text if self._role == "source" else ""
        return DomainRequest(
            role=self._role,
            task=task,
            modality="" if is_cohort else self.modality,
            data=data,
            meanings=() if is_cohort else read_meanings(text),
            options=PreparationOptions() if is_cohort else options,
        )

    def refresh(self) -> None:
        """Look again at which cohorts there are."""
        folders = [*cohorts_in(self._cohorts), *self._further_cohorts]
        entries = [(str(folder), folder.name) for folder in folders]
        self._cohort.fill(entries, self._cohort.current)

    def suggest(self) -> None:
        """Choose the modality that volumes of the scene probably have, until the user says it."""
        volumes = self._scene_volumes()
        if volumes and not self._is_modality_said:
            suggestion = suggest_modality(volumes[0])
            if suggestion:
                self._modality.choose(suggestion)

    def forget_scene(self) -> None:
        """Let go of nodes, before a scene is closed."""
        if self.pairs is not None:
            self.pairs.clear()

    def set_enabled(self, *, enabled: bool) -> None:
        """Let the user change what is chosen, or not."""
        self._widget("Group").setEnabled(enabled)

    def _data(self) -> DataChoice | None:
        kind = self.kind
        if kind == FOLDER:
            text = self._widget("FolderEdit").text.strip()
            return DatasetFolder(Path(text).expanduser()) if text else None
        if kind == COHORT:
            return CohortFolder(Path(self._cohort.current)) if self._cohort.current else None
        panel = {PAIRS: self.pairs, VOLUMES: self.volumes, SERIES: self.series}.get(kind)
        return panel.data if panel is not None else None

    def _scene_volumes(self) -> list[Any]:
        data = self._data()
        if isinstance(data, ScenePairs):
            return [volume for volume, _drawn in data.pairs]
        return list(data.volumes) if isinstance(data, SceneVolumes) else []

    def _kinds(self) -> list[tuple[str, str]]:
        files = [(FOLDER, _("Data set on the disk")), (COHORT, _("Prepared cohort"))]
        if self._role == "source":
            return [*files, (PAIRS, _("Volumes and segmentations of the scene"))]
        scene = (VOLUMES, _("Volumes of the scene"))
        return [*files, scene, (SERIES, _("Series of the DICOM database"))]

    def _choose_kind(self, kind: str) -> None:
        self._show_kind()
        if kind == COHORT:
            self.refresh()
        if kind == SERIES and self.series is not None:
            self.series.read_once()
        self._on_changed()

    def _show_kind(self) -> None:
        kind = self.kind
        self._widget("FolderFrame").setVisible(kind == FOLDER)
        self._widget("CohortFrame").setVisible(kind == COHORT)
        rows = [self._widget("ModalityBox"), self._widget("ModalityBoxLabel")]
        if self._role == "source":
            self._ui.sourcePairsFrame.setVisible(kind == PAIRS)
            rows += [self._ui.sourceMeaningEdit, self._ui.sourceMeaningEditLabel]
        else:
            self._ui.targetVolumesSelector.setVisible(kind == VOLUMES)
            self._ui.targetSeriesFrame.setVisible(kind == SERIES)
        for widget in rows:
            widget.setVisible(kind != COHORT)

    def _say_modality(self) -> None:
        self._is_modality_said = True
        self._on_changed()

    def _browse_folder(self, *_args: object) -> None:
        edit = self._widget("FolderEdit")
        chosen = qt.QFileDialog.getExistingDirectory(
            self._widget("Group"), _("Choose a data set"), edit.text
        )
        if chosen:
            edit.setText(chosen)

    def _browse_cohort(self, *_args: object) -> None:
        chosen = qt.QFileDialog.getExistingDirectory(
            self._widget("Group"), _("Choose a cohort"), str(self._cohorts)
        )
        if not chosen:
            return
        folder = Path(chosen)
        if str(folder) not in self._cohort.names:
            self._further_cohorts.append(folder)
            self.refresh()
        self._cohort.choose(str(folder))
        self._on_changed()

    def _change(self, *_args: object) -> None:
        self._on_changed()

    def _widget(self, name: str) -> Any:
        return getattr(self._ui, f"{self._role}{name}")
