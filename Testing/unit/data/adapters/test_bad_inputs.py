"""Whatever is wrong with one case of a dataset: it is listed, and the others are prepared."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_good_cases
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import write_volume

sitk: Any = SimpleITK

# By dataset: modality, task, names of image and label of case n, and values of the label map.
LAYOUTS: dict[str, tuple[str, str, str, str, tuple[int, ...]]] = {
    "brats": (
        "t2",
        "brain_tumour",
        "BraTS2021_0000{0}/BraTS2021_0000{0}_t2.nii.gz",
        "BraTS2021_0000{0}/BraTS2021_0000{0}_seg.nii.gz",
        (1, 2, 4),
    ),
    "mmwhs": (
        "ct",
        "cardiac",
        "ct_train/ct_train_100{0}_image.nii.gz",
        "ct_train/ct_train_100{0}_label.nii.gz",
        (205, 420),
    ),
    "btcv": ("ct", "abdomen", "img/img000{0}.nii.gz", "label/label000{0}.nii.gz", (1, 6)),
    "nnunet": ("ct", "abdomen", "imagesTr/c{0}_0000.nii.gz", "labelsTr/c{0}.nii.gz", (1, 2)),
    "decathlon": ("ct", "abdomen", "images/c{0}.nii.gz", "labels/c{0}.nii.gz", (1, 2)),
    "folder": ("ct", "abdomen", "c{0}/image.nii.gz", "c{0}/label.nii.gz", (1, 2)),
    "sifa_volumes": ("ct", "cardiac", "image_ct_100{0}.nii.gz", "gth_ct_100{0}.nii.gz", (1, 2)),
}
DESCRIPTIONS: dict[str, dict[str, Any]] = {
    "nnunet": {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"},
    "decathlon": {
        "modality": {"0": "CT"},
        "training": [
            {"image": f"images/c{n}.nii.gz", "label": f"labels/c{n}.nii.gz"} for n in (1, 2, 3)
        ],
    },
}


def rewrite(path: Path, change: Callable[[Any], Any], dtype: Any = np.float32) -> None:
    image = sitk.ReadImage(str(path))
    changed = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image).astype(dtype)))
    if changed.GetDimension() == 3 and changed.GetSize() == image.GetSize():
        changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def with_nan(array: Any) -> Any:
    array[0, 0, 0] = np.nan
    return array


DAMAGES: dict[str, Callable[[Path, Path], None]] = {
    "truncated image": lambda image, _: (image.write_bytes(image.read_bytes()[:-80]), None)[1],
    "empty image": lambda image, _: (image.write_bytes(b""), None)[1],
    "no image": lambda image, _: (image.write_bytes(b"<html>please log in</html>"), None)[1],
    "truncated labels": lambda _, label: (label.write_bytes(label.read_bytes()[:-40]), None)[1],
    "constant image": lambda image, _: rewrite(image, np.zeros_like),
    "NaN": lambda image, _: rewrite(image, with_nan),
    "one slice": lambda image, _: rewrite(image, lambda array: array[0]),
    "other grid": lambda _, label: rewrite(label, lambda array: array[:-1], np.uint8),
    "unknown value": lambda _, label: rewrite(label, lambda array: array + 77, np.uint16),
    "halves": lambda _, label: rewrite(label, lambda array: array * 0.25),
}


def write_dataset(root: Path, name: str) -> tuple[Path, Path]:
    """Write three cases and return the files of the second."""
    _, _, image_name, label_name, values = LAYOUTS[name]
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    for number in (1, 2, 3):
        generator = np.random.default_rng(number)
        image = generator.normal(100, 40, (6, 7, 8)).astype(np.float32)
        labels = np.zeros(image.shape, np.uint16)
        for row, value in enumerate(values):
            labels[1:4, row, 2:6] = value
        write_volume(Volume(image, affine), root / image_name.format(number))
        write_volume(Volume(labels, affine), root / label_name.format(number))
    if name in DESCRIPTIONS:
        (root / "dataset.json").write_text(json.dumps(DESCRIPTIONS[name]))
    return root / image_name.format(2), root / label_name.format(2)


def settings_for(modality: str, task: str) -> CohortSettings:
    return CohortSettings(
        task=TASKS[task],
        modality=MODALITIES[modality],
        preprocessing=default_preprocessing(TASKS[task], MODALITIES[modality], matrix=(8, 8)),
        dataset="any",
    )


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_one_damaged_case_is_listed_and_the_others_are_prepared(
    tmp_path: Path, name: str, damage: str
) -> None:
    modality, task, *_ = LAYOUTS[name]
    root = tmp_path / "data"
    DAMAGES[damage](*write_dataset(root, name))
    found = discover("auto", root, modality)
    assert (found.dataset, len(found.cases), found.problems) == (name, 3, ())
    good = prepare_good_cases(found.cases, settings_for(modality, task), tmp_path / "cohort")
    assert len(good.cohort.cases) == 2
    (problem,) = good.problems
    assert "2" in problem.case
    assert problem.problem
    assert problem.hint


def test_slices_of_which_one_is_damaged_are_listed(
    tmp_path: Path, write_tfrecord: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("CrossModalSegLib.data.adapters.sifa.SLICES_A_CASE", 2)
    generator = np.random.default_rng(0)
    for number in range(4):
        image = generator.normal(0, 1, (8, 8, 3)).astype(np.float32)
        sizes = {f"dsize_dim{axis}": size for axis, size in enumerate(image.shape)}
        write_tfrecord(
            tmp_path / "ct_train_tfs" / f"ct_train_slice{number}.tfrecords",
            {
                **sizes,
                "data_vol": image.tobytes(),
                "label_vol": (image > 1).astype("<f4").tobytes(),
            },
        )
    last = tmp_path / "ct_train_tfs" / "ct_train_slice3.tfrecords"
    last.write_bytes(last.read_bytes()[:-300])
    found = discover("auto", tmp_path, "ct")
    assert len(found.cases) == 2
    labels_off = settings_for("ct", "cardiac")
    good = prepare_good_cases(found.cases, labels_off, tmp_path / "cohort")
    assert [problem.case for problem in good.problems] == ["ct_train_001"]
    assert "truncated" in good.problems[0].problem


@pytest.mark.parametrize("name", LAYOUTS)
def test_cases_travel_to_other_processes(tmp_path: Path, name: str) -> None:
    write_dataset(tmp_path, name)
    cases = discover("auto", tmp_path, LAYOUTS[name][0]).cases
    assert pickle.loads(pickle.dumps(cases)) == cases  # noqa: S301  (made here)
