"""nnU-Net's raw layout, and the Medical Segmentation Decathlon's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.errors import CohortError, InputFileError
from CrossModalSegLib.data.adapters import discover

sitk: Any = SimpleITK

ABDOMEN = {
    "background": 0,
    "spleen": 1,
    "left kidney": 2,
    "Right_Kidney": 3,
    "liver": 4,
    "aorta": 5,
}


def describe(root: Path, content: Any) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


def test_nnunets_channel_and_labels_are_found_by_name(
    write: Any, read: Any, tmp_path: Path
) -> None:
    for number in (0, 1):
        write(f"imagesTr/case_7_{number:04d}.nii.gz")
    write("labelsTr/case_7.nii.gz", (1, 2, 3, 4, 5))
    write("imagesTs/case_8_0000.nii.gz")
    channels = {"0": "T1", "1": "T2"}
    content = {"channel_names": channels, "labels": ABDOMEN, "file_ending": ".nii.gz"}
    describe(tmp_path, content)
    found = discover("auto", tmp_path, "t2")
    assert (found.dataset, found.is_co_registered) == ("nnunet", True)
    assert found.cases[0].image.name == "case_7_0001.nii.gz"
    assert found.ignored == ("imagesTs, which has no labels",)
    case = read(found, "case_7", "abdomen", "mr_t2spir")
    assert case.labels.array_kji[1, :5, 3].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize("ending", [{}, {"file_ending": ".nii.gz"}])
def test_nnunets_first_version_lists_files_that_are_named_otherwise(
    write: Any, read: Any, tmp_path: Path, ending: dict[str, str]
) -> None:
    for name in ("a", "b"):
        write(f"imagesTr/{name}_0000.nii.gz")
        write(f"labelsTr/{name}.nii.gz", (1,))
    training = [
        {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
        for name in "ab"
    ]
    content = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen"},
        "training": training,
        "test": ["./imagesTs/c.nii.gz"],
    }
    describe(tmp_path, {**content, **ending})
    found = discover("auto", tmp_path, "ct")
    assert (found.dataset, [case.id for case in found.cases]) == ("nnunet", ["a", "b"])
    assert read(found, "a", "abdomen").labels.array_kji.max() == 4


def test_regions_of_nnunet_leave_values_as_they_are(
    write: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    write("imagesTr/a_0000.nii.gz")
    write("labelsTr/a.nii.gz", (1, 2, 3))
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    describe(tmp_path, {"channel_names": {"0": "T1"}, "labels": labels, "file_ending": ".nii.gz"})
    assert values(read(discover("auto", tmp_path, "t1"), "a", "brain_tumour", "t1")) == [0, 1, 2, 3]


def test_missing_channels_and_images_are_listed(write: Any, tmp_path: Path) -> None:
    write("imagesTr/a_0000.nii.gz")
    write("imagesTr/a_0001.nii.gz")
    write("imagesTr/b_0000.nii.gz")
    for name in "abc":
        write(f"labelsTr/{name}.nii.gz", (1,))
    content = {"channel_names": {"0": "T1", "1": "T2"}, "labels": ABDOMEN, "file_ending": ".nii.gz"}
    describe(tmp_path, content)
    found = discover("auto", tmp_path, "t2")
    assert [case.id for case in found.cases] == ["a"]
    assert {p.case: p.problem for p in found.problems} == {
        "b": "has no channel 0001",
        "c": "has a label map and no image",
    }


def test_an_unclear_channel_is_an_error_that_lists_them(write: Any, tmp_path: Path) -> None:
    write("imagesTr/a_0000.nii.gz")
    describe(tmp_path, {"channel_names": {"0": "ADC", "1": "DWI"}, "file_ending": ".nii.gz"})
    with pytest.raises(CohortError, match="ADC, DWI"):
        discover("auto", tmp_path, "t2")
    assert discover("auto", tmp_path, "t2", series="adc").cases[0].id == "a"


def test_the_decathlons_fourth_axis_holds_the_channels(read: Any, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(0, 1, (2, 4, 6, 8)).astype(np.float32)
    (tmp_path / "imagesTr").mkdir()
    stack: Any = sitk.JoinSeries([SimpleITK.GetImageFromArray(part) for part in array])
    SimpleITK.WriteImage(stack, str(tmp_path / "imagesTr" / "BRATS_001.nii.gz"))
    labels: Any = SimpleITK.GetImageFromArray((array[0] > 1).astype(np.uint8) * 3)
    (tmp_path / "labelsTr").mkdir()
    SimpleITK.WriteImage(labels, str(tmp_path / "labelsTr" / "BRATS_001.nii.gz"))
    names = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    content = {
        "modality": {"0": "FLAIR", "1": "T1w"},
        "labels": names,
        "training": [
            {"image": "./imagesTr/BRATS_001.nii.gz", "label": "./labelsTr/BRATS_001.nii.gz"},
            {"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"},
        ],
        "test": ["./imagesTs/BRATS_900.nii.gz"],
    }
    describe(tmp_path, content)
    found = discover("auto", tmp_path, "t1")
    assert (found.dataset, found.is_co_registered) == ("decathlon", True)
    assert [p.case for p in found.problems] == ["BRATS_002"]
    assert found.ignored == ("1 test images without labels",)
    case = read(found, "BRATS_001", "brain_tumour", "t1")
    assert np.array_equal(case.image.array_kji, array[1])
    assert np.array_equal(case.labels.array_kji == 3, array[0] > 1)
    assert [c.id for c in discover("auto", tmp_path / "dataset.json", "t1").cases] == ["BRATS_001"]
    found_flair = discover("auto", tmp_path, "flair")
    assert found_flair.cases[0].reader != found.cases[0].reader


def test_a_channel_that_is_not_there_is_refused(read: Any, tmp_path: Path) -> None:
    stack: Any = sitk.JoinSeries([sitk.Image(8, 6, 4, sitk.sitkFloat32)])
    (tmp_path / "i").mkdir()
    SimpleITK.WriteImage(stack, str(tmp_path / "i" / "a.nii.gz"))
    content = {"modality": {"0": "T2w", "1": "T1w"}, "training": [{"image": "i/a.nii.gz"}]}
    describe(tmp_path, content)
    with pytest.raises(InputFileError, match="channel 1"):
        read(discover("auto", tmp_path, "t1"), "a", "brain_tumour", "t1")


def test_validation_lists_of_monai_prescribe_the_split(write: Any, tmp_path: Path) -> None:
    for name in "ab":
        write(f"data/{name}.nii.gz")
    content = {
        "training": [{"image": ["data/a.nii.gz"]}, {"image": 3}],
        "validation": [{"image": "data/b.nii.gz"}],
    }
    describe(tmp_path, content)
    found = discover("auto", tmp_path, "ct")
    assert {case.id: case.split for case in found.cases} == {"a": "train", "b": "validation"}
    assert found.problems[0].problem == "names no image"


def test_a_damaged_description_is_an_error(write: Any, tmp_path: Path) -> None:
    write("imagesTr/a_0000.nii.gz")
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(CohortError, match="not valid JSON"):
        discover("auto", tmp_path, "ct")
