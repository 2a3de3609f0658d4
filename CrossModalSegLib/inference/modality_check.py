"""Does a scan look like those that a model was made for?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.data.statistics import (
    PREPARED_RANGE,
    describe_intensities,
    histogram_distance,
    sample_intensities,
)
from CrossModalSegLib.inference.result import Notice

UNUSUAL_FACTOR = 1.75
"""A scan is unusual from this many times the largest distance within the training target.

Measured with 12 unseen CT and 12 unseen bSSFP MR phantoms against cohorts of 20: unseen scans of
the same modality came to at most 1.24 times it (1.66 with 30 % more noise), MR taken for CT to at
least 7.1, CT taken for MR to at least 1.87, inverted MR to 2.85, half of the field of view to 6.8.
"""

LEAST_USUAL_DISTANCE = 0.03
"""Where a cohort is so small or so uniform that its own distances say little."""

KIND = "unlike_training"


def check_modality(slices: NDArray[np.float32], config: BundleConfig) -> Notice | None:
    """Compare a scan's prepared slices with the intensities of the training target.

    Args:
        slices: Those of the whole volume, as `prepare_image` makes them.
        config: Of the bundle.

    Returns:
        What to tell the user; None if the scan looks as usual, or if nothing is known about what
        is usual.
    """
    usual = config.target_statistics
    if usual is None or not usual.case_distances:
        return None
    if usual.prepared.histogram_range != PREPARED_RANGE:
        return None
    scan = describe_intensities([sample_intensities(slices)], PREPARED_RANGE)
    if len(scan.histogram) != len(usual.prepared.histogram):
        return None
    largest = max(LEAST_USUAL_DISTANCE, *usual.case_distances)
    ratio = histogram_distance(scan, usual.prepared) / largest
    if ratio <= UNUSUAL_FACTOR:
        return None
    target = config.modalities.target.label
    return Notice(
        kind=KIND,
        message=f"This scan does not look like the {target} images that the model learned from: "
        f"its intensities differ {ratio:.1f} times as much as those of any of them.",
        hint=f"Check that it is a {target} image of the same part of the body with a similar field "
        "of view, and look at the result with care.",
    )
