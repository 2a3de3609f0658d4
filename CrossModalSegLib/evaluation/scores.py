"""Scoring of label maps against references, one record a region (CONTRACTS: scores.json).

What empty masks and missing predictions score is in `evaluation.rules`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, LabelError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.geometry import is_same_grid, require_same_grid
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.evaluation.pairing import Pairing, listed, pair_folders
from CrossModalSegLib.evaluation.records import (
    METRIC_FIELDS,
    EmptyMasks,
    EmptyPolicy,
    ScoreRecord,
)
from CrossModalSegLib.evaluation.rules import (
    DEFAULT_TOLERANCE_MM,
    DISTANCES,
    PREDICTION_MISSING,
    RATIOS,
    ScoringRules,
    Values,
    score_empty,
    score_failure,
)
from CrossModalSegLib.metrics import overlap, surface

Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class CaseLabels:
    """The two label maps of one case, and what to call them in messages."""

    case: str
    prediction: Volume
    reference: Volume
    prediction_name: str = "the prediction"
    reference_name: str = "the reference"


def score_case(
    labels: CaseLabels,
    task: Task,
    *,
    method: str,
    policy: EmptyPolicy = "brats",
    tolerance_mm: float = DEFAULT_TOLERANCE_MM,
) -> tuple[ScoreRecord, ...]:
    """Score every region of one case.

    Args:
        labels: The two label maps.
        task: Its regions are scored.
        method: Name of the method in the records.
        policy: What empty masks score.
        tolerance_mm: Of the normalised surface Dice.

    Raises:
        GeometryError: The two label maps do not lie on the same grid.
        LabelError: One of them holds values that the task does not know.
        UnknownNameError: No such policy.
        ConfigError: The tolerance is negative.
    """
    rules = ScoringRules(policy=policy, tolerance_mm=tolerance_mm)
    prediction, reference = labels.prediction, labels.reference
    require_same_grid(prediction, reference, labels.prediction_name, labels.reference_name)
    _require_known_values(prediction, task, labels.prediction_name)
    _require_known_values(reference, task, labels.reference_name)
    records = []
    predicted_array, expected_array = _cropped(prediction.array_kji, reference.array_kji)
    for region in task.regions:
        predicted, expected = _mask(predicted_array, region), _mask(expected_array, region)
        empty = _empty_masks(predicted, expected)
        measured = (
            _measure(predicted, expected, prediction, rules)
            if empty == "none"
            else score_empty(empty, prediction, rules.policy)
        )
        counts = int(np.count_nonzero(predicted)), int(np.count_nonzero(expected))
        values = measured | _volumes(counts, reference)
        records.append(_record(values, method, labels.case, region, empty))
    return tuple(records)


def score_missing_prediction(
    case: str, reference: Volume, task: Task, *, method: str, policy: EmptyPolicy = "brats"
) -> tuple[ScoreRecord, ...]:
    """Score a case for which a method gave no prediction at all.

    Under `brats` and `worst` it scores 0 and the volume's diagonal, whatever the reference holds: a
    method is not rewarded for what it did not do. Under `exclude` everything is undefined.

    Raises:
        LabelError: The reference holds values that the task does not know.
        UnknownNameError: No such policy.
    """
    rules = ScoringRules(policy=policy)
    _require_known_values(reference, task, f"The reference of case {case!r}")
    records = []
    for region in task.regions:
        count = int(np.count_nonzero(_mask(reference.array_kji, region)))
        values: Values = dict.fromkeys((*RATIOS, *DISTANCES))
        if rules.policy != "exclude":
            values = score_failure(reference)
        values |= _volumes((0, count), reference) | {PREDICTION_MISSING: 1.0}
        records.append(_record(values, method, case, region, "prediction" if count else "both"))
    return tuple(records)


def evaluate_cases(
    pairing: Pairing, task: Task, method: str, rules: ScoringRules, reporter: Reporter
) -> tuple[ScoreRecord, ...]:
    """Score all cases that have a reference, and warn of those that lack one of their files.

    Raises:
        InputFileError: A file cannot be read.
        GeometryError: The label maps of a case do not lie on the same grid.
        LabelError: A label map holds values that the task does not know.
        Cancelled: The job was cancelled between two cases.
    """
    _warn_of_missing(pairing, rules.policy, reporter)
    records: list[ScoreRecord] = []
    for pair in reporter.track(pairing.scorable, "evaluate", len(pairing.scorable)):
        if pair.reference is None:  # `scorable` has none of these
            continue
        if pair.prediction is None:
            reference = read_segmentation(pair.reference, task)
            records += score_missing_prediction(
                pair.case, reference, task, method=method, policy=rules.policy
            )
            continue
        records += score_case(
            _read_case(pair.case, pair.prediction, pair.reference, task),
            task,
            method=method,
            policy=rules.policy,
            tolerance_mm=rules.tolerance_mm,
        )
    return tuple(records)


def evaluate_folder(
    predictions: Path,
    references: Path,
    task: Task,
    method: str,
    policy: EmptyPolicy,
    reporter: Reporter,
) -> tuple[ScoreRecord, ...]:
    """Score a folder of label maps against a folder of references, paired by case name.

    The folders are those of `pair_folders`; the rest is as for `evaluate_cases`.

    Raises:
        CrossModalSegError: See these two.
        UnknownNameError: No such policy.
    """
    rules = ScoringRules(policy=policy)
    return evaluate_cases(pair_folders(predictions, references), task, method, rules, reporter)


def _read_case(case: str, predicted: Path, expected: Path, task: Task) -> CaseLabels:
    """Read both label maps; one that Slicer cropped to what it holds is put on the other's grid."""
    prediction, reference = read_segmentation(predicted, task), read_segmentation(expected, task)
    if not is_same_grid(prediction, reference):
        cropped = [volume_suffix(path) == ".seg.nrrd" for path in (predicted, expected)]
        with suppress(GeometryError):  # scoring refuses the pair and names both files
            if cropped == [True, False]:
                prediction = read_segmentation(predicted, task, grid=reference)
            elif cropped == [False, True]:
                reference = read_segmentation(expected, task, grid=prediction)
    return CaseLabels(
        case=case,
        prediction=prediction,
        reference=reference,
        prediction_name=str(predicted),
        reference_name=str(expected),
    )


def _warn_of_missing(pairing: Pairing, policy: EmptyPolicy, reporter: Reporter) -> None:
    if pairing.missing_predictions:
        means = "left out of the means" if policy == "exclude" else "scored as failures"
        reporter.warning(
            "missing_prediction",
            f"No prediction for {listed(pairing.missing_predictions)}: by the policy {policy!r}, "
            f"they are {means}.",
        )
    if pairing.missing_references:
        reporter.warning(
            "missing_reference",
            f"No reference for {listed(pairing.missing_references)}: they cannot be scored.",
        )


def _require_known_values(labels: Volume, task: Task, name: str) -> None:
    found = set[int]()
    for plane in labels.array_kji:  # a plane at a time: no copy of the volume
        found.update(np.unique(plane).tolist())
    unknown = sorted(found - set(task.known_values))
    if unknown:
        raise LabelError(
            f"{name} holds the label values {unknown[:10]}; task {task.name!r} knows "
            f"{list(task.known_values)}.",
            hint="Map the values of the data set to the task's, or choose another task.",
        )


def _cropped(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Cut all arrays to the box of what any of them labels; outside, nothing changes a metric."""
    axes = range(arrays[0].ndim)
    sides = []
    for axis in axes:
        others = tuple(other for other in axes if other != axis)
        occupied = np.flatnonzero(np.any([array.any(axis=others) for array in arrays], axis=0))
        sides.append(slice(occupied[0], occupied[-1] + 1) if occupied.size else slice(0, 0))
    return [array[tuple(sides)] for array in arrays]


def _mask(labels: NDArray[Any], region: Region) -> Mask:
    return np.isin(labels, region.values)


def _empty_masks(prediction: Mask, reference: Mask) -> EmptyMasks:
    names: dict[tuple[bool, bool], EmptyMasks] = {
        (True, True): "none",
        (False, True): "prediction",
        (True, False): "reference",
        (False, False): "both",
    }
    return names[bool(prediction.any()), bool(reference.any())]


def _record(
    values: dict[str, Any], method: str, case: str, region: Region, empty: EmptyMasks
) -> ScoreRecord:
    named = {name: value for name, value in values.items() if name in METRIC_FIELDS}
    further = {name: value for name, value in values.items() if name not in named}
    return ScoreRecord(
        method=method, case=case, region=region.name, empty=empty, further=further, **named
    )


def _volumes(voxels: tuple[int, int], grid: Volume) -> dict[str, float]:
    volume_ml, reference_ml = (count * grid.voxel_ml for count in voxels)
    difference_ml = volume_ml - reference_ml
    return {
        "volume_ml": volume_ml,
        "reference_volume_ml": reference_ml,
        "volume_difference_ml": difference_ml,
        "absolute_volume_difference_ml": abs(difference_ml),
    }


def _measure(prediction: Mask, reference: Mask, grid: Volume, rules: ScoringRules) -> Values:
    """Measure two masks that both hold voxels."""
    spacing_kji_mm = grid.spacing_mm[::-1]
    pair = surface.surface_pair(prediction, reference)
    in_mm = pair.distances(spacing_kji_mm)
    if np.allclose(spacing_kji_mm, spacing_kji_mm[0], rtol=1e-9, atol=0):
        in_voxels = in_mm.scaled(1 / spacing_kji_mm[0])
    else:
        in_voxels = pair.distances((1.0, 1.0, 1.0))
    return {
        "dice": float(overlap.dice(prediction, reference)),
        "jaccard": float(overlap.jaccard(prediction, reference)),
        "precision": float(overlap.precision(prediction, reference)),
        "recall": float(overlap.recall(prediction, reference)),
        "nsd": in_mm.surface_dice(rules.tolerance_mm),
        "hd_mm": in_mm.hd,
        "hd95_mm": in_mm.hd95,
        "asd_mm": in_mm.asd,
        "assd_mm": in_mm.assd,
        "asd_voxels": in_voxels.asd,
        "assd_voxels": in_voxels.assd,
    }
