"""Refusing bundles for what they were not made for."""

from __future__ import annotations

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import InputFileError, MismatchError


def require_images(config: BundleConfig, count: int) -> None:
    """Refuse another number of images than a bundle takes.

    Raises:
        InputFileError: See above; names what is expected, in order.
    """
    wanted = config.modalities.images
    if count == len(wanted):
        return
    listed = ", ".join(modality.label for modality in wanted)
    several = "s of one case, in this order" if len(wanted) > 1 else ""
    raise InputFileError(
        f"{count} image{'' if count == 1 else 's'} of a case were given, expected {len(wanted)}: "
        f"the model {config.name!r} takes {listed}.",
        hint=f"Give the image{several}: {listed}.",
    )


def require_match(config: BundleConfig, *, task: str = "", modality: str = "") -> None:
    """Refuse a bundle that was made for another task or modality than the caller says.

    Args:
        config: Of the bundle.
        task: Name of the task that is wanted; "": any.
        modality: Name of the modality of the images; "": any.

    Raises:
        MismatchError: See above.
    """
    target = config.modalities.target
    if task and task != config.task.name:
        raise MismatchError(
            f"The model {config.name!r} is for the task {config.task.name!r}, not for {task!r}.",
            hint="Choose a model for that task, or leave the task out.",
        )
    if modality and modality != target.name:
        raise MismatchError(
            f"The model {config.name!r} is for {target.label} images ({target.name!r}), not for "
            f"{modality!r}.",
            hint="Choose a model for that modality: on another one its results mean nothing.",
        )
