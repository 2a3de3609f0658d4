"""Series of a database that is asked as Slicer's is, as a data set that `prepare` knows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from CrossModalSegLib.bridge.training.dicom_series import SeriesExport, SeriesListing
from CrossModalSegLib.core.errors import CohortError, InputFileError
from CrossModalSegLib.data.adapters import discover


class Database:
    """What is used of ctkDICOMDatabase, by its documentation."""

    isOpen = True  # noqa: N815  (named as CTK names it)

    def __init__(self) -> None:
        self.series: dict[str, tuple[str, str, list[str]]] = {}
        self.lookups = 0

    def patients(self) -> list[str]:
        """Rows of patients."""
        return ["1"] if self.series else []

    def studiesForPatient(self, patient: str) -> list[str]:  # noqa: N802
        """Studies."""
        return [f"study of {patient}"]

    def seriesForStudy(self, study: str) -> list[str]:  # noqa: N802
        """Series."""
        assert study == "study of 1"
        return list(self.series)

    def filesForSeries(self, uid: str) -> list[str]:  # noqa: N802
        """Files."""
        return self.series[uid][2] if uid in self.series else []

    def fileValue(self, path: str, tag: str) -> str:  # noqa: N802
        """Value of a tag."""
        self.lookups += 1
        entry = next(each for each in self.series.values() if path in each[2])
        return {"0010,0020": entry[0], "0008,0060": entry[1]}[tag]

    def nameForPatient(self, _patient: str) -> str:  # noqa: N802
        """Name."""
        return "Doe^Jane"

    def descriptionForStudy(self, _study: str) -> str:  # noqa: N802
        """Description."""
        return "Heart"

    def descriptionForSeries(self, uid: str) -> str:  # noqa: N802
        """Description."""
        return f"series {uid}"


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def add(database: Database, tmp_path: Path) -> Callable[..., str]:
    """Put a series of real files into the database."""

    def add_series(uid: str, patient: str, modality: str = "CT", slices: int = 4) -> str:
        files = []
        identifier = generate_uid(entropy_srcs=[uid])
        for number in range(slices):
            path = tmp_path / "archive" / uid / f"IM{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, identifier, patient, number)
            files.append(str(path))
        database.series[uid] = (patient, modality, files)
        return uid

    return add_series


def _write(path: Path, series: str, patient: str, number: int) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    file.SeriesInstanceUID, file.StudyInstanceUID = series, generate_uid(entropy_srcs=[patient])
    file.FrameOfReferenceUID = generate_uid(entropy_srcs=[series, "frame"])
    file.Modality, file.PatientID, file.SeriesDescription = "CT", patient, "thorax"
    file.Rows = file.Columns = 8
    file.PixelSpacing, file.SliceThickness = [1.0, 1.0], 2.0
    file.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    file.ImagePositionPatient = [0.0, 0.0, 2.0 * number]
    file.InstanceNumber = number + 1
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleSlope, file.RescaleIntercept = 1, -1024
    file.PixelData = np.full((8, 8), 100 * number, "<i2").tobytes()
    file.save_as(path, enforce_file_format=True)


def export(database: Database, uids: list[str], folder: Path) -> SeriesExport:
    folder.mkdir()
    made = SeriesExport(uids, database, folder)
    while not made.is_copied:
        work = made.step(0.02)
        if work is not None:
            work()
    return made


def test_image_series_are_listed_and_others_are_not(
    database: Database, add: Callable[..., str]
) -> None:
    add("1.1", "P1")
    add("1.2", "P1", "SEG")
    add("1.3", "", "MR", slices=2)
    listing = SeriesListing(database)
    assert listing.read(10.0)
    assert [entry.uid for entry in listing.entries] == ["1.1", "1.3"]
    assert listing.entries[0].title == "P1: Heart, series 1.1, 4 files"
    assert listing.entries[1].patient == "Doe^Jane"


def test_a_large_database_is_read_in_parts(database: Database, add: Callable[..., str]) -> None:
    for number in range(5):
        add(f"1.{number}", f"P{number}", slices=1)
    listing = SeriesListing(database)
    steps = 0
    while not listing.read(1e-9):
        steps += 1
    assert steps >= 4
    assert len(listing.entries) == 5


@pytest.mark.parametrize("links", ["hard", "symbolic", "none"])
def test_chosen_series_become_a_data_set(
    database: Database,
    add: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    links: str,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError("not on this disk")

    if links != "hard":
        monkeypatch.setattr(os, "link", refuse)
    if links == "none":
        monkeypatch.setattr(Path, "symlink_to", refuse)
    uids = [add("1.1", "P1"), add("1.2", "P/2", slices=5), add("1.3", "P3")]
    made = export(database, uids[:2], tmp_path / "set")
    assert (made.count, made.done) == (2, 2)
    found = discover("auto", made.root, ["ct"])
    assert found.dataset == "dicom"
    assert [(case.id, case.subject) for case in found.cases] == [("P1", "P1"), ("P_2", "P_2")]
    case = found.cases[1]
    assert case.reader is not None
    image = case.reader.read_image(case)
    assert image.shape_kji == (5, 8, 8)
    np.testing.assert_allclose(image.array_kji[:, 0, 0], 100 * np.arange(5) - 1024)


def test_two_series_of_a_patient_are_refused(
    database: Database, add: Callable[..., str], tmp_path: Path
) -> None:
    uids = [add("1.1", "P1"), add("1.2", "p1")]
    with pytest.raises(CohortError, match="Several series of patient 'p1' are chosen"):
        export(database, uids, tmp_path / "set")


def test_files_that_are_gone_are_named(
    database: Database, add: Callable[..., str], tmp_path: Path
) -> None:
    uid = add("1.1", "P1")
    Path(database.series[uid][2][2]).unlink()
    with pytest.raises(InputFileError, match="IM2 of the DICOM database does not exist"):
        export(database, [uid], tmp_path / "set")
    with pytest.raises(InputFileError, match="has no files of the series 9"):
        export(database, ["9"], tmp_path / "other")
