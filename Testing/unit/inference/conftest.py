"""A model whose exact answers are known: it names each pixel by its intensity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.intensity import IntensityRule
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.methods.base import Method, MethodConfig, Stage

STEEPNESS = 64.0
"""How sure the model is."""


@dataclass(frozen=True, kw_only=True)
class IntensityBandsConfig(MethodConfig):
    """Settings of the model below: those that every method has."""


class IntensityBands(Method):
    """Gives a pixel the class c whose intensity, 2c/(classes - 1) - 1, is the closest.

    The squared distance is linear in x but for a term that all classes share, so that a 1x1
    convolution does it.
    """

    title = "Intensity bands"
    config_class = IntensityBandsConfig
    uses_target = False

    def __init__(self, config: IntensityBandsConfig) -> None:
        super().__init__()
        self.config = config
        centres = torch.linspace(-1, 1, config.num_classes)
        self.bands = nn.Conv2d(1, config.num_classes, kernel_size=1)
        self.bands.weight = nn.Parameter(STEEPNESS * centres[:, None, None, None])
        self.bands.bias = nn.Parameter(-STEEPNESS * centres**2 / 2)
        self.critic = nn.Conv2d(1, 1, kernel_size=1)

    @property
    def deployed(self) -> tuple[str, ...]:
        """Return the bands alone."""
        return ("bands",)

    def stages(self) -> tuple[Stage, ...]:
        """Return nothing: there is nothing to learn."""
        return ()

    def logits(self, x_t: Tensor) -> Tensor:
        """Return scores that fall with the distance to each class."""
        scores: Tensor = self.bands(x_t)
        return scores


@pytest.fixture
def method() -> IntensityBands:
    """Return the model for the cardiac task."""
    return IntensityBands(IntensityBandsConfig(num_classes=5))


@pytest.fixture
def config(method: IntensityBands) -> BundleConfig:
    """Return what a bundle of it says: intensities 0 to 4 are the classes, slices are 24x24."""
    rule = IntensityRule(kind="window_hu", window_hu=(0.0, 4.0))
    return BundleConfig(
        name="bands",
        title="Intensity bands",
        method="bands",
        method_settings=to_dict(method.config),
        task=TASKS["cardiac"],
        modalities=Modalities(source=MODALITIES["ct"], target=MODALITIES["mr_bssfp"]),
        preprocessing=Preprocessing(slicing="coronal", matrix=(24, 24), intensity=rule),
    )


@pytest.fixture
def bundle(
    tmp_path: Path,
    config: BundleConfig,
    method: IntensityBands,
    monkeypatch: pytest.MonkeyPatch,
) -> Bundle:
    """Return its bundle, with the method in the registry."""
    monkeypatch.setitem(METHODS, "bands", IntensityBands)
    weights = {f"bands.{name}": tensor for name, tensor in method.bands.state_dict().items()}
    return write_bundle(tmp_path / "bundle", config, weights)


@pytest.fixture
def make_volume() -> Callable[..., Volume]:
    """Return a maker of volumes whose intensities are classes, at random."""

    def make(shape_kji: tuple[int, int, int], affine_ras: Any = None, seed: int = 0) -> Volume:
        values = np.random.default_rng(seed).integers(0, 5, shape_kji)
        affine = np.diag([-1.5, -1.0, 2.0, 1.0]) if affine_ras is None else affine_ras
        return Volume(values.astype(np.float32), affine)

    return make
