"""Bringing intensities to [-1, 1]: windows of CT, z-scores of MR, published fixed ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import ConfigError, InputFileError
from CrossModalSegLib.core.modalities import Modality

SIFA_RANGES = {"mr": (-1.8, 4.4), "ct": (-2.8, 3.2)}
"""What SIFA maps to [-1, 1] of each volume's z-scores, whose top 2 % are clipped; of the CT for
its released MR->CT checkpoint (-1.9, 3.0)."""


_FIXED_KINDS = ("fixed_zscore", "fixed")


@dataclass(frozen=True, kw_only=True)
class IntensityRule:
    """How the intensities of one volume become numbers in [-1, 1].

    Attributes:
        kind: "window_hu" maps the window linearly to [-1, 1] and clips. "robust_zscore" clips to
            `percentiles`, subtracts the mean, divides by the standard deviation (DSAN, section
            4.1) and by `clip_sigma`, and clips to [-1, 1]. "fixed_zscore" clips to `percentiles`
            of all voxels, takes the z-score of all voxels, and maps `fixed_range` to [-1, 1]
            (SIFA). "fixed" maps `fixed_range` to [-1, 1]: what has such numbers already.
        window_hu: Bounds of the window.
        percentiles: Lower and upper percentile, from 0 to 100.
        fixed_range: Bounds of what is mapped to [-1, 1] by the two fixed rules.
        clip_sigma: Standard deviations that become 1. DSAN does not say how the z-score is
            "transferred to [-1, 1]"; 3 keeps 99.7 % of a normal distribution.
    """

    kind: Literal["window_hu", "robust_zscore", "fixed_zscore", "fixed"]
    window_hu: tuple[float, float] | None = None
    percentiles: tuple[float, float] = (0.5, 99.0)
    clip_sigma: float = 3.0
    fixed_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse rules that cannot be applied.

        Raises:
            ConfigError: A window is missing, bounds are not in order, or `clip_sigma` is not
                positive.
        """
        window, (low, high) = self.window_hu, self.percentiles
        if self.kind == "window_hu" and (window is None or not window[0] < window[1]):
            raise ConfigError(f"window_hu is {window}, expected two numbers, lower < upper.")
        fixed = self.fixed_range
        if self.kind in _FIXED_KINDS and (fixed is None or not fixed[0] < fixed[1]):
            raise ConfigError(f"fixed_range is {fixed}, expected two numbers, lower < upper.")
        if not 0 <= low < high <= 100:
            raise ConfigError(
                f"percentiles is {self.percentiles}, expected 0 <= lower < upper <= 100."
            )
        if not self.clip_sigma > 0:
            raise ConfigError(f"clip_sigma is {self.clip_sigma}, expected a positive number.")


def intensity_rule(modality: Modality) -> IntensityRule:
    """Return the rule that goes with a modality."""
    kind: Literal["window_hu", "robust_zscore"] = "window_hu" if modality.is_ct else "robust_zscore"
    return IntensityRule(kind=kind, window_hu=modality.window_hu, percentiles=modality.percentiles)


def scale_intensities(array_kji: NDArray[Any], rule: IntensityRule) -> NDArray[np.float32]:
    """Return a whole volume in [-1, 1].

    The statistics of the z-score are those of all voxels above the volume's minimum: of the whole
    field of view in an ordinary scan, of the brain in a skull-stripped one. What is at the minimum
    is not clipped to the percentiles, lest the surroundings look like the darkest tissue.

    Raises:
        InputFileError: Voxels are NaN or infinite, the image is constant, or nothing of it lies
            within the window.
    """
    array = array_kji.astype(np.float32)
    _require_contrast(array)
    if rule.kind == "robust_zscore":
        centre, half_width = _clip_robustly(array, rule)
    elif rule.kind in _FIXED_KINDS:
        centre, half_width = _fixed(array, rule)
    else:
        centre, half_width = _window(array, rule)
    half_width = max(half_width, float(np.finfo(np.float32).tiny))
    np.clip(array, centre - half_width, centre + half_width, out=array)
    array -= np.float32(centre)
    array /= np.float32(half_width)
    return np.clip(array, -1.0, 1.0, out=array)  # the bounds were rounded


def _clip_robustly(array: NDArray[np.float32], rule: IntensityRule) -> tuple[float, float]:
    """Clip `array` in place to its percentiles; return mean and what becomes 1 above it."""
    minimum = array.min()
    surroundings = array == minimum
    sample = array[~surroundings]
    if sample.min() == sample.max():  # two values in all, as in a mask: both count
        sample = array.ravel()
    low, high = (float(bound) for bound in np.percentile(sample, rule.percentiles))
    if low == high:  # nearly everything is one value: the percentiles would erase the rest
        low, high = float(sample.min()), float(sample.max())
    np.clip(array, low, high, out=array)
    array[surroundings] = minimum
    sample = np.clip(sample, low, high)
    deviation = float(sample.std(dtype=np.float64))
    return float(sample.mean(dtype=np.float64)), rule.clip_sigma * deviation


def _window(array: NDArray[np.float32], rule: IntensityRule) -> tuple[float, float]:
    """Return centre and half width of the window."""
    low, high = rule.window_hu or (-1.0, 1.0)
    if array.max() <= low or array.min() >= high:
        raise InputFileError(
            f"The image goes from {array.min():g} to {array.max():g}, wholly outside the window "
            f"of {low:g} to {high:g} HU.",
            hint="Check that it is a CT in Hounsfield units.",
        )
    return (low + high) / 2, (high - low) / 2


def _fixed(array: NDArray[np.float32], rule: IntensityRule) -> tuple[float, float]:
    """Return centre and half width of what becomes [-1, 1]; clip `array` to the percentiles."""
    low, high = rule.fixed_range or (-1.0, 1.0)
    if rule.kind == "fixed_zscore":
        bounds = [float(bound) for bound in np.percentile(array, rule.percentiles)]
        if bounds[0] < bounds[1]:
            np.clip(array, *bounds, out=array)
        mean, deviation = float(array.mean(dtype=np.float64)), float(array.std(dtype=np.float64))
        low, high = mean + low * deviation, mean + high * deviation
    return (low + high) / 2, (high - low) / 2


def _require_contrast(array: NDArray[np.float32]) -> None:
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise InputFileError(
            "The image has NaN or infinite voxels, expected none.",
            hint="Replace them (by the background, say).",
        )
    if low == high:
        raise InputFileError(
            f"The image is constant: every voxel is {low:g}.",
            hint="Check that it is the image, not an empty mask.",
        )
