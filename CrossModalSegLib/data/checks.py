"""Checks of one case, and of a cohort, that save weeks: each finding is a warning in words.

They look for gross mistakes, on thinned-out arrays, and are silent where they cannot be sure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import orientation_code
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort_record import CohortCase
from CrossModalSegLib.data.foreground import foreground_threshold

FLIP_GAIN = 2.0
"""A flipped label map must explain this much more of the image's variance,"""

FLIP_DIFFERENCE = 0.03
"""and this share of it more, to be taken for the right one."""

OUTSIDE_SHARE = 0.3
"""Labels of which this share lies in air are suspicious."""

JUMP = 8.0
"""Neighbours that differ by this many times the usual are no neighbours."""

SPACING_RATIO = 2.0
"""Spacings that differ from the median by this factor are outliers."""

_THINNED = 96
_MIN_SLICES = 8
_SIDES = {"abdomen": ((2, 3, "right kidney", "left kidney"), (1, 4, "liver", "spleen"))}
"""By task: a structure on the patient's right and one on the left."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something about a case that users should look at.

    Attributes:
        case: Its name.
        kind: Stable name for programs.
        message: What was seen.
        hint: What it may mean.
    """

    case: str
    kind: str
    message: str
    hint: str


def check_case(
    case: str, image: Volume, labels: Volume | None, task: Task, *, is_ct: bool
) -> list[Finding]:
    """Return what is suspicious about an image and its labels."""
    found: list[tuple[str, str, str] | None] = [_slice_order(image)]
    if labels is not None and labels.array_kji.any():
        thin = tuple(slice(None, None, max(1, n // _THINNED)) for n in image.shape_kji)
        pair = image.array_kji[thin], labels.array_kji[thin]
        found += [
            _flip(*pair, image, is_ct=is_ct),
            _outside(*pair, is_ct=is_ct),
            _sides(labels, task),
        ]
    return [
        Finding(case=case, kind=kind, message=message, hint=hint)
        for kind, message, hint in filter(None, found)
    ]


def check_spacings(cases: Sequence[CohortCase]) -> Iterator[Finding]:
    """Yield the cases whose spacing is far from the median of all."""
    if len(cases) < 3:
        return
    spacings = np.array([case.spacing_mm for case in cases])
    usual = np.median(spacings, axis=0)
    ratios = np.maximum(spacings / usual, usual / spacings).max(axis=1)
    for case, ratio in zip(cases, ratios, strict=True):
        if ratio >= SPACING_RATIO:
            yield Finding(
                case=case.id,
                kind="spacing_outlier",
                message=f"its slices have {_mm(case.spacing_mm)}, usual here is {_mm(usual)}",
                hint="Check that it is the same kind of scan, or resample with --spacing.",
            )


def check_shared_images(cases: Sequence[CohortCase], others: Sequence[CohortCase]) -> list[str]:
    """Return the pairs of cases, of two cohorts, that hold the same image or subject."""
    by_hash = {case.content_hash: case for case in others}
    subjects = {case.subject for case in others}
    return [
        f"{case.id} (subject {case.subject})"
        for case in cases
        if case.content_hash in by_hash or case.subject in subjects
    ]


def _flip(
    image: NDArray[Any], labels: NDArray[np.uint8], grid: Volume, *, is_ct: bool
) -> tuple[str, str, str] | None:
    """Look whether labels explain the body's intensities better when they are flipped."""
    body = image > foreground_threshold(image, is_ct=is_ct)
    if not body.any():
        return None
    inside = np.clip(image[body], *np.percentile(image[body], (0.5, 99.5)))
    explained = {
        flips: _explained_variance(inside, labels[tuple(slice(None, None, s) for s in flips)][body])
        for flips in product((1, -1), repeat=3)
    }
    own = explained[1, 1, 1]
    best = max(explained, key=lambda flips: explained[flips])
    gain = explained[best] - own
    if best == (1, 1, 1) or gain < FLIP_DIFFERENCE or explained[best] < FLIP_GAIN * own:
        return None
    letters = orientation_code(grid.affine_ras)[::-1]
    axes = [_AXIS_NAMES[letters[axis]] for axis in range(3) if best[axis] < 0]
    return (
        "flipped_labels",
        (
            f"its labels fit the image better when flipped {' and '.join(axes)} (they explain "
            f"{explained[best]:.0%} of its variance, not {own:.0%})"
        ),
        "Check in a viewer that image and labels were saved in one orientation.",
    )


_AXIS_NAMES = {
    **dict.fromkeys("LR", "left-right"),
    **dict.fromkeys("AP", "front-back"),
    **dict.fromkeys("SI", "top-bottom"),
}


def _explained_variance(image: NDArray[Any], labels: NDArray[np.uint8]) -> float:
    """Return the share of the image's variance that lies between the labels' classes."""
    flat, classes = image.astype(np.float64), labels
    counts = np.bincount(classes)
    sums = np.bincount(classes, weights=flat)
    present = counts > 0
    mean, variance = flat.mean(), flat.var()
    between = (counts[present] * (sums[present] / counts[present] - mean) ** 2).sum()
    return float(between / flat.size / variance) if variance > 0 else 0.0


def _outside(
    image: NDArray[Any], labels: NDArray[np.uint8], *, is_ct: bool
) -> tuple[str, str, str] | None:
    inside = labels > 0
    if not inside.any():
        return None
    share = float((image[inside] <= foreground_threshold(image, is_ct=is_ct)).mean())
    if share < OUTSIDE_SHARE:
        return None
    return (
        "labels_outside",
        f"{share:.0%} of its labelled voxels lie outside the body",
        "Check that image and labels belong to one patient and one orientation.",
    )


def _sides(labels: Volume, task: Task) -> tuple[str, str, str] | None:
    """Look whether structures of the right lie right of those of the left."""
    for right, left, right_name, left_name in _SIDES.get(task.name, ()):
        places = [_centre_r(labels, value) for value in (right, left)]
        if places[0] is not None and places[1] is not None and places[0] < places[1]:
            return (
                "swapped_sides",
                f"its {right_name} lies on the patient's left of its {left_name}",
                "Left and right are swapped in the labels, or in both files' headers.",
            )
    return None


def _centre_r(labels: Volume, value: int) -> float | None:
    """Return how far right (R, mm) the centre of a class lies."""
    mask = labels.array_kji == value
    total = int(mask.sum())
    if not total:
        return None
    means = []
    for axis, size in enumerate(mask.shape):
        others = tuple(n for n in range(3) if n != axis)
        means.append(float(mask.sum(axis=others) @ np.arange(size)) / total)
    centre = labels.affine_ras @ [*means[::-1], 1.0]
    return float(centre[0])


def _slice_order(image: Volume) -> tuple[str, str, str] | None:
    """Look whether neighbouring slices resemble each other, along the thickest axis."""
    axis = int(np.argmax(image.spacing_mm[::-1]))  # k of an isotropic volume
    thin = [slice(None, None, max(1, n // _THINNED)) for n in image.shape_kji]
    thin[axis] = slice(None)
    slices = np.moveaxis(image.array_kji[tuple(thin)], axis, 0)
    if len(slices) < _MIN_SLICES:
        return None
    next_one = np.array([np.abs(a - b).mean() for a, b in pairwise(slices)])
    after_it = np.array([np.abs(a - b).mean() for a, b in zip(slices, slices[2:], strict=False)])
    usual = float(np.median(next_one[next_one > 0])) if (next_one > 0).any() else 0.0
    nearer = float((after_it < 0.8 * next_one[:-1]).mean())
    jumps = np.flatnonzero(next_one[1:-1] > JUMP * usual) + 1
    if usual and (nearer > 0.4 or jumps.size):
        where = f"slices {jumps[0]} and {jumps[0] + 1}" if jumps.size else "every other slice"
        return (
            "slice_order",
            f"its slices seem to be out of order ({where})",
            "Convert it again from the original, sorted by position.",
        )
    return None


def _mm(spacing: Sequence[float] | NDArray[np.float64]) -> str:
    return "x".join(f"{value:.2f}" for value in spacing) + " mm"
