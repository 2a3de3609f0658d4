"""Several modalities of each case, of the datasets that have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.errors import CohortError, ConfigError
from CrossModalSegLib.data.adapters import CaseFiles, discover

NAMES = ("t2", "t1", "flair")

sitk: Any = SimpleITK


def images_of(case: CaseFiles) -> list[str]:
    return [place.image.name for place in case.images]


def read_all(case: CaseFiles) -> list[Any]:
    return [
        place.reader.read_image(place).array_kji
        for place in case.images
        if place.reader is not None
    ]


def test_a_folder_of_cases_gives_the_images_in_the_order_that_is_asked_for(
    write: Any, tmp_path: Path
) -> None:
    for kind in ("t1", "t1ce", "t2", "flair"):
        write(f"p1/image_{kind}.nii.gz")
    write("p1/label.nii.gz", (1, 2, 3))
    found = discover("auto", tmp_path, NAMES)
    (case,) = found.cases
    assert images_of(case) == ["image_t2.nii.gz", "image_t1.nii.gz", "image_flair.nii.gz"]
    assert case.label is not None
    assert all(place.label is None for place in case.further)
    assert found.layout == "a folder for each case: 1 cases; 1 with all of t2, t1, flair"
    assert len(case.files()) == 4


def test_brats_gives_all_four_and_says_what_is_not_used(write: Any, tmp_path: Path) -> None:
    for number in (1, 2):
        name = f"BraTS2021_0000{number}"
        for kind in ("t1", "t1ce", "t2", "flair"):
            if (number, kind) != (2, "flair"):
                write(f"{name}/{name}_{kind}.nii.gz")
        write(f"{name}/{name}_seg.nii.gz", (1, 2, 4))
    found = discover("auto", tmp_path, NAMES)
    (case,) = found.cases
    assert images_of(case) == [f"BraTS2021_00001_{kind}.nii.gz" for kind in NAMES]
    assert [(p.case, p.problem) for p in found.problems] == [
        ("BraTS2021_00002", "has no flair; it has seg, t1, t1ce, t2")
    ]
    assert found.ignored == ("2 files of t1ce",)
    assert found.is_co_registered


def test_the_channels_of_nnunet_are_found_by_their_names(write: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        for channel in range(3):
            if (name, channel) != ("b", 2):
                write(f"imagesTr/{name}_{channel:04d}.nii.gz")
        write(f"labelsTr/{name}.nii.gz", (1,))
    content = {
        "channel_names": {"0": "FLAIR", "1": "T1", "2": "T2"},
        "labels": {"background": 0, "whole": 1},
        "file_ending": ".nii.gz",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    found = discover("auto", tmp_path, NAMES)
    (case,) = found.cases
    assert images_of(case) == ["a_0002.nii.gz", "a_0001.nii.gz", "a_0000.nii.gz"]
    assert [(p.case, p.problem) for p in found.problems] == [("b", "has no channel 0002")]


def decathlon(folder: Path, images: Any) -> Path:
    content = {
        "modality": {"0": "FLAIR", "1": "T1w", "2": "T2w"},
        "labels": {"0": "background"},
        "training": [{"image": images}],
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def test_the_channels_of_one_file_are_images_of_one_case(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(300, 90, (3, 4, 6, 8)).astype(np.float32)
    stack = sitk.JoinSeries([sitk.GetImageFromArray(part) for part in array])
    sitk.WriteImage(stack, str(tmp_path / "BRATS_001.nii.gz"))
    found = discover("auto", decathlon(tmp_path, "BRATS_001.nii.gz"), NAMES)
    (case,) = found.cases
    assert case.id == "BRATS_001"
    assert case.files() == (tmp_path / "BRATS_001.nii.gz",)
    for image, channel in zip(read_all(case), (2, 1, 0), strict=True):
        assert np.array_equal(image, array[channel])


def test_files_of_channels_in_a_list_are_one_case_of_one_subject(
    write: Any, tmp_path: Path
) -> None:
    files = [f"{kind}.nii.gz" for kind in ("a_flair", "a_t1", "a_t2")]
    for name in files:
        write(name)
    root = decathlon(tmp_path, files)
    (case,) = discover("decathlon", root, NAMES).cases
    assert images_of(case) == ["a_t2.nii.gz", "a_t1.nii.gz", "a_flair.nii.gz"]
    alone = [discover("decathlon", root, name).cases[0].subject for name in NAMES]
    assert set(alone) == {case.subject}  # or two domains would share a patient unnoticed


def test_dicom_series_are_chosen_by_a_description_each(write_dicom: Any, tmp_path: Path) -> None:
    arrays = np.random.default_rng(0).integers(1, 900, (2, 4, 6, 8))
    for number, (name, array) in enumerate(zip(("T1 mprage", "T2 tse"), arrays, strict=True)):
        tags = {"0020|000e": f"1.2.{number + 5}", "0008|103e": name}
        write_dicom(tmp_path / "p1" / name, array, tags=tags)
    found = discover("dicom", tmp_path, ("t2", "t1"), series=("T2", "mprage"))
    (case,) = found.cases
    for image, array in zip(read_all(case), arrays[::-1], strict=True):
        assert np.array_equal(image, array)
    unclear = discover("dicom", tmp_path, ("t2", "t1"), is_strict=False)
    assert not unclear.cases
    assert "several series" in unclear.problems[0].problem


def test_a_list_has_a_column_for_each_modality(write: Any, tmp_path: Path) -> None:
    for name in ("x1", "x2", "y1", "label"):
        write(f"{name}.nii.gz", (1,) if name == "label" else ())
    text = "image_t1,image_t2,label,case\nx1.nii.gz,x2.nii.gz,label.nii.gz,x\ny1.nii.gz,,,y\n"
    (tmp_path / "cases.csv").write_text(text)
    path = tmp_path / "cases.csv"
    found = discover("auto", path, ("t2", "t1"), is_strict=False)
    (case,) = found.cases
    assert (case.id, images_of(case)) == ("x", ["x2.nii.gz", "x1.nii.gz"])
    assert case.label == tmp_path / "label.nii.gz"
    assert any("line 3: no image_t2 is given" in p.problem for p in found.problems)
    assert [c.id for c in discover("csv", path, "t1").cases] == ["x", "y"]
    with pytest.raises(CohortError, match=r"no column 'image_flair'.*image_t1, image_t2"):
        discover("csv", path, "flair")


def test_one_image_cannot_stand_for_two_modalities(write: Any, tmp_path: Path) -> None:
    for name in ("p1", "p2"):
        write(f"{name}/image.nii.gz")
    with pytest.raises(CohortError, match=r"p1: has one image, image.nii.gz, for t2 and t1; p2"):
        discover("folder", tmp_path, ("t2", "t1"))
    write("p1/image_t2.nii.gz")
    found = discover("folder", tmp_path, ("t2", "t1"), is_strict=False)
    assert [images_of(case) for case in found.cases] == [["image_t2.nii.gz", "image.nii.gz"]]
    assert [p.case for p in found.problems] == ["p2"]
    assert "image_t1.nii.gz" in found.problems[0].hint


def test_datasets_of_one_image_a_case_say_so(write: Any, tmp_path: Path) -> None:
    for kind, values in (("image", ()), ("label", (205,))):
        write(f"ct_train/ct_train_1001_{kind}.nii.gz", values)
    with pytest.raises(CohortError, match=r"no images of one case that belong.*brats, nnunet"):
        discover("auto", tmp_path, ("ct", "mr_bssfp"))


def test_a_modality_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="t1 is named several times"):
        discover("auto", tmp_path, ("t1", "t2", "t1"))
