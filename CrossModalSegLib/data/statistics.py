"""What the intensities of a cohort look like, before and after preprocessing.

Stored in cohorts and, for the training target, in bundles: a scan that does not look like the
modality a model was made for is recognised by these numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

SAMPLED_VOXELS = 8192
"""Voxels of one case that percentiles and histograms are made from: 32 KiB a case."""

PERCENTILES = (0.5, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5)

HISTOGRAM_BINS = 64

PREPARED_RANGE = (-1.0, 1.0)
"""Range of prepared slices."""

_RAW_TAILS = (0.1, 99.9)
"""Percentiles that bound the histogram of raw intensities; metal and air lie beyond."""

_SAMPLING_SEED = 20240101


@dataclass(frozen=True, kw_only=True)
class IntensitySample:
    """One case's intensities: exact moments, and voxels drawn at random for the rest."""

    count: int
    total: float
    total_of_squares: float
    minimum: float
    maximum: float
    values: Array


@dataclass(frozen=True, kw_only=True)
class IntensityStatistics:
    """The distribution of intensities over all voxels of one or several cases.

    Attributes:
        mean: Exact.
        std: Exact population standard deviation.
        minimum: Exact.
        maximum: Exact.
        percentiles: By percentage, e.g. "50"; of sampled voxels.
        histogram: Shares of voxels in bins of one width; the outer bins hold what lies beyond.
        histogram_range: Lower edge of the first and upper edge of the last bin.
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    percentiles: dict[str, float]
    histogram: tuple[float, ...]
    histogram_range: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CohortStatistics:
    """What a cohort holds.

    Attributes:
        num_cases: Number of cases.
        num_slices: Number of slices of all cases.
        raw: Of the original volumes, in their own units.
        prepared: Of the prepared slices.
        case_distances: Histogram distance of each case's prepared slices to `prepared`, rising:
            what is usual within this cohort.
        class_voxels: Voxels of each class value in the prepared labels, background first.
    """

    num_cases: int
    num_slices: int
    raw: IntensityStatistics
    prepared: IntensityStatistics
    case_distances: tuple[float, ...]
    class_voxels: tuple[int, ...] | None


def sample_intensities(array: NDArray[np.floating]) -> IntensitySample:
    """Summarise one array of any shape; draws the same voxels each time."""
    flat = array.reshape(-1)
    total = float(flat.sum(dtype=np.float64))
    squares = sum(
        float(np.square(part, dtype=np.float64).sum())
        for part in np.array_split(flat, max(1, flat.size // 2**20))
    )
    drawn = flat
    if flat.size > SAMPLED_VOXELS:
        generator = np.random.default_rng(_SAMPLING_SEED)
        drawn = flat[generator.integers(0, flat.size, SAMPLED_VOXELS)]
    return IntensitySample(
        count=flat.size,
        total=total,
        total_of_squares=squares,
        minimum=float(flat.min()),
        maximum=float(flat.max()),
        values=drawn.astype(np.float32),
    )


def describe_intensities(
    samples: Sequence[IntensitySample], histogram_range: tuple[float, float] | None = None
) -> IntensityStatistics:
    """Return the distribution over all cases; each case weighs by its number of voxels.

    Args:
        samples: At least one.
        histogram_range: By default the 0.1 and 99.9 percentiles of what was sampled.
    """
    count = sum(sample.count for sample in samples)
    mean = sum(sample.total for sample in samples) / count
    variance = sum(sample.total_of_squares for sample in samples) / count - mean**2
    values = np.concatenate([sample.values for sample in samples]).astype(np.float64)
    weights = np.concatenate(
        [np.full(s.values.size, s.count / s.values.size / count) for s in samples]
    )
    low, high = histogram_range or _bounds(values, weights)
    histogram, _ = np.histogram(
        np.clip(values, low, high), HISTOGRAM_BINS, range=(low, high), weights=weights
    )
    percentiles = _percentiles(values, weights, PERCENTILES)
    return IntensityStatistics(
        mean=mean,
        std=max(variance, 0.0) ** 0.5,
        minimum=min(sample.minimum for sample in samples),
        maximum=max(sample.maximum for sample in samples),
        percentiles={f"{p:g}": v for p, v in zip(PERCENTILES, percentiles, strict=True)},
        histogram=tuple(float(share) for share in histogram),
        histogram_range=(low, high),
    )


def histogram_distance(first: IntensityStatistics, second: IntensityStatistics) -> float:
    """Return the Wasserstein-1 distance of two histograms over one range, in its unit.

    Raises:
        ValueError: The histograms have different ranges or bins.
    """
    is_comparable = first.histogram_range == second.histogram_range
    if not is_comparable or len(first.histogram) != len(second.histogram):
        raise ValueError("Histograms over different ranges cannot be compared.")
    low, high = first.histogram_range
    difference = np.cumsum(np.subtract(first.histogram, second.histogram))
    return float(np.abs(difference).sum() * (high - low) / len(first.histogram))


def describe_cohort(
    raw: Sequence[IntensitySample],
    prepared: Sequence[IntensitySample],
    num_slices: int,
    class_voxels: Sequence[Sequence[int]] | None,
) -> CohortStatistics:
    """Return the statistics of a cohort from its cases', given in one order."""
    pooled = describe_intensities(prepared, PREPARED_RANGE)
    distances = sorted(
        histogram_distance(describe_intensities([sample], PREPARED_RANGE), pooled)
        for sample in prepared
    )
    counts = None
    if class_voxels is not None:
        counts = tuple(int(n) for n in np.sum(np.asarray(class_voxels, dtype=np.int64), axis=0))
    return CohortStatistics(
        num_cases=len(prepared),
        num_slices=num_slices,
        raw=describe_intensities(raw),
        prepared=pooled,
        case_distances=tuple(distances),
        class_voxels=counts,
    )


def count_slice_classes(labels: NDArray[np.uint8], num_classes: int) -> NDArray[np.int32]:
    """Count the voxels of each class value in each slice.

    Args:
        labels: (slices, rows, columns), values below `num_classes`.
        num_classes: Background included.

    Returns:
        (slices, num_classes).
    """
    flat = labels.reshape(len(labels), -1)
    counts = [np.bincount(row, minlength=num_classes)[:num_classes] for row in flat]
    return np.stack(counts).astype(np.int32)


def _bounds(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    low, high = _percentiles(values, weights, _RAW_TAILS)
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _percentiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], wanted: Sequence[float]
) -> list[float]:
    """Return the smallest values below or at which at least that share of the weight lies."""
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    shares = np.asarray(wanted) / 100 - 1e-9  # sums of weights are off by roundings
    places = np.searchsorted(cumulated, shares * cumulated[-1])
    return [float(values[order[min(place, len(order) - 1)]]) for place in places]
