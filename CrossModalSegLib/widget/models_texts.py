"""What the Models page says depending on what is selected."""

from __future__ import annotations

from slicer.i18n import tr as _

from CrossModalSegLib.bridge.model_catalogue import ModelCard


def no_match(search: str) -> str:
    """Say that a search found nothing."""
    return str(_("No model mentions \u201c{search}\u201d.").format(search=search))


def no_models() -> str:
    """Say how to get the first model."""
    return str(_("No models yet.\n\nImport a .zip file, or the bundle folder of a training run."))


def export_tip(card: ModelCard | None) -> str:
    """Say what Export does, or why it does nothing."""
    if card is None:
        return str(_("Select a model first."))
    if not card.is_usable:
        return str(_("A model that cannot be used cannot be exported."))
    return str(_("Save the selected model as a .zip file, for others or for another computer."))


def delete_tip(card: ModelCard | None) -> str:
    """Say what Delete does, or why it does nothing."""
    if card is None:
        return str(_("Select a model first."))
    if card.is_shipped:
        return str(
            _("This model came with CrossModalSeg and cannot be deleted. Imported ones can.")
        )
    return str(_("Remove the selected model from this computer."))
