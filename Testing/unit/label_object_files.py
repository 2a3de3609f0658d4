"""DICOM segmentations and structure sets, as other programs write them, for tests."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from CrossModalSegLib.core.geometry import ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_reading import read_series
from Testing.unit.dicom_files import write_series

STRUCTURE_SET_CLASS = UID("1.2.840.10008.5.1.4.1.1.481.3")

UNKNOWN = Code("1", "99TEST", "Something")


def write_segmentation_object(
    path: Path,
    series: Sequence[Path],
    masks: Volume | Sequence[Volume],
    names: Sequence[str],
    *,
    kind: str = "BINARY",
    types: Sequence[Code] = (),
    modifiers: Mapping[int, Code] | None = None,
    **options: Any,
) -> Path:
    """Write a SEG with highdicom.

    Args:
        path: The file.
        series: The files that it was drawn on.
        masks: One volume a segment, all on one grid, which need not be the series'; or one label
            map with the segments' numbers.
        names: Of the segments.
        kind: BINARY, FRACTIONAL or LABELMAP.
        types: Codes of the segments.
        modifiers: By segment number.
        options: Of highdicom's `Segmentation`.
    """
    volumes = [masks] if isinstance(masks, Volume) else list(masks)
    arrays = [volume.array_kji for volume in volumes]
    array = arrays[0] if isinstance(masks, Volume) else np.stack(arrays, axis=-1)
    affine_lps = ras_to_lps(volumes[0].affine_ras)
    directions = affine_lps[:3, :3] / np.linalg.norm(affine_lps[:3, :3], axis=0)
    column_mm, row_mm, slice_mm = volumes[0].spacing_mm
    segments = [_segment(n, name, types) for n, name in enumerate(names, start=1)]
    for number, modifier in (modifiers or {}).items():
        kind_of = segments[number - 1].SegmentedPropertyTypeCodeSequence[0]
        coded = highdicom.sr.CodedConcept.from_code(modifier)
        kind_of.SegmentedPropertyTypeModifierCodeSequence = [coded]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        created = highdicom.seg.Segmentation(
            source_images=[dcmread(file) for file in series],
            pixel_array=array.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
            segmentation_type=kind,
            segment_descriptions=segments,
            series_instance_uid=generate_uid(),
            series_number=9,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="Test",
            manufacturer_model_name="Test",
            software_versions="1",
            device_serial_number="1",
            plane_positions=[
                highdicom.PlanePositionSequence("PATIENT", (affine_lps[:3] @ [0, 0, k, 1]).tolist())
                for k in range(array.shape[0])
            ],
            plane_orientation=highdicom.PlaneOrientationSequence(
                "PATIENT", directions[:, :2].T.ravel()
            ),
            pixel_measures=highdicom.PixelMeasuresSequence((row_mm, column_mm), slice_mm),
            **options,
        )
        created.save_as(path)
    return path


def _segment(number: int, name: str, types: Sequence[Code]) -> Any:
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=types[number - 1] if types else UNKNOWN,
        algorithm_type="MANUAL",
    )


def write_structure_set(
    path: Path,
    series: Sequence[Path],
    contours: Mapping[str, Sequence[NDArray[np.float64]]],
    *,
    kinds: Mapping[str, str] | None = None,
    types: Mapping[str, Code] | None = None,
) -> Path:
    """Write an RTSTRUCT with pydicom.

    Args:
        path: The file.
        series: The files that it was drawn on.
        contours: Points (point, 3) in LPS of the contours of each structure, by its name.
        kinds: Geometric types of structures' contours that are not CLOSED_PLANAR.
        types: Codes of structures.
    """
    image = dcmread(series[0], stop_before_pixels=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = STRUCTURE_SET_CLASS
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = STRUCTURE_SET_CLASS, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = image.StudyInstanceUID, generate_uid()
    dataset.Modality = "RTSTRUCT"
    referenced, study, frame = Dataset(), Dataset(), Dataset()
    referenced.SeriesInstanceUID = image.SeriesInstanceUID
    study.RTReferencedSeriesSequence = [referenced]
    frame.FrameOfReferenceUID = image.FrameOfReferenceUID
    frame.RTReferencedStudySequence = [study]
    dataset.ReferencedFrameOfReferenceSequence = [frame]
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    for number, (name, polygons) in enumerate(contours.items(), start=1):
        roi, drawn, observation = Dataset(), Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = image.FrameOfReferenceUID
        drawn.ReferencedROINumber = observation.ReferencedROINumber = number
        drawn.ContourSequence = [_contour(points, (kinds or {}).get(name)) for points in polygons]
        if types and name in types:
            coded = highdicom.sr.CodedConcept.from_code(types[name])
            observation.RTROIIdentificationCodeSequence = [coded]
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observation)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _contour(points_lps: NDArray[np.float64], kind: str | None) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType = kind or "CLOSED_PLANAR"
    contour.NumberOfContourPoints = len(points_lps)
    contour.ContourData = [f"{value:.8g}" for value in np.ravel(points_lps)]
    return contour


def pixel_outlines(mask: Volume) -> list[NDArray[np.float64]]:
    """Return the outline of each voxel of a mask within its slice, as points in LPS."""
    affine_lps = ras_to_lps(mask.affine_ras)
    around = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    outlines = []
    for k, j, i in np.argwhere(mask.array_kji):
        corners = np.column_stack([around + [i, j], np.full(4, k), np.ones(4)])
        outlines.append((corners @ affine_lps.T)[:, :3])
    return outlines


def write_scan(place: Path, seed: int, **tags: Any) -> tuple[list[Path], Volume]:
    """Write a CT of 12x10x5 voxels, and return its files and how it is read."""
    array = np.random.default_rng(seed).integers(0, 900, (5, 10, 12)).astype(np.float32)
    volume = Volume(array, np.diag([-1.5, -1.5, 3.0, 1.0]))
    paths = write_series(place, volume, **{"Modality": "CT", "PatientID": f"P{seed}", **tags})
    return paths, read_series(paths)


def organ(grid: Volume, value: int, k: int) -> Volume:
    """Return a mask of two slices; its size tells which it is."""
    array = np.zeros(grid.shape_kji, np.uint8)
    array[k : k + 2, 2:5, 3 : 5 + value] = 1
    return grid.with_array(array)


def write_cases_with_objects(root: Path) -> Path:
    """Write a case with a SEG and one with an RTSTRUCT, each with an organ of another name."""
    paths, grid = write_scan(root / "anna" / "ct", 1)
    organs = [organ(grid, 1, 0), organ(grid, 4, 3), organ(grid, 2, 2)]
    write_segmentation_object(root / "anna" / "s.dcm", paths, organs, ["Leber", "Spleen", "Body"])
    paths, grid = write_scan(root / "bert" / "study" / "ct", 2)
    contours = {name: pixel_outlines(organ(grid, n, n)) for n, name in ((1, "liver"), (3, "Couch"))}
    (root / "bert" / "study" / "rt").mkdir()
    write_structure_set(root / "bert" / "study" / "rt" / "rs", paths, contours)
    return root
