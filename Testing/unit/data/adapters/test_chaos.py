"""CHAOS: DICOM series and pictures of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.data.adapters import discover

GREY = (63, 126, 189, 252)


def volume(seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 900, (4, 6, 5)).astype(np.int16)


def write_pictures(folder: Path, names: list[str]) -> None:
    """Write a picture a slice; slice k holds the grey value of class k + 1 at row k."""
    folder.mkdir(parents=True)
    for k, name in enumerate(names):
        picture = np.zeros((6, 5), np.uint8)
        picture[k, 1:4] = GREY[k]
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(picture), str(folder / name))


@pytest.fixture
def chaos(tmp_path: Path, write_dicom: Any) -> Path:
    """Write two patients as CHAOS does; slices are stored from top to bottom."""
    for patient, seed in (("1", 1), ("13", 2)):
        place = tmp_path / "Train_Sets" / "MR" / patient
        numbers = [f"IMG-0004-{n:05d}" for n in (1, 2, 3, 4)]
        write_dicom(
            place / "T2SPIR" / "DICOM_anon",
            volume(seed),
            names=lambda k, numbers=numbers: f"{numbers[k]}.dcm",
            places=[27.0, 18.0, 9.0, 0.0],
        )
        write_pictures(place / "T2SPIR" / "Ground", [f"{name}.png" for name in numbers])
        for phase, start in (("InPhase", 2), ("OutPhase", 1)):
            write_dicom(
                place / "T1DUAL" / "DICOM_anon" / phase,
                volume(seed + start),
                names=lambda k, start=start: f"IMG-0004-{2 * k + start:05d}.dcm",
            )
        names = [f"IMG-0004-{2 * k + 2:05d}.png" for k in range(4)]
        write_pictures(place / "T1DUAL" / "Ground", names)
    return tmp_path


def test_slices_are_sorted_by_position_and_pictures_with_them(chaos: Path, read: Any) -> None:
    found = discover("auto", chaos, "mr_t2spir")
    assert (found.dataset, [case.id for case in found.cases]) == ("chaos", ["chaos_1", "chaos_13"])
    assert found.ignored == ("series T1DUAL",)
    case = read(found, "chaos_1", "abdomen", "mr_t2spir")
    assert np.array_equal(case.image.array_kji, volume(1)[::-1])
    np.testing.assert_allclose(case.image.spacing_mm, (1.5, 2.0, 9.0))
    np.testing.assert_allclose(case.image.affine_ras[:3, 3], (10.0, -5.0, 0.0))
    for value in (1, 2, 3, 4):
        places = np.argwhere(case.labels.array_kji == value)
        assert {tuple(place[:2]) for place in places} == {(4 - value, value - 1)}


@pytest.mark.parametrize(("series", "start"), [("", 2), ("OutPhase", 1)])
def test_of_t1_dual_either_phase_can_be_chosen(
    chaos: Path, read: Any, series: str, start: int
) -> None:
    found = discover("auto", chaos, "mr_t1dual", series=series)
    case = read(found, "chaos_1", "abdomen", "mr_t1dual")
    assert np.array_equal(case.image.array_kji, volume(1 + start))
    assert case.labels.array_kji[2, 2, 2] == 3


def test_the_root_may_be_any_folder_above(chaos: Path) -> None:
    for root in (chaos / "Train_Sets", chaos / "Train_Sets" / "MR", chaos / "Train_Sets/MR/13"):
        assert discover("auto", root, "mr_t2spir").dataset == "chaos"


def test_the_published_test_cases_are_those_of_mr(chaos: Path) -> None:
    published = discover("auto", chaos, "mr_t2spir").published_test
    assert published is not None
    assert published.subjects == ("chaos_1", "chaos_13", "chaos_32", "chaos_38")


def test_half_a_download_is_listed(chaos: Path, write_dicom: Any) -> None:
    mr = chaos / "Train_Sets" / "MR"
    (mr / "1" / "T2SPIR" / "Ground" / "IMG-0004-00002.png").unlink()
    (mr / "2" / "T1DUAL").mkdir(parents=True)
    write_dicom(mr / "3" / "T2SPIR" / "DICOM_anon", volume(3), places=[0.0, 9.0, 27.0, 36.0])
    (mr / "4" / "T2SPIR" / "DICOM_anon").mkdir(parents=True)
    found = discover("auto", chaos, "mr_t2spir")
    assert [case.id for case in found.cases] == ["chaos_13"]
    problems = {p.case: p.problem for p in found.problems}
    assert problems["chaos_1"] == "has 4 slices and 3 pictures of labels"
    assert problems["chaos_2"] == "has no T2SPIR"
    assert "slices are missing" in problems["chaos_3"]
    assert "holds 0 series" in problems["chaos_4"]


def test_a_patient_without_pictures_is_unlabelled(chaos: Path) -> None:
    for picture in (chaos / "Train_Sets/MR/1/T2SPIR/Ground").iterdir():
        picture.unlink()
    found = discover("auto", chaos, "mr_t2spir")
    assert [case.label is None for case in found.cases] == [True, False]


def test_ct_of_chaos_is_ignored_and_said_so(chaos: Path, write_dicom: Any) -> None:
    write_dicom(chaos / "Train_Sets/CT/1/DICOM_anon", volume(4), tags={"0008|0060": "CT"})
    assert "liver alone" in discover("auto", chaos, "mr_t2spir").ignored[-1]
