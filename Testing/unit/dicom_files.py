"""DICOM images of a volume, as scanners write them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from CrossModalSegLib.core.geometry import ras_to_lps
from CrossModalSegLib.core.volume import Volume

CT_CLASS, MR_CLASS = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_CLASS = "1.2.840.10008.5.1.4.1.1.4.1"


def write_series(
    folder: Path,
    volume: Volume,
    *,
    order: Sequence[int] | None = None,
    places_mm: Sequence[float] | None = None,
    **tags: Any,
) -> list[Path]:
    """Write one file a slice k; the volume's values are whole numbers.

    Args:
        folder: Where to; made if it is not there.
        volume: Of any obliqueness; i runs along the rows of DICOM's pixels, j along columns.
        order: Position of each slice in names and instance numbers; None: as they lie.
        places_mm: Distance of each slice from the first along the affine's third axis; None: even.
        tags: Keywords of DICOM and their values in all files; None leaves a tag out.

    Returns:
        The files of slices k = 0, 1, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    common |= {"FrameOfReferenceUID": generate_uid(), "Modality": "MR"} | tags
    affine_lps = ras_to_lps(volume.affine_ras)
    step = affine_lps[:3, 2]
    paths = []
    for k in range(volume.shape_kji[0]):
        number = k if order is None else order[k]
        uid = generate_uid()
        dataset = _image(CT_CLASS if common["Modality"] == "CT" else MR_CLASS, uid, common)
        place = affine_lps[:3, 3] + k * step
        if places_mm is not None:
            place = affine_lps[:3, 3] + places_mm[k] * step / np.linalg.norm(step)
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = _numbers(place)
        dataset.ImageOrientationPatient = _orientation(affine_lps)
        dataset.PixelSpacing = _numbers(reversed(volume.spacing_mm[:2]))
        dataset.SliceThickness = _numbers([volume.spacing_mm[2]])[0]
        _set_pixels(dataset, volume.array_kji[k])
        _apply(dataset, tags)
        path = folder / f"IM{number:04d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_multi_frame(
    path: Path, volume: Volume, *, frame_order: Sequence[int] | None = None, **tags: Any
) -> Path:
    """Write one enhanced MR with a frame for each slice k, in any order; the rest as above."""
    path.parent.mkdir(parents=True, exist_ok=True)
    common = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    common |= {"FrameOfReferenceUID": generate_uid(), "Modality": "MR"} | tags
    dataset = _image(ENHANCED_MR_CLASS, generate_uid(), common)
    affine_lps = ras_to_lps(volume.affine_ras)
    frames = range(volume.shape_kji[0]) if frame_order is None else frame_order
    dataset.NumberOfFrames = len(frames)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = _numbers(reversed(volume.spacing_mm[:2]))
    measures.SliceThickness = _numbers([volume.spacing_mm[2]])[0]
    plane.ImageOrientationPatient = _orientation(affine_lps)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number, k in enumerate(frames, start=1):
        position, content, group = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = _numbers(affine_lps[:3, 3] + k * affine_lps[:3, 2])
        content.StackID, content.InStackPositionNumber = "1", k + 1
        content.DimensionIndexValues = [1, k + 1]
        content.FrameAcquisitionNumber = number
        group.PlanePositionSequence, group.FrameContentSequence = [position], [content]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    _set_pixels(dataset, volume.array_kji[list(frames)])
    _apply(dataset, tags)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _image(sop_class: str, uid: str, common: dict[str, Any]) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(sop_class), UID(uid)
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.PatientName, dataset.PatientID = "Müller^Anna", "P1"
    dataset.PatientBirthDate, dataset.PatientSex = "19700102", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240102", "101112", "7"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", ""
    dataset.SeriesNumber, dataset.SeriesDescription = 3, "bSSFP coronal"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.Manufacturer = "Phantom"
    for key in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality"):
        if common[key] is not None:
            setattr(dataset, key, common[key])
    return dataset


def _set_pixels(dataset: Dataset, pixels: Any) -> None:
    array = np.ascontiguousarray(np.asarray(pixels).astype(np.int16))
    dataset.Rows, dataset.Columns = array.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = array.tobytes()


def _orientation(affine_lps: Any) -> list[str]:
    columns = affine_lps[:3, :2] / np.linalg.norm(affine_lps[:3, :2], axis=0)
    return _numbers(columns.T.ravel())


def _numbers(values: Any) -> list[str]:
    """Return decimal strings of at most 16 characters, as DICOM demands."""
    return [f"{float(value):.9g}"[:16] for value in values]


def _apply(dataset: Dataset, tags: dict[str, Any]) -> None:
    for key, value in tags.items():
        if value is None:
            if key in dataset:
                delattr(dataset, key)
        else:
            setattr(dataset, key, value)
