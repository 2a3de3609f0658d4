"""DICOM segmentation objects, read back with highdicom."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import (
    GeometryError,
    InputFileError,
    LabelError,
    MissingDependencyError,
    OutputExistsError,
)
from CrossModalSegLib.core.geometry import affine_from, ras_to_lps
from CrossModalSegLib.core.tasks import TASKS, Region, StructureClass, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_reading import find_series, read_series
from CrossModalSegLib.data.dicom_segmentation import DicomOrigin, write_dicom_segmentation
from Testing.unit.dicom_files import write_multi_frame, write_series

SHUFFLED = (3, 0, 5, 1, 4, 2)

TURNS = {
    "axial": np.eye(3),
    "coronal": np.array([[-1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]),
    "sagittal from the left": np.array([[0, 0, -1.0], [-1.0, 0, 0], [0, -1.0, 0]]),
    "oblique": Rotation.from_euler("xyz", [25, -35, 50], degrees=True).as_matrix(),
    "stacked downwards": np.diag([-1.0, -1.0, -1.0]),
}
"""Directions of rows, columns and slices (columns of each matrix), in RAS."""


def image(turn: NDArray[np.float64]) -> Volume:
    array = np.random.default_rng(1).integers(0, 900, (6, 7, 9)).astype(np.float32)
    return Volume(array, affine_from((0.7, 1.3, 2.5), turn, (12.5, -30.25, 5.0)))


def landmark(grid: Volume, last: int) -> Volume:
    """Return labels that are different in every direction: an arm along each axis."""
    array = np.zeros(grid.shape_kji, np.uint8)
    array[1, 2, 2:8] = 1
    array[1, 3:6, 2] = 2
    array[2:5, 2, 2] = 3
    array[4, 5, 7] = last
    return grid.with_array(array)


def origin_of(files: list[Path]) -> DicomOrigin:
    ((series,), problems) = find_series(sorted(files))
    assert not problems
    assert not series.problem
    return DicomOrigin(series=series.files, model="tiny", model_version="0123abcd")


def segment_points(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the places (point, LPS in mm) of each segment's voxels, as highdicom reads them."""
    found = highdicom.seg.segread(path)
    volume = found.get_volume(combine_segments=False)
    points = {}
    names = [found.get_segment_description(n).segment_label for n in found.segment_numbers]
    for number, name in enumerate(names):
        indices = np.argwhere(np.asarray(volume.array)[..., number])
        homogeneous = np.column_stack([indices, np.ones(len(indices))])
        points[name] = (homogeneous @ np.asarray(volume.affine).T)[:, :3]
    return points


def expected_points(labels: Volume, entry: StructureClass | Region) -> NDArray[np.float64]:
    values = (entry.value,) if isinstance(entry, StructureClass) else entry.values
    indices_ijk = np.argwhere(np.isin(labels.array_kji, values))[:, ::-1]
    homogeneous = np.column_stack([indices_ijk, np.ones(len(indices_ijk))])
    return np.asarray((homogeneous @ ras_to_lps(labels.affine_ras).T)[:, :3])


def assert_same_places(path: Path, labels: Volume, task: Task) -> None:
    found = segment_points(path)
    entries = task.regions if task.nested else task.classes
    assert list(found) == [entry.label for entry in entries]
    for entry in entries:
        expected = expected_points(labels, entry)
        assert len(expected) > 0
        order, other = (np.lexsort(np.round(p, 3).T) for p in (found[entry.label], expected))
        np.testing.assert_allclose(found[entry.label][order], expected[other], atol=1e-3)


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("kind", ["single frames", "multi-frame"])
def test_each_voxel_lies_where_it_lay_in_the_patient(
    tmp_path: Path, turn: NDArray[np.float64], kind: str
) -> None:
    scan = image(turn)
    if kind == "single frames":
        files = write_series(tmp_path / "in", scan, order=SHUFFLED)
    else:
        files = [write_multi_frame(tmp_path / "in" / "all.dcm", scan, frame_order=SHUFFLED)]
    origin = origin_of(files)
    volume = read_series(origin.series)
    labels = landmark(volume, 4)
    write_dicom_segmentation(labels, TASKS["cardiac"], tmp_path / "out.dcm", origin=origin)
    assert_same_places(tmp_path / "out.dcm", labels, TASKS["cardiac"])
    # What was read is what was written, and not mirrored: the landmark lies on the same pixels.
    at = ras_to_lps(scan.affine_ras) @ np.array([2, 3, 1, 1.0])
    index = np.rint(np.linalg.solve(ras_to_lps(volume.affine_ras), at)).astype(int)
    assert volume.array_kji[index[2], index[1], index[0]] == scan.array_kji[1, 3, 2]


def test_nested_regions_are_overlapping_segments(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["oblique"]), order=SHUFFLED)
    origin, task = origin_of(files), TASKS["brain_tumour"]
    labels = landmark(read_series(origin.series), 2)
    write_dicom_segmentation(labels, task, tmp_path / "out.dcm", origin=origin)
    assert_same_places(tmp_path / "out.dcm", labels, task)
    written = dcmread(tmp_path / "out.dcm")
    assert written.SegmentsOverlap == "YES"
    assert written.SegmentationType == "BINARY"


def test_chosen_structures_alone_become_segments(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]))
    origin, task = origin_of(files), TASKS["brain_tumour"]
    labels = landmark(read_series(origin.series), 2)
    write_dicom_segmentation(
        labels, task, tmp_path / "out.dcm", origin=origin, structures=task.regions[1:2]
    )
    found = segment_points(tmp_path / "out.dcm")
    assert list(found) == ["Tumour core"]
    assert len(found["Tumour core"]) == int(np.isin(labels.array_kji, (1, 3)).sum())


def test_the_object_says_what_it_is_and_of_whom(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]), Modality="CT")
    origin, task = origin_of(files), TASKS["abdomen"]
    labels = landmark(read_series(origin.series), 4)
    write_dicom_segmentation(labels, task, tmp_path / "out.dcm", origin=origin)
    written, source = dcmread(tmp_path / "out.dcm"), dcmread(files[0])
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert written[keyword].value == source[keyword].value, keyword
    assert written.SeriesInstanceUID != source.SeriesInstanceUID
    assert written.SeriesNumber == 103
    assert written.SeriesDescription == "Segmentation of bSSFP coronal"
    kidney = written.SegmentSequence[1]
    assert (kidney.SegmentNumber, kidney.SegmentLabel) == (2, "Right kidney")
    kind = kidney.SegmentedPropertyTypeCodeSequence[0]
    assert (kind.CodeValue, kind.CodingSchemeDesignator) == ("64033007", "SCT")
    side = kind.SegmentedPropertyTypeModifierCodeSequence[0]
    assert (side.CodeValue, side.CodeMeaning) == ("24028007", "Right")
    assert kidney.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "123037004"
    assert kidney.SegmentAlgorithmType == "AUTOMATIC"
    assert kidney.SegmentAlgorithmName == "tiny"
    by = kidney.SegmentationAlgorithmIdentificationSequence[0]
    assert (by.AlgorithmName, by.AlgorithmVersion) == ("tiny", "0123abcd")
    assert by.AlgorithmSource.startswith("CrossModalSeg ")
    tumour = TASKS["brain_tumour"]
    write_dicom_segmentation(landmark(labels, 2), tumour, tmp_path / "t.dcm", origin=origin)
    region = dcmread(tmp_path / "t.dcm").SegmentSequence[0].AnatomicRegionSequence[0]
    assert (region.CodeValue, region.CodeMeaning) == ("12738006", "Brain")


def test_colours_are_the_tasks(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]))
    origin, task = origin_of(files), TASKS["cardiac"]
    labels = landmark(read_series(origin.series), 4)
    write_dicom_segmentation(labels, task, tmp_path / "out.dcm", origin=origin)
    for entry, written in zip(
        task.classes, dcmread(tmp_path / "out.dcm").SegmentSequence, strict=True
    ):
        lightness, a_star, b_star = written.RecommendedDisplayCIELabValue
        lab = lightness * 100 / 65535, a_star * 255 / 65535 - 128, b_star * 255 / 65535 - 128
        colour: Any = highdicom.color.CIELabColor(*lab).to_rgb()
        assert np.abs(np.subtract(colour, entry.colour)).max() <= 2


def test_every_frame_names_the_slice_that_it_lies_on(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["oblique"]), order=SHUFFLED)
    origin = origin_of(files)
    labels = landmark(read_series(origin.series), 4)
    write_dicom_segmentation(labels, TASKS["cardiac"], tmp_path / "out.dcm", origin=origin)
    written = dcmread(tmp_path / "out.dcm")
    places = {dcmread(f).SOPInstanceUID: dcmread(f).ImagePositionPatient for f in files}
    assert len(written.PerFrameFunctionalGroupsSequence) == 6  # of 24: the others are empty
    for group in written.PerFrameFunctionalGroupsSequence:
        (derivation,) = group.DerivationImageSequence
        (source,) = derivation.SourceImageSequence
        place = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(place, places[source.ReferencedSOPInstanceUID], atol=1e-4)
    (series,) = written.ReferencedSeriesSequence
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert named == set(places)


def test_an_empty_segmentation_is_written_too(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]))
    origin = origin_of(files)
    volume = read_series(origin.series)
    empty = volume.with_array(np.zeros(volume.shape_kji, np.uint8))
    write_dicom_segmentation(empty, TASKS["cardiac"], tmp_path / "out.dcm", origin=origin)
    assert all(len(points) == 0 for points in segment_points(tmp_path / "out.dcm").values())


def test_tags_that_anonymisation_removed_are_left_empty(tmp_path: Path) -> None:
    gone = (
        *("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "PatientName"),
        *("SeriesNumber", "SeriesDescription", "StudyDate", "StudyTime", "PatientID"),
    )
    files = write_series(tmp_path / "in", image(TURNS["axial"]), **dict.fromkeys(gone))
    origin = origin_of(files)
    labels = landmark(read_series(origin.series), 4)
    write_dicom_segmentation(labels, TASKS["cardiac"], tmp_path / "out.dcm", origin=origin)
    written = dcmread(tmp_path / "out.dcm")
    assert written.PatientID == ""
    assert written.SeriesDescription == "Segmentation of MR"
    assert_same_places(tmp_path / "out.dcm", labels, TASKS["cardiac"])


def test_a_series_without_what_a_segmentation_refers_to_is_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]), FrameOfReferenceUID=None)
    origin = origin_of(files)
    labels = landmark(read_series(origin.series), 4)
    with pytest.raises(InputFileError, match=r"cannot refer to this series.*seg.nrrd"):
        write_dicom_segmentation(labels, TASKS["cardiac"], tmp_path / "out.dcm", origin=origin)
    assert not (tmp_path / "out.dcm").exists()


def test_labels_of_another_grid_or_task_are_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]))
    origin, output = origin_of(files), tmp_path / "out.dcm"
    labels = landmark(read_series(origin.series), 4)
    moved = labels.affine_ras.copy()
    moved[2, 3] += 2.5
    other = (Volume(labels.array_kji, moved), Volume(labels.array_kji[:5], labels.affine_ras))
    for volume in other:
        with pytest.raises(GeometryError, match="does not lie on the grid"):
            write_dicom_segmentation(volume, TASKS["cardiac"], output, origin=origin)
    with pytest.raises(LabelError):
        write_dicom_segmentation(labels, TASKS["whole_tumour"], output, origin=origin)
    output.write_text("mine")
    with pytest.raises(OutputExistsError):
        write_dicom_segmentation(labels, TASKS["cardiac"], output, origin=origin)
    assert output.read_text() == "mine"


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_series(tmp_path / "in", image(TURNS["axial"]))
    origin = origin_of(files)
    labels = landmark(read_series(origin.series), 4)
    usual = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "highdicom":
            raise ModuleNotFoundError("No module named 'highdicom'", name="highdicom")
        return usual(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"'highdicom' is needed.*pip install"):
        write_dicom_segmentation(labels, TASKS["cardiac"], tmp_path / "o.dcm", origin=origin)
