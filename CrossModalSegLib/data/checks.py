"""Checks of one case, and of a cohort, that save weeks: each finding is a warning in words.

They look for gross mistakes, on thinned-out arrays, and are silent where they cannot be sure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import orientation_code
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort_record import CohortCase
from CrossModalSegLib.data.foreground import foreground_threshold

FLIP_GAIN = 1.5
"""A flipped label map must explain so many times the variance that the map explains as it is,"""

FLIP_EXPLAINED = 0.2
"""and at least this share of the image's variance around it, to be taken for the right one: faint
structures explain less even where they belong."""

SURROUNDINGS_MM = 10.0
"""What lies so near to a label map is compared with it."""

OUTSIDE_SHARE = 0.15
"""Labels of which this share lies outside the body are suspicious."""

NEIGHBOURS = 2
"""Slices so few positions away are neighbours: every second one may be of another breath."""

RESEMBLANCE = 0.7
"""A slice that differs from one far away by less than this share of what it differs from the
nearer of its neighbours is lost;"""

LOST_SHARE = 0.04
"""if so large a share of the slices is, and at least two are, they are out of order."""

THICKER = 1.05
"""Slices lie along k, unless another axis has a spacing that is larger by this factor."""

SPACING_RATIO = 2.0
"""Spacings that differ from the median by this factor are outliers."""

_EMPTY = (
    "empty_labels",
    "its label map holds none of the task's structures",
    "That may be right; or the labels are of another task, or have other values or names.",
)
_THINNED = 64
_BLOCKS = 24
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
    if labels is not None and not labels.array_kji.any():
        found.append(_EMPTY)
    elif labels is not None:
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
    hashes = {content for case in others for content in case.image_hashes}
    subjects = {case.subject for case in others}
    return [
        f"{case.id} (subject {case.subject})"
        for case in cases
        if not hashes.isdisjoint(case.image_hashes) or case.subject in subjects
    ]


def _flip(
    image: NDArray[Any], labels: NDArray[np.uint8], grid: Volume, *, is_ct: bool
) -> tuple[str, str, str] | None:
    """Look whether labels tell structures from their surroundings better when they are flipped."""
    from scipy import ndimage

    body = image > foreground_threshold(image, is_ct=is_ct)
    if not body.any():
        return None
    clipped = np.clip(image, *np.percentile(image[body], (0.5, 99.5)))
    reach = [
        2 * round(SURROUNDINGS_MM * thin / (mm * size)) + 1
        for thin, size, mm in zip(image.shape, grid.shape_kji, grid.spacing_mm[::-1], strict=True)
    ]
    near = ndimage.maximum_filter(labels, reach, mode="constant") > 0
    explained = {}
    for flips in product((1, -1), repeat=3):
        turned = tuple(slice(None, None, step) for step in flips)
        seen = near[turned] & body
        explained[flips] = _explained_variance(clipped[seen], labels[turned][seen])
    own = explained[1, 1, 1]
    best = max(explained, key=lambda flips: explained[flips])
    if explained[best] < max(FLIP_GAIN * own, FLIP_EXPLAINED):
        return None
    letters = orientation_code(grid.affine_ras)[::-1]
    axes = [_AXIS_NAMES[letters[axis]] for axis in range(3) if best[axis] < 0]
    return (
        "flipped_labels",
        (
            f"its labels fit the image better when flipped {' and '.join(axes)} (they explain "
            f"{explained[best]:.0%} of its variance there, not {own:.0%})"
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
    if not image.size:
        return 0.0
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
    body = _enclosed(image > foreground_threshold(image, is_ct=is_ct))
    share = float((~body[inside]).mean())
    if share < OUTSIDE_SHARE:
        return None
    return (
        "labels_outside",
        f"{share:.0%} of its labelled voxels lie outside the body",
        "Check that image and labels belong to one patient and one orientation.",
    )


def _enclosed(body: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the body with what it encloses, as lungs: along two of the three axes at least."""
    directions = np.zeros(body.shape, np.uint8)
    for axis in range(3):
        before = np.logical_or.accumulate(body, axis=axis)
        behind = np.flip(np.logical_or.accumulate(np.flip(body, axis), axis=axis), axis)
        directions += before & behind
    return np.asarray(directions >= 2)


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
    """Look whether slices resemble others, far away, clearly more than both their neighbours."""
    spacings = np.array(image.spacing_mm[::-1])
    axis = int(np.argmax(spacings)) if spacings.max() > THICKER * spacings[0] else 0
    thin = [slice(None, None, max(1, n // _THINNED)) for n in image.shape_kji]
    thin[axis] = slice(None)
    slices = np.moveaxis(image.array_kji[tuple(thin)], axis, 0)
    if len(slices) < _MIN_SLICES:
        return None
    distances = _distances(_in_blocks(slices.astype(np.float64)))
    next_one = np.diagonal(distances, 1)
    nearer = np.minimum(np.append(next_one, np.inf), np.append(np.inf, next_one))
    index = np.arange(len(slices))
    distances[np.abs(index[:, np.newaxis] - index) <= NEIGHBOURS] = np.inf
    lost = np.flatnonzero(distances.min(axis=1) < RESEMBLANCE * nearer)
    if len(lost) < max(2, LOST_SHARE * len(slices)):
        return None
    listed = ", ".join(map(str, lost[:5] + 1)) + (", ..." if len(lost) > 5 else "")
    return (
        "slice_order",
        (
            f"its slices seem to be out of order: {len(lost)} of {len(slices)} resemble others, "
            f"far away, more than their neighbours (slices {listed})"
        ),
        "Convert it again from the original, sorted by position.",
    )


def _in_blocks(slices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of blocks of each slice as a row: these have little noise."""
    for axis in (1, 2):
        size = slices.shape[axis]
        starts = np.unique(np.linspace(0, size, min(_BLOCKS, size), endpoint=False).astype(int))
        lengths = np.diff(np.append(starts, size))
        sums = np.add.reduceat(slices, starts, axis=axis)
        slices = sums / (lengths[:, np.newaxis] if axis == 1 else lengths)
    return slices.reshape(len(slices), -1)


def _distances(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Euclidean distance of each row to each other one."""
    squares = (rows**2).sum(axis=1)
    squared = squares[:, np.newaxis] + squares - 2 * rows @ rows.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def _mm(spacing: Sequence[float] | NDArray[np.float64]) -> str:
    return "x".join(f"{value:.2f}" for value in spacing) + " mm"
