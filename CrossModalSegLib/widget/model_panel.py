"""Which model: a list that fits the scan, and a card of the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from CrossModalSegLib.bridge.model_catalogue import ModelCard, ModelCatalogue
from CrossModalSegLib.widget.choices import Choices

ANY = "any"


class ModelPanel:
    """Models filtered by modality and structures.

    Args:
        ui: Widgets of SegmentPage.ui.
        catalogue: The models.
        on_changed: Called when the user chose.
    """

    def __init__(self, ui: Any, catalogue: ModelCatalogue, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._catalogue = catalogue
        self._on_changed = on_changed
        self._parameters: Any = None
        self._cards: tuple[ModelCard, ...] = ()
        self._shown: ModelCard | None = None
        self._task = Choices(ui.taskBox, self._choose_task)
        self._model = Choices(ui.modelBox, self._choose_model)

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """All models that can be used."""
        return self._cards

    @property
    def chosen(self) -> ModelCard | None:
        """The chosen model, if it is still there."""
        name = self._parameters.model if self._parameters is not None else ""
        return next((card for card in self._cards if card.name == name), None)

    def set_parameters(self, parameters: Any) -> None:
        """Show and change these parameters."""
        self._parameters = parameters

    def read_catalogue(self) -> None:
        """Look at the models again."""
        self._cards = tuple(card for card in self._catalogue.entries() if card.is_usable)

    def update(self) -> None:
        """Show the parameters' state."""
        parameters = self._parameters
        tasks = {card.task.name: card.task.label for card in self._cards}
        self._task.fill([(ANY, _("Any")), *sorted(tasks.items())], parameters.task or ANY)
        fitting = [card for card in self._cards if self._fits(card)]
        if parameters.model not in {card.name for card in fitting}:
            parameters.model = fitting[0].name if fitting else ""
        self._model.fill([(card.name, card.title) for card in fitting], parameters.model)
        self._ui.modelBox.setToolTip(self._why_empty() if not fitting else self.chosen_title)
        self._show_card()

    @property
    def chosen_title(self) -> str:
        """Title of the chosen model."""
        return self.chosen.title if self.chosen is not None else ""

    def _fits(self, card: ModelCard) -> bool:
        parameters = self._parameters
        is_modality = not parameters.modality or card.target_modality.name == parameters.modality
        is_task = not parameters.task or card.task.name == parameters.task
        return is_modality and is_task

    def _show_card(self) -> None:
        card = self.chosen
        if card is not None and card is self._shown:
            return
        self._shown = card
        self._ui.modelCard.setHtml(card.html() if card is not None else f"<p>{self._why_empty()}")

    def _why_empty(self) -> str:
        if not self._cards:
            return str(_("There is no model yet. Import one on the Models page."))
        return str(
            _(
                "No model fits this kind of scan and these structures. Choose others, or import a "
                "model on the Models page."
            )
        )

    def _choose_task(self, name: str) -> None:
        self._parameters.task = "" if name == ANY else name
        self._on_changed()

    def _choose_model(self, name: str) -> None:
        self._parameters.model = name
        self._on_changed()
