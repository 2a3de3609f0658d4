"""The data of the Train page: chosen, checked and prepared before a training can start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.data_choice import (
    ROLES,
    DomainRequest,
    PreparationOptions,
    Role,
    read_numbers,
)
from CrossModalSegLib.bridge.training.preparation_steps import PreparationProgress
from CrossModalSegLib.bridge.training.training_data import DomainState, TrainingData
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.tasks import TASKS, load_task
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.message_area import MessageArea
from CrossModalSegLib.widget.polling import Poller
from CrossModalSegLib.widget.train_choices import NamedChoices
from CrossModalSegLib.widget.train_data_results import DomainResults, show_findings
from CrossModalSegLib.widget.train_domain_panel import DomainPanel

RECIPES = ("robust", "dataset", "sifa", "sifa_release", "brats", "abdomen")


class TrainDataPanel:
    """Task, source and target.

    Args:
        ui_widget: Made from TrainDataPanel.ui.
        workspace: Where cohorts are made.
        on_changed: Called when something else can be trained on than before.
    """

    def __init__(
        self, ui_widget: Any, workspace: Workspace, on_changed: Callable[[], None]
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        if hasattr(ui_widget, "setMRMLScene"):
            ui_widget.setMRMLScene(slicer.mrmlScene)
        self._on_changed = on_changed
        self._wrong_text = ""
        self._is_update_due = self._is_closed = False
        self._observations: list[int] = []
        self.data = TrainingData(workspace.cohorts, self._update_soon, self._show_progress)
        self._message = MessageArea(self.ui, details=lambda: self.data.log_text)
        self._shown_errors: dict[Role, CrossModalSegError | None] = dict.fromkeys(ROLES)
        self._task = NamedChoices(
            self.ui.taskBox,
            {name: task.label for name, task in TASKS.items()},
            self._update_soon,
            check=lambda path: load_task(path).label,
            on_error=self._message.show_error,
        )
        self._domains = {role: self._make_domain(role, workspace.cohorts) for role in ROLES}
        self._results = {role: DomainResults(self.ui, role) for role in ROLES}
        self._poller = Poller(self._poll)
        self._connect()
        self._read_requests()
        self._told = self._answers()
        self._update()

    # What the page asks

    @property
    def task(self) -> str:
        """Name of the task, or the path of its description; "" if none was chosen."""
        return self._task.chosen

    @property
    def source(self) -> Path | None:
        """The cohort of the source, if it can be trained on."""
        return self._cohort("source")

    @property
    def target(self) -> Path | None:
        """The cohort of the target, if it can be trained on."""
        return self._cohort("target")

    @property
    def source_modality(self) -> str:
        """Name of the source's modality; "" if it is not known."""
        return self._modality("source")

    @property
    def target_modality(self) -> str:
        """Name of the target's modality; "" if it is not known."""
        return self._modality("target")

    @property
    def reason_not_ready(self) -> str:
        """Why the two domains cannot be trained on, in a sentence; "" if they can."""
        reasons = (self.reason_domain_not_ready(role) for role in ROLES)
        both = (f.text for f in self.data.findings_of_both() if f.is_blocking)
        return next(filter(None, (*reasons, *both)), "")

    @property
    def is_busy(self) -> bool:
        """Whether data are being checked or prepared."""
        return self.data.is_busy

    def reason_domain_not_ready(self, role: Role) -> str:
        """Return why one domain cannot be trained on, for methods that need no other one."""
        if not self.task:
            return str(_("Choose a task."))
        return self._wrong_text or self.data.reason_not_ready(role)

    def refresh(self) -> None:
        """Look again at which cohorts there are."""
        for domain in self._domains.values():
            domain.refresh()
        self._update()

    def enter(self) -> None:
        """The user opened the page."""
        scene = slicer.mrmlScene
        if not self._observations:
            self._observations = [
                scene.AddObserver(scene.NodeRemovedEvent, self._on_removed),
                scene.AddObserver(scene.StartCloseEvent, self._on_close),
            ]
        self._on_removed()
        self.refresh()

    def exit(self) -> None:
        """The user left the page; what runs goes on."""

    def cleanup(self) -> None:
        """Let go of everything; what runs is stopped."""
        self._is_closed = True
        for tag in self._observations:
            slicer.mrmlScene.RemoveObserver(tag)
        self._observations = []
        self._poller.stop()
        self.data.shutdown()
        for role in ROLES:
            self._results[role].close()
            self._domains[role].forget_scene()

    # What the user does

    def _make_domain(self, role: Role, cohorts: Path) -> DomainPanel:
        return DomainPanel(self.ui, role, cohorts, self._update_soon, self._message.show_error)

    def _connect(self) -> None:
        ui = self.ui
        self._recipe = Choices(ui.recipeBox, lambda _name: self._update_soon())
        self._recipe.fill([(name, name) for name in RECIPES], RECIPES[0])
        for edit in (ui.matrixEdit, ui.spacingEdit, ui.splitEdit):
            edit.textChanged.connect(self._update_soon)
        ui.dividesBox.toggled.connect(self._update_soon)
        ui.checkButton.clicked.connect(self._check)
        ui.prepareButton.clicked.connect(self._prepare)
        ui.cancelButton.clicked.connect(self._cancel)

    def _check(self, *_args: object) -> None:
        self._begin(self.data.check)

    def _prepare(self, *_args: object) -> None:
        self._begin(self.data.prepare)

    def _begin(self, start: Callable[[], None]) -> None:
        self._message.hide()
        self._update()
        start()
        self._poller.start()
        self._update()

    def _cancel(self, *_args: object) -> None:
        self.data.cancel()
        self.ui.statusLabel.setText(_("Cancelling…"))

    def _on_removed(self, *_args: object) -> None:
        pairs = self._domains["source"].pairs
        if pairs is not None and not slicer.mrmlScene.IsClosing():
            pairs.prune()
        self._update_soon()

    def _on_close(self, *_args: object) -> None:
        self.data.forget_scene()
        for domain in self._domains.values():
            domain.forget_scene()
        self._update_soon()

    # What is shown

    def _update_soon(self, *_args: object) -> None:
        """Update once, however many things change now."""
        if not self._is_update_due:
            self._is_update_due = True
            qt.QTimer.singleShot(0, self._update)

    def _update(self) -> None:
        self._is_update_due = False
        if self._is_closed:  # it was due when the page was closed
            return
        if not self.data.is_busy:
            self._read_requests()
        for role in ROLES:
            state = self.data.state(role)
            self._results[role].show(state)
            self._show_error(role, state)
        self._update_buttons()
        self._read_series()
        findings = self.data.findings_of_both()
        show_findings(self.ui.bothLabel, findings)
        has_results = any(self.data.state(role).summary is not None for role in ROLES)
        self.ui.resultsTabs.setVisible(has_results)
        self._tell_page()

    def _read_series(self) -> None:
        series = self._domains["target"].series
        if series is not None and series.is_reading:
            self._poller.start()

    def _read_requests(self) -> None:
        """Take over what the user wants now."""
        self._wrong_text = ""
        requests: dict[Role, DomainRequest | None] = dict.fromkeys(ROLES)
        try:
            options = self._options()
            for role, domain in self._domains.items():
                domain.suggest()
                requests[role] = domain.request(self.task, options)
        except CrossModalSegError as error:
            self._wrong_text = str(error)
            return  # what is known stays known until the text can be read again
        for role, request in requests.items():
            self.data.set_request(role, request)

    def _options(self) -> PreparationOptions:
        matrix = read_numbers(self.ui.matrixEdit.text, _("The size of slices"), whole=True)
        return PreparationOptions(
            recipe=self._recipe.current,
            matrix=(int(matrix[0]), int(matrix[1])) if matrix is not None else None,
            spacing_mm=read_numbers(self.ui.spacingEdit.text, _("The spacing"), whole=False),
            split=self.ui.splitEdit.text.strip() or "auto",
            divides_patients=self.ui.dividesBox.checked,
        )

    def _update_buttons(self) -> None:
        ui, is_busy = self.ui, self.data.is_busy
        check = self._wrong_text or self.data.reason_not_to_check()
        prepare = self._wrong_text or self.data.reason_not_to_prepare()
        ui.checkButton.setEnabled(not is_busy and not check)
        ui.checkButton.setToolTip(check or _("Read everything and list what was found."))
        ui.prepareButton.setEnabled(not is_busy and not prepare)
        ui.prepareButton.setToolTip(prepare or _("Make slices for training of what was checked."))
        ui.cancelButton.setVisible(is_busy)
        ui.progressBar.setVisible(is_busy)
        for domain in self._domains.values():
            domain.set_enabled(enabled=not is_busy)
        ui.taskBox.setEnabled(not is_busy)
        ui.preprocessingButton.setEnabled(not is_busy)
        if not is_busy:
            reason = self.reason_not_ready
            ui.statusLabel.setText(reason or _("The data are ready for training."))

    def _show_error(self, role: Role, state: DomainState) -> None:
        if state.error is self._shown_errors[role]:
            return
        self._shown_errors[role] = state.error
        if state.error is not None:
            self._message.show_error(state.error)

    def _show_progress(self, role: Role, progress: PreparationProgress) -> None:
        bar = self.ui.progressBar
        if progress.fraction is None:
            bar.setMaximum(0)  # Qt shows that it goes on
        else:
            bar.setMaximum(1000)
            bar.setValue(round(1000 * progress.fraction))
        name = {"source": _("Source"), "target": _("Target")}[role]
        self.ui.statusLabel.setText(f"{name}: {progress.text}")

    def _tell_page(self) -> None:
        """Tell the page when what it asks has another answer."""
        answers = self._answers()
        if answers != self._told:
            self._told = answers
            self._on_changed()

    def _answers(self) -> tuple[Any, ...]:
        return (
            self.task,
            self.source,
            self.target,
            self.source_modality,
            self.target_modality,
            self.reason_not_ready,
        )

    def _cohort(self, role: Role) -> Path | None:
        is_ready = not self.reason_domain_not_ready(role)
        return self.data.state(role).cohort if is_ready else None

    def _modality(self, role: Role) -> str:
        record = self.data.state(role).record
        return record.modality.name if record is not None else self._domains[role].modality

    def _poll(self) -> None:
        series = self._domains["target"].series
        self.data.poll()
        if series is not None and series.is_reading:
            series.poll()
        is_reading = series is not None and series.is_reading
        if not self.data.is_busy and not is_reading:
            self._poller.stop()
            self.refresh()
