"""What a prediction gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.unlikeness import Unlikeness


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that the user should know about a prediction that succeeded."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationResult:
    """A segmentation and what is known about it.

    Attributes:
        labels: uint8, on the input's own grid and affine; values of the task's classes.
        voxels: Number of voxels of each structure that was asked for, by name.
        seconds: From volume to labels, without reading the model.
        device: Kind of device that computed it.
        precision: Of the networks, e.g. "bf16-mixed".
        warnings: Also sent as events.
        probabilities: By class name, "background" first, on the input's grid; None if not asked.
        uncertainty: Normalised entropy of the probabilities, 0 to 1, on the input's grid; None if
            not asked.
        unlikeness: How much the scan differs from those that the model was made for; None if that
            was not looked at.
        predicted_dice: Agreement of the result with those of slightly changed images, by structure,
            and as "mean" (`agreement`); None where nothing is found, or if not asked.
        maps: What the method has to show, by name, on the input's grid; None if not asked.
    """

    labels: Volume
    voxels: Mapping[str, int]
    seconds: float
    device: str
    precision: str
    warnings: tuple[Notice, ...] = ()
    probabilities: Mapping[str, Volume] | None = None
    uncertainty: Volume | None = None
    unlikeness: Unlikeness | None = None
    predicted_dice: Mapping[str, float | None] | None = None
    maps: Mapping[str, Volume] | None = None

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Size of each structure in millilitres."""
        return {name: count * self.labels.voxel_ml for name, count in self.voxels.items()}
