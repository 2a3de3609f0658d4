"""How a model is trained: method, preset, device, changed settings, what it would take, start."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import slicer
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.estimate import EstimateJob
from CrossModalSegLib.bridge.training.method_info import MethodCatalogue, MethodInfo
from CrossModalSegLib.bridge.training.training_request import (
    TrainingRequest,
    reason_not_to_start,
    suggested_name,
)
from CrossModalSegLib.bridge.training.workspace import Workspace
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.train_overrides import TrainOverrides

DEFAULT_METHOD = "dsan"
DEFAULT_PRESET = "quick"


class ChosenData(Protocol):
    """What the panel of the data tells."""

    @property
    def task(self) -> str:
        """Name of the task, or the path of its description."""

    @property
    def source(self) -> Path | None:
        """Cohort with labels, if it is ready."""

    @property
    def target(self) -> Path | None:
        """Cohort without labels, if it is ready."""

    @property
    def source_modality(self) -> str:
        """Name of the modality."""

    @property
    def target_modality(self) -> str:
        """Name of the modality."""

    @property
    def reason_not_ready(self) -> str:
        """Why the two domains cannot be trained on."""

    def reason_domain_not_ready(self, role: Any) -> str:
        """Why one domain cannot be trained on."""


class TrainMethodPanel:
    """Method, preset, device and settings of the next training.

    Args:
        ui_widget: Made from TrainMethodPanel.ui.
        workspace: Whose names are taken.
        data: What is trained on.
        on_start: Called with the request when the user starts a training.
        on_error: Called with what went wrong.
    """

    def __init__(
        self,
        ui_widget: Any,
        workspace: Workspace,
        data: ChosenData,
        on_start: Callable[[TrainingRequest], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self.widget = ui_widget
        self.ui = slicer.util.childWidgetVariables(ui_widget)
        self._workspace, self._data = workspace, data
        self._on_start, self._on_error = on_start, on_error
        self._wished: TrainingRequest | None = None
        self._suggested = ""
        self._catalogue = MethodCatalogue(self._on_methods, self._on_failure)
        self._estimate = EstimateJob(workspace, self._show_estimate, self._on_no_estimate)
        self._method = Choices(self.ui.methodBox, lambda _name: self.refresh())
        self._preset = Choices(self.ui.presetBox, lambda _name: self.refresh())
        self._device = Choices(self.ui.deviceBox, lambda _name: self._forget_estimate())
        self.overrides = TrainOverrides(self.ui, self._on_setting)
        self._device.fill(_devices(), "auto")
        self.ui.startButton.clicked.connect(self._start)
        self.ui.estimateButton.clicked.connect(self._measure)
        self.ui.nameEdit.textEdited.connect(lambda _text: self._update_buttons())
        self.refresh()

    @property
    def is_busy(self) -> bool:
        """Whether an answer of some process is waited for."""
        return self._catalogue.is_busy or self._estimate.is_busy

    @property
    def keeps_running(self) -> bool:
        """Whether trainings go on when Slicer closes."""
        return bool(self.ui.keepRunningBox.checked)

    def poll(self) -> None:
        """Let answers arrive."""
        self._catalogue.poll()
        self._estimate.poll()

    def refresh(self) -> None:
        """Show what there is for the task that is chosen now."""
        if self._data.task:
            self._catalogue.ask(self._data.task)
        methods = self._methods()
        chosen = self._method.current or DEFAULT_METHOD
        self._method.fill([(each.name, each.title) for each in methods], chosen)
        method = self._chosen()
        presets = method.presets if method is not None else ()
        wished = self._preset.current if self._preset.current in presets else DEFAULT_PRESET
        self._preset.fill([(name, name) for name in presets], wished)
        self.ui.methodLabel.setText(_method_html(method) if method else self._why_no_method())
        self.overrides.set_method(method, self._preset.current)
        self._suggest_name(method)
        self._forget_estimate()
        self._take_wish()
        self._update_buttons()

    def set_request(self, request: TrainingRequest) -> None:
        """Show an earlier training's choices, to be changed; the data stay as they are chosen."""
        self._wished = request
        self.refresh()

    def request(self) -> TrainingRequest:
        """Return what is chosen.

        Raises:
            CrossModalSegError: It cannot be trained; the message says why.
        """
        method = self._chosen()
        if method is None or self._data.source is None:
            raise CrossModalSegError(self.reason_not_to_start or "Choose data and a method.")
        return TrainingRequest(
            task=self._data.task,
            method=method.name,
            preset=self._preset.current,
            source=self._data.source,
            target=None if _needs_labels_alone(method) else self._data.target,
            overrides=self.overrides.values(),
            device=self._device.current or "auto",
            name=self.ui.nameEdit.text.strip(),
        )

    @property
    def reason_not_to_start(self) -> str:
        """Why a training cannot start; "" if it can."""
        method = self._chosen()
        reason = self._data.reason_not_ready
        if method is not None and _needs_labels_alone(method):
            reason = self._data.reason_domain_not_ready("source")
        return reason_not_to_start(
            reason_of_data=reason,
            methods=self._methods(),
            method=self._method.current,
            wrong_setting=self.overrides.wrong,
        )

    def cleanup(self) -> None:
        """Let go of everything."""
        self._catalogue.shutdown()
        self._estimate.shutdown()

    def _methods(self) -> tuple[MethodInfo, ...]:
        return self._catalogue.of(self._data.task)

    def _chosen(self) -> MethodInfo | None:
        return next((m for m in self._methods() if m.name == self._method.current), None)

    def _why_no_method(self) -> str:
        if not self._data.task:
            return str(_("Choose a task first."))
        return str(_("The library is asked for its methods…"))

    def _take_wish(self) -> None:
        """Choose what `set_request` asked for, as soon as the methods are known."""
        wish = self._wished
        if wish is None or not self._methods():
            return
        self._wished = None
        self._method.choose(wish.method)
        self.refresh()
        self._preset.choose(wish.preset)
        self.overrides.set_method(self._chosen(), self._preset.current)
        self.overrides.set_values(wish.overrides)
        self._device.choose(wish.device)

    def _suggest_name(self, method: MethodInfo | None) -> None:
        """Propose a name until the user has written another one."""
        if method is None or self.ui.nameEdit.text not in {"", self._suggested}:
            return
        modalities = (self._data.source_modality, self._data.target_modality)
        wished = suggested_name(self._data.task, modalities, method.name)
        self._suggested = self._workspace.free_name(wished)
        self.ui.nameEdit.setText(self._suggested)

    def _update_buttons(self) -> None:
        reason = self.reason_not_to_start
        self.ui.startButton.setEnabled(not reason)
        self.ui.startButton.setToolTip(reason or _("Queue this training; it begins at its turn."))
        self.ui.estimateButton.setEnabled(not reason)
        if self._estimate.is_running:
            self.ui.estimateButton.setText(_("Stop measuring"))
        else:
            self.ui.estimateButton.setText(_("Measure time and memory"))
        count = len(self.overrides.changed_names)
        title = _("Expert settings") if not count else _("Expert settings ({count} changed)")
        self.ui.settingsButton.setText(title.format(count=count))

    def _on_methods(self, _task: str) -> None:
        self.refresh()

    def _on_failure(self, error: CrossModalSegError) -> None:
        self.ui.methodLabel.setText(html.escape(str(error)))
        self._on_error(error)

    def _on_setting(self) -> None:
        self._forget_estimate()
        self._update_buttons()

    def _start(self, *_args: object) -> None:
        try:
            request = self.request()
        except CrossModalSegError as error:
            self._on_error(error)
            return
        self._on_start(request)
        if self._workspace.free_name(request.name) != request.name:  # it was begun
            self.ui.nameEdit.setText("")
        self.refresh()

    def _measure(self, *_args: object) -> None:
        if self._estimate.is_running:
            self._forget_estimate()
        else:
            try:
                self._estimate.start(self.request())
            except CrossModalSegError as error:
                self._on_error(error)
                return
            self.ui.estimateLabel.setText(_("A few iterations are being trained…"))
        self._update_buttons()

    def _forget_estimate(self) -> None:
        self._estimate.cancel()
        self.ui.estimateLabel.setText("")

    def _show_estimate(self, text: str) -> None:
        self.ui.estimateLabel.setText(text)
        self._update_buttons()

    def _on_no_estimate(self, error: CrossModalSegError) -> None:
        self.ui.estimateLabel.setText(str(error))
        self._update_buttons()


def _needs_labels_alone(method: MethodInfo) -> bool:
    """Tell whether a method is trained on one labelled cohort: the upper bound of tables."""
    return method.name == "supervised"


def _method_html(method: MethodInfo) -> str:
    """Return paragraph and paper, the latter as a link where it has an address."""
    text = f"<p>{html.escape(method.description)}</p>"
    if not method.reference:
        return text
    words = []
    for word in html.escape(method.reference).split():
        is_address = word.startswith("https://")
        words.append(f'<a href="{word}">{word}</a>' if is_address else word)
    return f"{text}<p>{' '.join(words)}</p>"


def _devices() -> list[tuple[str, str]]:
    devices = [("auto", _("Automatic")), ("cpu", _("Processor (CPU)"))]
    if sys.platform == "darwin":
        return [*devices, ("mps", _("Apple GPU (MPS)"))]
    return [*devices, ("cuda", _("NVIDIA GPU (CUDA)"))]
