"""Why Apply cannot be pressed yet, in words for its tooltip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.bridge.model_catalogue import ModelCard


@dataclass(frozen=True, kw_only=True)
class ApplyState:
    """What the Segment page knows when it asks.

    Attributes:
        is_ready: Whether everything that is needed is installed.
        volumes: Chosen volume nodes, None where nothing is chosen.
        modality: Name of the modality that the user says the first volume has; "" if not said.
        model: The chosen model.
        structures: Those that are kept.
    """

    is_ready: bool
    volumes: Sequence[Any]
    modality: str
    model: ModelCard | None
    structures: Sequence[str]


def reason_not_to_apply(state: ApplyState) -> str:
    """Return what is missing, the first thing first; "" if nothing is."""
    checks = (_installation, _first_volume, _model, _modality, _further_volumes, _structures)
    return next((reason for check in checks if (reason := check(state))), "")


def _installation(state: ApplyState) -> str:
    if state.is_ready:
        return ""
    return "Packages are missing that the models need: see the top of this page."


def _first_volume(state: ApplyState) -> str:
    if not state.volumes or state.volumes[0] is None:
        return "Choose a volume, or press 'Try it with a sample'."
    image = state.volumes[0].GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        return f"The volume {state.volumes[0].GetName()!r} is empty. Choose another one."
    return ""


def _model(state: ApplyState) -> str:
    if state.model is None:
        return "Choose a model. More can be imported on the Models page."
    return ""


def _modality(state: ApplyState) -> str:
    if state.model is None or not state.modality:
        return "Say what kind of scan this is ('This scan is')."
    target = state.model.target_modality
    if state.modality != target.name:
        return (
            f"The model is for {target.label} scans. Choose another model, or correct what this "
            "scan is."
        )
    return ""


def _further_volumes(state: ApplyState) -> str:
    if state.model is None:
        return ""
    needed = state.model.input_modalities
    given = list(state.volumes[: len(needed)])
    if len(given) < len(needed) or any(volume is None for volume in given):
        return f"This model needs {len(needed)} volumes: {', '.join(needed)}. Choose all of them."
    if len({volume.GetID() for volume in given}) < len(given):
        return "The same volume is chosen twice. Choose a different one for each input."
    return ""


def _structures(state: ApplyState) -> str:
    if not state.structures:
        return "No structure is kept. Check at least one under Options."
    return ""
