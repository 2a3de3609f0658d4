"""What is asked of one prediction."""

from __future__ import annotations

from dataclasses import dataclass

from CrossModalSegLib.bundle.schema import BundleConfig, PostProcessing
from CrossModalSegLib.core.tasks import Region
from CrossModalSegLib.inference.flips import Dims, flipped_dims
from CrossModalSegLib.inference.region import Area
from CrossModalSegLib.inference.structures import choose_structures


@dataclass(frozen=True, kw_only=True, eq=False)
class Wishes:
    """What a user may want of a prediction beside its labels, or otherwise than usual.

    Attributes:
        structures: Names of regions or classes of the task; what they do not need becomes
            background. None given: all.
        region: What lies outside is background, and slices that do not meet it are not computed.
            Intensities are scaled by the whole volume all the same, so that what lies inside does
            not depend on it; rules that clean labels see the inside alone.
        flips: Names of `flips.FLIPS`: the mean over images flipped along them.
        post_processing: Rules that clean labels; None: the bundle's.
        probabilities: Also return the probabilities on the volume's grid.
        uncertainty: Also return where the model is unsure.
        maps: Also return what the method has to show (`Method.maps`).
        quality: Also return how good the result probably is (`agreement`).
    """

    structures: tuple[str, ...] = ()
    region: Area | None = None
    flips: tuple[str, ...] = ()
    post_processing: PostProcessing | None = None
    probabilities: bool = False
    uncertainty: bool = False
    maps: bool = False
    quality: bool = False

    def regions(self, config: BundleConfig) -> tuple[Region, ...]:
        """Return the structures that are wanted.

        Raises:
            UnknownNameError: The task has no such structure.
        """
        return choose_structures(config.task, self.structures)

    def flipped_dims(self, config: BundleConfig) -> tuple[Dims, ...]:
        """Return the flips of slices beside the slices themselves.

        Raises:
            UnknownNameError: There is no such flip.
            ConfigError: It makes no sense for this model.
        """
        return flipped_dims(self.flips, config.task, config.preprocessing.slicing)


NOTHING_SPECIAL = Wishes()
