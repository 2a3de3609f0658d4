"""DICOM series as scanners and archives export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.dicom_reading import find_series, read_series
from CrossModalSegLib.data.volume_files import write_volume


def volume(seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 900, (4, 6, 5)).astype(np.int16)


def test_a_folder_for_each_patient(tmp_path: Path, write_dicom: Any, read: Any) -> None:
    for path in write_dicom(tmp_path / "anna" / "study" / "s1", volume(1)):
        path.rename(path.with_suffix(""))  # as on CDs: names say nothing
    write_dicom(tmp_path / "bert", volume(2))
    found = discover("auto", tmp_path, "t2")
    assert (found.dataset, [case.id for case in found.cases]) == ("dicom", ["anna", "bert"])
    case = read(found, "anna", "brain_tumour", "t2")
    assert np.array_equal(case.image.array_kji, volume(1))
    np.testing.assert_allclose(case.image.spacing_mm, (1.5, 2.0, 3.0))
    np.testing.assert_allclose(case.image.affine_ras[:3, 3], (10.0, -5.0, 0.0))  # LPS to RAS


def test_the_order_of_files_and_numbers_does_not_count(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(
        tmp_path, volume(), names=lambda k: f"{'dbca'[k]}.dcm", places=[6.0, 0.0, 9.0, 3.0]
    )
    ((series,), broken) = find_series(sorted(paths))
    assert not broken
    assert [path.name for path in series.files] == ["b.dcm", "a.dcm", "d.dcm", "c.dcm"]
    assert "instance numbers do not follow" in series.note
    assert np.array_equal(read_series(series.files).array_kji, volume()[[1, 3, 0, 2]])


def test_rescaled_pixels_are_in_their_units(tmp_path: Path, write_dicom: Any) -> None:
    tags = {"0028|1053": "2", "0028|1052": "-1024", "0008|0060": "CT"}
    paths = write_dicom(tmp_path, volume() * 2 - 1024, tags=tags)
    assert np.array_equal(read_series(paths).array_kji, volume() * 2 - 1024)


def test_compressed_transfer_syntaxes_are_read(tmp_path: Path, write_dicom: Any) -> None:
    larger = np.kron(volume(), np.ones((1, 16, 16), np.int16))
    paths = write_dicom(tmp_path / "a", larger, compress=True)
    assert b"1.2.840.10008.1.2.4" in paths[0].read_bytes()  # the JPEG family
    assert np.array_equal(read_series(paths).array_kji, larger)


def test_one_of_several_series_is_chosen_by_description(
    tmp_path: Path, write_dicom: Any, read: Any
) -> None:
    for number, name in enumerate(("T2 tse ax", "T1 post contrast", "localizer")):
        tags = {"0020|000e": f"1.2.9.{number}", "0008|103e": name}
        names = f"{number}-{{}}.dcm".format
        write_dicom(tmp_path / "p", volume(number), tags=tags, names=names)
    found = discover("auto", tmp_path, "t2")
    assert not found.cases
    assert "several series" in found.problems[0].problem
    assert "T1 post contrast" in found.problems[0].problem
    found = discover("auto", tmp_path, "t1ce", series="post")
    assert np.array_equal(read(found, "p", "brain_tumour", "t1ce").image.array_kji, volume(1))
    assert any("localizer" in text for text in found.ignored)


def test_ct_and_mr_of_one_patient_are_told_apart(tmp_path: Path, write_dicom: Any) -> None:
    for number, kind in enumerate(("CT", "MR")):
        tags = {"0020|000e": f"1.2.9.{number}", "0008|0060": kind}
        write_dicom(tmp_path / "p" / kind, volume(number), tags=tags)
    assert discover("auto", tmp_path, "ct").cases[0].image.name == "CT"
    assert discover("auto", tmp_path, "mr_bssfp").cases[0].image.name == "MR"


def test_echoes_of_one_series_are_volumes_of_their_own(tmp_path: Path, write_dicom: Any) -> None:
    paths = []
    for echo in ("2.3", "4.6"):
        tags = {"0018|0081": echo, "0008|0018": ""}
        paths += write_dicom(tmp_path, volume(), tags=tags, names=f"{echo}-{{}}.dcm".format)
    series, _ = find_series(paths)
    assert [len(one.files) for one in series] == [4, 4]


def test_time_points_in_one_series_are_a_problem(tmp_path: Path, write_dicom: Any) -> None:
    for time in (1, 2):
        tags = {"0008|0018": ""}
        write_dicom(tmp_path / "p", volume(time), tags=tags, names=f"{time}-{{}}.dcm".format)
    found = discover("auto", tmp_path, "t2")
    assert "lie at one place" in found.problems[0].problem


def test_copies_of_files_are_left_out_and_told(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path, volume())
    paths += write_dicom(tmp_path, volume(), names="copy {}.dcm".format)
    ((series,), _) = find_series(paths)
    assert len(series.files) == 4
    assert series.note == "4 files are copies of others"


def test_missing_slices_are_named_by_their_neighbours(tmp_path: Path, write_dicom: Any) -> None:
    write_dicom(tmp_path / "p", volume(), places=[0.0, 3.0, 9.0, 12.0])
    found = discover("auto", tmp_path, "t2")
    assert "6.00 mm between IMG-0001.dcm and IMG-0002.dcm" in found.problems[0].problem


def test_multi_frame_files_are_volumes(tmp_path: Path, read: Any) -> None:
    image: Any = SimpleITK.GetImageFromArray(volume().astype(np.uint16))
    image.SetSpacing((1.5, 2.0, 3.0))
    image.SetMetaData("0008|0060", "MR")
    (tmp_path / "p").mkdir()
    SimpleITK.WriteImage(image, str(tmp_path / "p" / "multi.dcm"))
    case = read(discover("auto", tmp_path, "t2"), "p", "brain_tumour", "t2")
    assert np.array_equal(case.image.array_kji, volume())
    np.testing.assert_allclose(case.image.spacing_mm, (1.5, 2.0, 3.0))


def test_a_label_map_beside_the_series_is_used(
    tmp_path: Path, write_dicom: Any, read: Any, values: Any
) -> None:
    paths = write_dicom(tmp_path / "p" / "scan", volume())
    labels = np.zeros((4, 6, 5), np.uint8)
    labels[1, 2, 3] = 2
    grid = read_series(paths)
    write_volume(Volume(labels, grid.affine_ras), tmp_path / "p" / "label.nii.gz")
    case = read(discover("auto", tmp_path, "t2"), "p", "brain_tumour", "t2")
    assert values(case) == [0, 2]
    assert case.labels.array_kji[1, 2, 3] == 2


def test_structure_sets_are_named_with_what_to_do(tmp_path: Path, write_dicom: Any) -> None:
    write_dicom(tmp_path / "p", volume())
    uid = b"1.2.840.10008.5.1.4.1.1.481.3\0"
    (tmp_path / "p" / "RS.dcm").write_bytes(bytes(128) + b"DICM" + uid)
    found = discover("auto", tmp_path, "t2")
    assert len(found.cases) == 1
    assert "RS.dcm is a structure set (RTSTRUCT)" in found.ignored[0]


def test_damaged_files_and_single_slices_are_listed(tmp_path: Path, write_dicom: Any) -> None:
    write_dicom(tmp_path / "good", volume())
    (tmp_path / "good" / "broken.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 90)
    write_dicom(tmp_path / "one", volume()[:1])
    found = discover("auto", tmp_path, "t2")
    assert [case.id for case in found.cases] == ["good"]
    problems = [p.problem for p in found.problems]
    assert problems[0] == "broken.dcm cannot be read as a DICOM image"
    assert "single slice" in problems[1]


def test_a_truncated_slice_is_refused_when_read(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path, volume())
    paths[2].write_bytes(paths[2].read_bytes()[:-60])
    with pytest.raises(InputFileError, match="cannot be read"):
        read_series(paths)
