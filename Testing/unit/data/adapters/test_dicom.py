"""DICOM series as scanners and archives export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEGLSLossless,
    RLELossless,
)

from CrossModalSegLib.core.errors import GeometryError, InputFileError
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


def test_several_label_maps_beside_the_series_are_a_problem(
    tmp_path: Path, write_dicom: Any
) -> None:
    write_dicom(tmp_path / "p" / "scan", volume())
    for ending in ("nii.gz", "nrrd"):
        (tmp_path / "p" / f"label.{ending}").touch()
    found = discover("auto", tmp_path, "t2")
    assert not found.cases
    assert "several label maps (label.nii.gz, label.nrrd)" in found.problems[0].problem


def test_objects_that_are_no_images_are_named_and_ignored(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path / "p", volume())
    report = dcmread(paths[0])
    report.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.11.1")
    report.save_as(tmp_path / "p" / "PR.dcm")
    found = discover("auto", tmp_path, "t2")
    assert (len(found.cases), found.problems) == (1, ())
    assert found.ignored == ("p: PR.dcm (Grayscale Softcopy Presentation State)",)


@pytest.mark.parametrize("syntax", [DeflatedExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_deflated_and_losslessly_compressed_series_are_read(
    tmp_path: Path, write_dicom: Any, syntax: UID
) -> None:
    larger = np.kron(volume(), np.ones((1, 8, 8), np.int16))
    paths = write_dicom(tmp_path, larger)
    for path in paths:
        dataset = dcmread(path)
        if syntax == DeflatedExplicitVRLittleEndian:
            dataset.file_meta.TransferSyntaxUID = syntax
        else:
            dataset.compress(syntax)
        dataset.save_as(path, enforce_file_format=True)
        assert syntax.encode() in path.read_bytes()[:1000]
    ((series,), broken) = find_series(paths)
    assert (broken, series.problem) == ([], "")
    assert np.array_equal(read_series(series.files).array_kji, larger)


def test_an_unknown_encoding_is_named_with_what_to_do(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path / "p", volume())
    for path in paths:
        dataset = dcmread(path)
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
        dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(InputFileError, match="encoded as High-Throughput JPEG 2000") as caught:
        read_series(paths)
    assert "without compression" in caught.value.hint


def test_compression_with_loss_is_told(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path, volume(), tags={"0028|2110": "01"})
    ((series,), _) = find_series(paths)
    assert series.note == "its pixels were compressed with loss"


def test_gantry_tilt_is_an_error(tmp_path: Path, write_dicom: Any) -> None:
    paths = write_dicom(tmp_path, volume())
    for k, path in enumerate(paths):
        dataset = dcmread(path)
        dataset.ImagePositionPatient = [-10, 5 + k, 3 * k]
        dataset.save_as(path)
    with pytest.raises(GeometryError, match="sheared"):
        read_series(paths)


def test_cases_with_one_patient_id_are_told(tmp_path: Path, write_dicom: Any) -> None:
    for name, patient in (("visit1", "P7"), ("visit2", "P7"), ("other", "P8")):
        write_dicom(tmp_path / name, volume(), tags={"0010|0020": patient})
    found = discover("auto", tmp_path, "t2")
    notes = {case.id: case.notes for case in found.cases}
    assert notes["other"] == ()
    assert "Patient ID 'P7' is that of visit2, too" in notes["visit1"][0]


def test_an_echo_is_chosen_by_its_time(tmp_path: Path, write_dicom: Any, read: Any) -> None:
    for number, echo in enumerate(("2.3", "4.6")):
        tags = {"0018|0081": echo, "0008|0018": ""}
        write_dicom(tmp_path / "p", volume(number), tags=tags, names=f"{echo}-{{}}.dcm".format)
    assert "echo 2.3 ms" in discover("auto", tmp_path, "mr_t1dual").problems[0].problem
    found = discover("auto", tmp_path, "mr_t1dual", series="echo 4.6")
    assert np.array_equal(read(found, "p", "abdomen", "mr_t1dual").image.array_kji, volume(1))


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
