"""Which scan, and what kind of scan it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from CrossModalSegLib.bridge.modality_suggestion import suggest_modality
from CrossModalSegLib.bridge.model_catalogue import ModelCard
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.widget.choices import Choices

INPUTS = ("inputVolume", "secondVolume", "thirdVolume", "fourthVolume")
"""Parameters that hold the volumes, in a model's order."""


class InputPanel:
    """Volumes and the first one's modality.

    The modality is only ever suggested: from the name and the DICOM description of a volume when
    that is chosen. What the user said of a volume is not changed by a suggestion.

    Args:
        ui: Widgets of SegmentPage.ui.
        on_changed: Called when the user said what the scan is.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._on_changed = on_changed
        self._parameters: Any = None
        self._suggested_for = ""
        self._modality = Choices(ui.modalityBox, self._say_modality)

    def set_parameters(self, parameters: Any) -> None:
        """Show and change these parameters."""
        self._parameters = parameters
        volume = parameters.inputVolume if parameters is not None else None
        # What was saved with a scene was said by the user.
        self._suggested_for = volume.GetID() if volume is not None and parameters.modality else ""

    @property
    def volumes(self) -> list[Any]:
        """The chosen nodes, None where nothing is chosen."""
        if self._parameters is None:
            return [None]
        return [getattr(self._parameters, name) for name in INPUTS]

    def update(self, cards: tuple[ModelCard, ...], model: ModelCard | None) -> None:
        """Show the parameters' state.

        Args:
            cards: All models; their modalities can be chosen, custom ones included.
            model: The chosen one; says how many volumes are needed.
        """
        self._suggest()
        labels = {name: modality.label for name, modality in MODALITIES.items()}
        labels |= {card.target_modality.name: card.target_modality.label for card in cards}
        self._modality.fill(list(labels.items()), self._parameters.modality)
        inputs = model.input_modalities if model is not None else ()
        ui = self._ui
        rows = (
            (ui.secondSelectorLabel, ui.secondSelector),
            (ui.thirdSelectorLabel, ui.thirdSelector),
            (ui.fourthSelectorLabel, ui.fourthSelector),
        )
        for index, row in enumerate(rows, start=1):
            for widget in row:
                widget.setVisible(index < len(inputs))
            if index < len(inputs):
                row[0].setText(labels.get(inputs[index], inputs[index]) + ":")

    def _suggest(self) -> None:
        volume = self._parameters.inputVolume
        node_id = volume.GetID() if volume is not None else ""
        if node_id == self._suggested_for:
            return
        self._suggested_for = node_id
        suggestion = suggest_modality(volume) if volume is not None else ""
        if suggestion:
            self._parameters.modality = suggestion
            self._ui.modalityHint.setText(
                _("Suggested from the volume's name or description. Please check it.")
            )
        else:
            self._parameters.modality = ""
            self._ui.modalityHint.setText(
                _("Please say what kind of scan this is.") if volume is not None else ""
            )

    def _say_modality(self, name: str) -> None:
        self._parameters.modality = name
        self._ui.modalityHint.setText("")
        self._on_changed()
