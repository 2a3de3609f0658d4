"""Scoring: numbers by hand, policies for empty masks, pairing of folders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import (
    Cancelled,
    ConfigError,
    GeometryError,
    InputFileError,
    LabelError,
    UnknownNameError,
)
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.evaluation.pairing import find_label_maps
from CrossModalSegLib.evaluation.records import EmptyPolicy, ScoreRecord
from CrossModalSegLib.evaluation.rules import DISTANCES, PREDICTION_MISSING
from CrossModalSegLib.evaluation.scores import CaseLabels, evaluate_folder, score_case
from CrossModalSegLib.evaluation.tables import build_table

SPACING_MM = (1.0, 2.0, 5.0)  # i, j, k
SHAPE_KJI = (6, 5, 4)
DIAGONAL_MM = math.sqrt((4 * 1) ** 2 + (5 * 2) ** 2 + (6 * 5) ** 2)
DIAGONAL_VOXELS = math.sqrt(4**2 + 5**2 + 6**2)
WHOLE = TASKS["whole_tumour"]


def grid(array: NDArray[Any], origin_mm: tuple[float, float, float] = (0, 0, 0)) -> Volume:
    return Volume(array.astype(np.uint8), affine_from(SPACING_MM, np.eye(3), origin_mm))


def volume(*voxels_kji: tuple[int, int, int], value: int = 1) -> Volume:
    array = np.zeros(SHAPE_KJI)
    for voxel in voxels_kji:
        array[voxel] = value
    return grid(array)


def score(
    prediction: Volume, reference: Volume, policy: EmptyPolicy = "brats", task: str = "whole_tumour"
) -> tuple[ScoreRecord, ...]:
    labels = CaseLabels(case="a", prediction=prediction, reference=reference)
    return score_case(labels, TASKS[task], method="dsan", policy=policy)


def test_distances_follow_the_spacing_of_their_axis() -> None:
    (record,) = score(volume((1, 1, 1)), volume((3, 1, 1)))  # two voxels of 5 mm along k
    assert record.dice == 0
    for name in ("hd_mm", "hd95_mm", "asd_mm", "assd_mm"):
        assert record.value(name) == pytest.approx(10.0)
    assert record.assd_voxels == pytest.approx(2.0)
    (record,) = score(volume((1, 1, 0)), volume((1, 1, 3)))  # three voxels of 1 mm along i
    assert record.hd_mm == pytest.approx(3.0)


def test_dice_volumes_and_surface_distances_are_those_of_the_hand() -> None:
    prediction, reference = volume((0, 0, 0), (0, 1, 0)), volume((0, 0, 0))
    (record,) = score(prediction, reference)
    assert record.dice == pytest.approx(2 / 3)
    assert record.volume_ml == pytest.approx(0.02)  # two voxels of 10 cubic millimetres
    assert record.reference_volume_ml == pytest.approx(0.01)
    assert record.hd_mm == pytest.approx(2.0)
    assert record.asd_mm == pytest.approx(1.0)  # from prediction: (0 + 2) / 2
    assert record.assd_mm == pytest.approx(0.5)  # from reference: 0
    assert record.assd_voxels == pytest.approx(0.25)
    assert record.empty == "none"
    (record,) = score(reference, prediction)
    assert record.asd_mm == pytest.approx(0.0)  # the other direction


def test_every_region_is_scored_from_its_classes() -> None:
    prediction, reference = volume((0, 0, 0), value=1), volume((0, 0, 0), value=3)
    wt, tc, et = score(prediction, reference, task="brain_tumour")
    assert [r.region for r in (wt, tc, et)] == ["WT", "TC", "ET"]
    assert (wt.dice, tc.dice) == (1.0, 1.0)
    assert (et.dice, et.empty) == (0.0, "prediction")


@pytest.mark.parametrize(
    ("policy", "dice", "mm", "voxels"),
    [
        ("brats", 1.0, 0.0, 0.0),
        ("exclude", None, None, None),
        ("worst", 0.0, DIAGONAL_MM, DIAGONAL_VOXELS),
    ],
)
def test_two_empty_masks_follow_the_policy(
    policy: EmptyPolicy, dice: float | None, mm: float | None, voxels: float | None
) -> None:
    (record,) = score(volume(), volume(), policy)
    assert record.empty == "both"
    assert record.dice == dice
    assert [record.value(name) for name in DISTANCES[:4]] == [pytest.approx(mm)] * 4
    assert record.assd_voxels == pytest.approx(voxels)
    assert record.volume_ml == 0


@pytest.mark.parametrize("missing", ["prediction", "reference"])
@pytest.mark.parametrize(
    ("policy", "mm", "voxels"),
    [
        ("brats", DIAGONAL_MM, DIAGONAL_VOXELS),
        ("exclude", None, None),
        ("worst", DIAGONAL_MM, DIAGONAL_VOXELS),
    ],
)
def test_one_empty_mask_has_no_dice_and_follows_the_policy(
    policy: EmptyPolicy, mm: float | None, voxels: float | None, missing: str
) -> None:
    full, empty = volume((1, 1, 1)), volume()
    pair = (empty, full) if missing == "prediction" else (full, empty)
    (record,) = score(*pair, policy)
    assert record.empty == missing
    assert record.dice == 0
    assert [record.value(name) for name in DISTANCES[:4]] == [pytest.approx(mm)] * 4
    assert record.assd_voxels == pytest.approx(voxels)


def test_the_diagonal_is_that_of_the_brats_challenge() -> None:
    array = np.zeros((155, 240, 240), np.uint8)
    empty = Volume(array, np.eye(4))
    full = array.copy()
    full[0, 0, 0] = 1
    (record,) = score(empty, empty.with_array(full))
    assert record.hd95_mm == pytest.approx(373.13, abs=0.005)


def test_another_grid_is_an_error_that_names_both_files() -> None:
    labels = CaseLabels(
        case="a",
        prediction=volume((1, 1, 1)),
        reference=grid(np.ones(SHAPE_KJI), origin_mm=(0.5, 0, 0)),
        prediction_name="made/a.nii.gz",
        reference_name="true/a.nii.gz",
    )
    with pytest.raises(GeometryError, match=r"made/a\.nii\.gz and true/a\.nii\.gz"):
        score_case(labels, WHOLE, method="dsan")


def test_values_that_the_task_does_not_know_are_refused() -> None:
    with pytest.raises(LabelError, match=r"\[7\]"):
        score(volume((0, 0, 0), value=7), volume((0, 0, 0)))


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="exclude"):
        score(volume(), volume(), "exlude")  # type: ignore[arg-type]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Return predictions as flat files of two formats and references as a folder a case."""
    predictions, references = tmp_path / "made by Ö", tmp_path / "references"
    predictions.mkdir()
    for case in ("a", "b"):
        (references / case).mkdir(parents=True)
        write_volume(volume((1, 1, 1), (1, 2, 1)), references / case / "label.nii.gz")
        write_volume(volume((1, 1, 1)), references / case / "image.nii.gz")
    write_volume(volume((1, 1, 1), (1, 2, 1)), predictions / "a.nii.gz")
    write_segmentation(volume((1, 1, 1)), WHOLE, predictions / "b.seg.nrrd")
    (predictions / "notes.txt").write_text("not a volume")
    return predictions, references


def evaluate(folders: tuple[Path, Path], reporter: Reporter | None = None) -> list[ScoreRecord]:
    reporter = reporter or silent_reporter()
    return list(evaluate_folder(*folders, WHOLE, "dsan", "brats", reporter))


def test_folders_are_paired_by_case_name_and_progress_is_reported(
    folders: tuple[Path, Path],
) -> None:
    events: list[Event] = []
    a, b = evaluate(folders, Reporter(sinks=[events.append]))
    assert (a.case, b.case) == ("a", "b")
    assert a.dice == 1
    assert b.dice == pytest.approx(2 / 3)
    assert [e["done"] for e in events if e["event"] == "progress"] == [1, 2]


def test_a_segmentation_that_slicer_cropped_is_filled_with_background(
    folders: tuple[Path, Path],
) -> None:
    predictions, _ = folders
    before = evaluate(folders)
    whole = volume((1, 1, 1))
    affine = whole.affine_ras.copy()
    affine[:3, 3] = (whole.affine_ras @ (1, 1, 1, 1))[:3]
    cropped = Volume(whole.array_kji[1:3, 1:3, 1:3], affine)
    write_segmentation(cropped, WHOLE, predictions / "b.seg.nrrd", overwrite=True)
    assert evaluate(folders) == before


def test_files_on_other_grids_are_an_error_that_names_both(folders: tuple[Path, Path]) -> None:
    predictions, references = folders
    moved = grid(np.ones(SHAPE_KJI), origin_mm=(0.3, 0, 0))
    write_segmentation(moved, WHOLE, predictions / "b.seg.nrrd", overwrite=True)
    with pytest.raises(GeometryError) as caught:
        evaluate(folders)
    assert str(predictions / "b.seg.nrrd") in caught.value.message
    assert str(references / "b" / "label.nii.gz") in caught.value.message


def test_folders_without_a_common_case_are_an_error_with_names(folders: tuple[Path, Path]) -> None:
    predictions, _ = folders
    (predictions / "a.nii.gz").rename(predictions / "c.nii.gz")
    (predictions / "b.seg.nrrd").unlink()
    with pytest.raises(InputFileError) as caught:
        evaluate(folders)
    assert "predictions are of 1 case (c), references of 2 cases (a, b)" in caught.value.message


@pytest.mark.parametrize(
    ("policy", "dice", "mm"),
    [("brats", 0.0, DIAGONAL_MM), ("worst", 0.0, DIAGONAL_MM), ("exclude", None, None)],
)
def test_a_missing_prediction_is_reported_and_scores_by_the_policy(
    folders: tuple[Path, Path], policy: EmptyPolicy, dice: float | None, mm: float | None
) -> None:
    predictions, references = folders
    (predictions / "a.nii.gz").rename(predictions / "c.nii.gz")
    write_volume(volume(), references / "d.nii.gz")  # empty, and no prediction says so
    events: list[Event] = []
    records = evaluate_folder(*folders, WHOLE, "dsan", policy, Reporter(sinks=[events.append]))
    a, b, d = records
    assert b.dice == pytest.approx(2 / 3)
    for record, empty in ((a, "prediction"), (d, "both")):
        assert (record.dice, record.empty) == (dice, empty)
        assert record.value("nsd") == dice
        assert record.hd95_mm == pytest.approx(mm)
        assert record.value(PREDICTION_MISSING) == 1
    assert a.reference_volume_ml == pytest.approx(0.02)
    warnings = {e["kind"]: e["message"] for e in events if e["event"] == "warning"}
    assert "2 cases (a, d)" in warnings["missing_prediction"]
    assert "1 case (c)" in warnings["missing_reference"]
    assert "Cases without a prediction: dsan: 2." in build_table(records, "dice", policy).caption()


def test_the_further_metrics_are_those_of_the_hand() -> None:
    prediction, reference = volume((0, 0, 0), (0, 1, 0), (0, 0, 1)), volume((0, 0, 0), (5, 0, 0))
    (record,) = score(prediction, reference)
    assert record.value("jaccard") == pytest.approx(1 / 4)
    assert record.value("precision") == pytest.approx(1 / 3)
    assert record.value("recall") == pytest.approx(1 / 2)
    assert record.value("volume_difference_ml") == pytest.approx(0.01)
    # Within 1 mm: of the prediction 0 and 1 mm away, not 2 mm; of the reference the common voxel.
    assert record.value("nsd") == pytest.approx(3 / 5)
    assert record.value("asd_voxels") == pytest.approx((0 + 1 + 1) / 3)
    (turned,) = score(reference, prediction)
    assert turned.value("volume_difference_ml") == pytest.approx(-0.01)
    assert turned.value("absolute_volume_difference_ml") == pytest.approx(0.01)


def test_the_tolerance_of_the_surface_dice_can_be_chosen() -> None:
    labels = CaseLabels(
        case="a", prediction=volume((1, 1, 1)), reference=volume((2, 1, 1))
    )  # 5 mm apart
    for tolerance_mm, expected in ((0.0, 0.0), (4.9, 0.0), (5.0, 1.0)):
        (record,) = score_case(labels, WHOLE, method="m", tolerance_mm=tolerance_mm)
        assert record.value("nsd") == expected
    with pytest.raises(ConfigError, match="-1"):
        score_case(labels, WHOLE, method="m", tolerance_mm=-1)


def test_equal_spacings_give_voxels_by_division() -> None:
    cube = np.zeros((6, 5, 4), np.uint8)
    moved = cube.copy()
    cube[1, 1, 1], moved[4, 1, 1] = 1, 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    labels = CaseLabels(case="a", prediction=Volume(cube, affine), reference=Volume(moved, affine))
    (record,) = score_case(labels, WHOLE, method="m")
    assert (record.asd_mm, record.assd_voxels) == (6.0, 3.0)


def test_two_label_maps_of_one_case_are_an_error_with_both_names(
    folders: tuple[Path, Path],
) -> None:
    predictions, _ = folders
    write_volume(volume((1, 1, 1)), predictions / "a.mha")
    with pytest.raises(InputFileError, match=r"'a' has two .*a\.mha and .*a\.nii\.gz"):
        find_label_maps(predictions)


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="absent"):
        find_label_maps(tmp_path / "absent")
    with pytest.raises(InputFileError, match="no label map"):
        find_label_maps(tmp_path)


def test_temporary_files_of_other_writers_are_no_cases(folders: tuple[Path, Path]) -> None:
    predictions, _ = folders
    (predictions / ".12345678.c.nii.gz").write_bytes(b"")
    assert list(find_label_maps(predictions)) == ["a", "b"]


def test_a_cancelled_evaluation_stops(folders: tuple[Path, Path]) -> None:
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(Cancelled):
        evaluate(folders, Reporter(cancel=cancel))
