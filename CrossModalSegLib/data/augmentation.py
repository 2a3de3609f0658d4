"""Random changes of place and of appearance, for whole batches of slices at once.

MONAI's transforms work sample by sample. For 8 slices of 64x64 on two CPU cores the like of these
(affine, contrast, bias field, noise) took 36 ms there and 6.6 ms here, where the whole batch goes
at once; a training step of the small network takes some 50 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from CrossModalSegLib.core.tensors import Images, Labels


@dataclass(frozen=True, kw_only=True)
class SpatialAugmentation:
    """A random similarity transform of each slice; images linear, labels nearest neighbour.

    Ranges are symmetric: a value r means uniform in [-r, r].
    """

    rotation_degrees: float = 11.5
    """Angle about the slice's centre."""
    log_scale: float = 0.13
    """Natural logarithm of the magnification."""
    shift_fraction: float = 0.06
    """Shift as a fraction of the slice's size."""

    @property
    def is_identity(self) -> bool:
        """Whether nothing would change."""
        return not (self.rotation_degrees or self.log_scale or self.shift_fraction)

    def grids(self, images: Images, generator: Generator) -> Tensor:
        """Draw one sampling grid for each slice, shape (batch, height, width, 2)."""
        count = len(images)
        angle = _symmetric(count, math.radians(self.rotation_degrees), generator)
        scale = torch.exp(_symmetric(count, self.log_scale, generator))
        shift = _symmetric(2 * count, 2 * self.shift_fraction, generator).view(count, 2, 1)
        cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
        linear = torch.stack([cosine, -sine, sine, cosine], dim=1).view(count, 2, 2)
        return F.affine_grid(
            torch.cat([linear, shift], dim=2), list(images.shape), align_corners=False
        )

    def __call__(
        self, images: Images, labels: Labels | None, generator: Generator
    ) -> tuple[Images, Labels | None]:
        """Transform images, and their labels alike if there are any."""
        if self.is_identity:
            return images, labels
        grids = self.grids(images, generator)
        moved = F.grid_sample(images, grids, "bilinear", padding_mode="border", align_corners=False)
        if labels is None:
            return moved, None
        values = labels[:, None].float()
        values = F.grid_sample(values, grids, "nearest", padding_mode="border", align_corners=False)
        return moved, values[:, 0].to(labels.dtype)


@dataclass(frozen=True, kw_only=True)
class AppearanceAugmentation:
    """Random changes of intensity that leave the anatomy in place. All zero: none.

    Ours, usable with every method; no paper of `papers/` has it. Remapping intensities at random
    follows the idea of appearance randomisation for domain generalisation.
    """

    gamma: float = 0.0
    """Half range of the natural logarithm of the exponent."""
    contrast: float = 0.0
    """Half range of the relative change of contrast."""
    brightness: float = 0.0
    """Half range of the shift, in units of [-1, 1] intensities."""
    bias_field: float = 0.0
    """Largest standard deviation of the logarithm of a smooth multiplicative field."""
    noise: float = 0.0
    """Largest standard deviation of Gaussian noise."""
    blur_probability: float = 0.0
    """Share of slices that are smoothed over 3x3 pixels."""
    remap_probability: float = 0.0
    """Share of slices whose intensities go through a random piecewise linear curve."""
    remap_knots: int = 6
    """Corners of that curve, its ends included."""

    @property
    def is_identity(self) -> bool:
        """Whether nothing would change."""
        return self == AppearanceAugmentation(remap_knots=self.remap_knots)

    def __call__(self, images: Images) -> Images:
        """Change each slice in its own way, drawing from torch's global generator."""
        if self.is_identity:
            return images
        images = self._remap(images)
        unit = _power(((images + 1) / 2).clamp(0, 1), torch.exp(_like(images, self.gamma)))
        unit = self._blur(unit * self._bias(images))
        changed = (unit * 2 - 1) * (1 + _like(images, self.contrast))
        changed = changed + _like(images, self.brightness)
        noise = _like(images, self.noise).abs() * torch.randn_like(images)
        return (changed + noise).clamp(-1.3, 1.3)

    def _remap(self, images: Images) -> Images:
        if not self.remap_probability:
            return images
        chosen = torch.rand(len(images), device=images.device) < self.remap_probability
        remapped = random_remap(images, self.remap_knots)
        return torch.where(chosen[:, None, None, None], remapped, images)

    def _bias(self, images: Images) -> Tensor:
        coarse = torch.randn(len(images), 1, 3, 3, device=images.device)
        field = F.interpolate(coarse, images.shape[2:], mode="bicubic", align_corners=False)
        return torch.exp(_like(images, self.bias_field).abs() * field)

    def _blur(self, unit: Images) -> Images:
        chosen = torch.rand(len(unit), device=unit.device) < self.blur_probability
        blurred = F.avg_pool2d(F.pad(unit, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        return torch.where(chosen[:, None, None, None], blurred, unit)


STEEPEST = 1e-3
"""Below it a power of the intensity is a straight line: gradients may pass through augmentation."""

STRONG_APPEARANCE = AppearanceAugmentation(
    gamma=0.5,
    contrast=0.2,
    brightness=0.15,
    bias_field=0.35,
    noise=0.15,
    blur_probability=0.3,
    remap_probability=0.5,
)
"""The augmentation of the quick presets; the same for every method, so that rows compare."""


def random_remap(images: Images, knots: int) -> Images:
    """Send intensities in [-1, 1] through random piecewise linear curves, one for each slice.

    A quarter of the curves rise, a quarter fall, half go up and down; results span [-1, 1].
    """
    count, device = len(images), images.device
    values = torch.rand(count, knots, device=device) * 2 - 1
    rising = values.sort(dim=1).values
    is_falling = torch.rand(count, 1, device=device) < 0.5
    monotone = torch.where(is_falling, rising.flip(1), rising)
    values = torch.where(torch.rand(count, 1, device=device) < 0.5, monotone, values)

    position = (images.clamp(-1, 1) + 1) / 2 * (knots - 1)
    lower = position.floor().clamp(max=knots - 2)
    weight = position - lower
    index = lower.long().flatten(1)
    below = values.gather(1, index).view_as(images)
    above = values.gather(1, index + 1).view_as(images)
    curve = below * (1 - weight) + above * weight
    lowest = curve.amin(dim=(1, 2, 3), keepdim=True)
    highest = curve.amax(dim=(1, 2, 3), keepdim=True)
    return (curve - lowest) / (highest - lowest).clamp(min=1e-3) * 2 - 1


def _power(unit: Tensor, exponent: Tensor) -> Tensor:
    """Return a power of numbers in [0, 1] whose slope is finite at 0, where images are black."""
    power = unit.clamp(min=STEEPEST) ** exponent
    return torch.where(unit < STEEPEST, unit * STEEPEST ** (exponent - 1), power)


def _symmetric(count: int, half_range: float, generator: Generator) -> Tensor:
    return (torch.rand(count, generator=generator) * 2 - 1) * half_range


def _like(images: Images, half_range: float) -> Tensor:
    draw = torch.rand(len(images), 1, 1, 1, device=images.device)
    return (draw * 2 - 1) * half_range
