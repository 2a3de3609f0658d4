"""Scoring of label maps against references, one record a region (CONTRACTS: scores.json).

What happens where a mask holds no voxel, by policy:

- `brats` (default): both empty: Dice 1, distances 0; one empty: Dice 0, distances the volume's
  diagonal (as the BraTS challenge, whose 373.13 mm is the diagonal of its volumes).
- `exclude`: distances to or from an empty mask, and the Dice of two, are undefined (null). A Dice
  with one empty mask is 0 by its definition and stays.
- `worst`: any empty mask, both included: Dice 0, distances the volume's diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, InputFileError, LabelError, UnknownNameError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.geometry import is_same_grid, require_same_grid
from CrossModalSegLib.core.paths import case_name, volume_suffix
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.evaluation.records import EmptyMasks, EmptyPolicy, ScoreRecord
from CrossModalSegLib.metrics import overlap, surface

Mask = NDArray[np.bool_]

DISTANCES = ("hd_mm", "hd95_mm", "asd_mm", "assd_mm", "assd_voxels")

REFERENCE_STEM = "label"
"""Name of the label map in a folder that holds the files of one case."""


@dataclass(frozen=True, kw_only=True)
class CaseLabels:
    """The two label maps of one case, and what to call them in messages."""

    case: str
    prediction: Volume
    reference: Volume
    prediction_name: str = "the prediction"
    reference_name: str = "the reference"


def score_case(
    labels: CaseLabels, task: Task, *, method: str, policy: EmptyPolicy = "brats"
) -> tuple[ScoreRecord, ...]:
    """Score every region of one case.

    Raises:
        GeometryError: The two label maps do not lie on the same grid.
        LabelError: One of them holds values that the task does not know.
        UnknownNameError: No such policy.
    """
    _require_policy(policy)
    prediction, reference = labels.prediction, labels.reference
    require_same_grid(prediction, reference, labels.prediction_name, labels.reference_name)
    _require_known_values(prediction, task, labels.prediction_name)
    _require_known_values(reference, task, labels.reference_name)
    records = []
    for region in task.regions:
        predicted, expected = _mask(prediction, region), _mask(reference, region)
        empty = _empty_masks(predicted, expected)
        measured = (
            _measure(predicted, expected, prediction)
            if empty == "none"
            else _score_empty(empty, prediction, policy)
        )
        records.append(
            ScoreRecord(
                method=method,
                case=labels.case,
                region=region.name,
                **measured,
                volume_ml=int(predicted.sum()) * prediction.voxel_ml,
                reference_volume_ml=int(expected.sum()) * reference.voxel_ml,
                empty=empty,
            )
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

    Each folder holds one label map a case, either as `<case>.nii.gz` (or another volume format)
    or as `<case>/label.nii.gz`.

    Raises:
        InputFileError: A folder is missing or empty, a case is in one folder only or twice in
            one, or a file cannot be read.
        GeometryError: The label maps of a case do not lie on the same grid.
        LabelError: A label map holds values that the task does not know.
        UnknownNameError: No such policy.
        Cancelled: The job was cancelled between two cases.
    """
    _require_policy(policy)
    predicted, expected = find_label_maps(predictions), find_label_maps(references)
    _require_same_cases(predicted, expected, predictions, references)
    records: list[ScoreRecord] = []
    for case in reporter.track(sorted(expected), "evaluate"):
        labels = _read_case(case, predicted[case], expected[case], task)
        records.extend(score_case(labels, task, method=method, policy=policy))
    return tuple(records)


def find_label_maps(folder: Path) -> dict[str, Path]:
    """Return the label maps of a folder by case name.

    Raises:
        InputFileError: The folder is missing, holds no label map, or two for one case.
    """
    if not folder.is_dir():
        raise InputFileError(f"{folder} is not a folder, expected one with a label map per case.")
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        for path in _label_maps_of(entry):
            case = entry.name if entry.is_dir() else case_name(path)
            if case in found:
                raise InputFileError(
                    f"Case {case!r} has two label maps: {found[case]} and {path}.",
                    hint="Keep one of them in the folder.",
                )
            found[case] = path
    if not found:
        raise InputFileError(
            f"{folder} holds no label map.",
            hint="Expected <case>.nii.gz (.nii, .nrrd, .seg.nrrd, .mha) or <case>/label.nii.gz.",
        )
    return found


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


def _label_maps_of(entry: Path) -> list[Path]:
    """Return the entry itself if it is a volume, or the files called `label` in a folder."""
    if not entry.is_dir():
        return [entry] if volume_suffix(entry) else []
    return [
        path
        for path in sorted(entry.iterdir())
        if volume_suffix(path) and case_name(path) == REFERENCE_STEM
    ]


def _require_same_cases(
    predicted: dict[str, Path], expected: dict[str, Path], predictions: Path, references: Path
) -> None:
    missing, extra = sorted(expected.keys() - predicted), sorted(predicted.keys() - expected)
    faults = []
    if missing:
        faults.append(f"{predictions} has no prediction for {_listed(missing, len(expected))}")
    if extra:
        faults.append(f"{references} has no reference for {_listed(extra, len(predicted))}")
    if faults:
        raise InputFileError(
            f"{'; '.join(faults)}.",
            hint="Cases are paired by file name without its ending, or by folder name.",
        )


def _listed(cases: Sequence[str], total: int) -> str:
    shown = ", ".join(cases[:10]) + (", ..." if len(cases) > 10 else "")
    return f"{len(cases)} of {total} cases: {shown}"


def _require_policy(policy: str) -> None:
    if policy not in get_args(EmptyPolicy):
        raise UnknownNameError("policy for empty masks", policy, get_args(EmptyPolicy))


def _require_known_values(labels: Volume, task: Task, name: str) -> None:
    unknown = sorted(set(np.unique(labels.array_kji).tolist()) - set(task.known_values))
    if unknown:
        raise LabelError(
            f"{name} holds the label values {unknown[:10]}; task {task.name!r} knows "
            f"{list(task.known_values)}.",
            hint="Map the values of the data set to the task's, or choose another task.",
        )


def _mask(labels: Volume, region: Region) -> Mask:
    return np.isin(labels.array_kji, region.values)


def _empty_masks(prediction: Mask, reference: Mask) -> EmptyMasks:
    names: dict[tuple[bool, bool], EmptyMasks] = {
        (True, True): "none",
        (False, True): "prediction",
        (True, False): "reference",
        (False, False): "both",
    }
    return names[bool(prediction.any()), bool(reference.any())]


def _measure(prediction: Mask, reference: Mask, grid: Volume) -> dict[str, Any]:
    """Measure two masks that both hold voxels."""
    spacing_kji_mm = grid.spacing_mm[::-1]
    in_mm = surface.surface_distances(prediction, reference, spacing_kji_mm)
    in_voxels = surface.surface_distances(prediction, reference, (1.0, 1.0, 1.0))
    return {
        "dice": float(overlap.dice(prediction, reference)),
        "hd_mm": in_mm.hd,
        "hd95_mm": in_mm.hd95,
        "asd_mm": in_mm.asd,
        "assd_mm": in_mm.assd,
        "assd_voxels": in_voxels.assd,
    }


def _score_empty(empty: EmptyMasks, grid: Volume, policy: EmptyPolicy) -> dict[str, Any]:
    """Return what the policy gives to a pair of which at least one mask is empty."""
    if policy == "exclude":
        return {"dice": None if empty == "both" else 0.0} | dict.fromkeys(DISTANCES)
    if policy == "brats" and empty == "both":
        return {"dice": 1.0} | dict.fromkeys(DISTANCES, 0.0)
    shape = np.array(grid.shape_ijk)
    diagonal_mm = float(np.linalg.norm(shape * grid.spacing_mm))
    values = {"dice": 0.0} | dict.fromkeys(DISTANCES, diagonal_mm)
    return values | {"assd_voxels": float(np.linalg.norm(shape))}
