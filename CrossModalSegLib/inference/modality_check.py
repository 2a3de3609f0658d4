"""Does a scan look like those that a model was made for?

Two things are compared with the cases of the training target: the intensities of the prepared
slices, which tell modalities apart, and the deepest features of the model's own network, which tell
what is seen where: another part of the body, a part that is missing, a scan that is mirrored or
upside down. Each is expressed as a multiple of the largest value within the training target.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.feature_statistics import Description
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.data.statistics import (
    PREPARED_RANGE,
    describe_intensities,
    histogram_distance,
    sample_intensities,
)
from CrossModalSegLib.inference.result import Notice
from CrossModalSegLib.inference.unlikeness import (
    UNUSUAL_FEATURES,
    UNUSUAL_INTENSITIES,
    Unlikeness,
)

LEAST_USUAL_DISTANCE = 0.03
"""Where a cohort is so small or so uniform that its own distances say little."""

KIND = "unlike_training"


def compare_intensities(
    slices: NDArray[np.float32], config: BundleConfig
) -> tuple[float | None, ...]:
    """Compare each image of a case with the intensities of the training target.

    Args:
        slices: (slice, channel, row, column) of the whole volume, as `prepare_images` makes them.
        config: Of the bundle.

    Returns:
        The ratio of each channel; None if nothing is known about what is usual.
    """
    return tuple(
        _intensity_ratio(slices[:, channel], config.of_channel(channel))
        for channel in range(slices.shape[1])
    )


def compare_features(case: Description | None, config: BundleConfig) -> float | None:
    """Compare the features of a scan with those of the training target; None as above."""
    usual = config.target_features
    if usual is None or case is None or case.shape != (len(usual.mean),):
        return None
    return usual.distance(case) / max(usual.case_distances)


def warn_of(unlikeness: Unlikeness, config: BundleConfig) -> Notice | None:
    """Return what to tell the user; None if the scan looks as usual, as far as that is known."""
    reasons = []
    if (unlikeness.intensities or 0.0) > UNUSUAL_INTENSITIES:
        reasons.append(
            f"{_whose_intensities(unlikeness, config)} differ {unlikeness.intensities:.1f} times "
            "as much as those of any of them"
        )
    if (unlikeness.features or 0.0) > UNUSUAL_FEATURES:
        reasons.append(
            f"what the model sees in it, and where, differs {unlikeness.features:.1f} times as "
            "much as in any of them"
        )
    if not reasons:
        return None
    target = config.modalities.images_label
    return Notice(
        kind=KIND,
        message=f"This looks unlike the {target} scans that this model was adapted to: "
        f"{', and '.join(reasons)}.",
        hint=f"Check that it is a {target} scan of the same part of the body, complete and neither "
        "mirrored nor upside down, and look at the result with care.",
    )


def _whose_intensities(unlikeness: Unlikeness, config: BundleConfig) -> str:
    """Name the images of a case that are unusual, where there are several."""
    if len(unlikeness.of_images) < 2:
        return "its intensities"
    unusual = [
        modality.label
        for modality, ratio in zip(config.modalities.images, unlikeness.of_images, strict=True)
        if (ratio or 0.0) > UNUSUAL_INTENSITIES
    ]
    return f"the intensities of {' and '.join(unusual)}"


def _intensity_ratio(slices: NDArray[np.float32], config: BundleConfig) -> float | None:
    usual = config.target_statistics
    if usual is None or not usual.case_distances:
        return None
    if usual.prepared.histogram_range != PREPARED_RANGE:
        return None
    scan = describe_intensities([sample_intensities(slices)], PREPARED_RANGE)
    if len(scan.histogram) != len(usual.prepared.histogram):
        return None
    largest = max(LEAST_USUAL_DISTANCE, *usual.case_distances)
    return histogram_distance(scan, usual.prepared) / largest
