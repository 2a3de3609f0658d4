"""Label maps of DICOM segmentations and structure sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes

from CrossModalSegLib.core.errors import InputFileError, LabelError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_objects import (
    SEGMENTATION,
    STRUCTURE_SET,
    label_kind,
    objects_of_series,
    read_label_object,
)
from CrossModalSegLib.data.dicom_reading import find_series, read_series
from CrossModalSegLib.data.label_objects import describe_objects, read_label_objects
from CrossModalSegLib.data.structures import StructureNames
from Testing.unit.dicom_files import write_series
from Testing.unit.label_object_files import (
    pixel_outlines,
    write_segmentation_object,
    write_structure_set,
)

BRAIN, ABDOMEN = (StructureNames(TASKS[name]) for name in ("brain_tumour", "abdomen"))


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    array = np.random.default_rng(1).integers(0, 900, (4, 6, 8)).astype(np.float32)
    return write_series(tmp_path / "scan", Volume(array, np.diag([-1.5, -1.5, 3.0, 1.0])))


@pytest.fixture
def grid(series: list[Path]) -> Volume:
    return read_series(series)


def mask(grid: Volume, *box: slice) -> Volume:
    array = np.zeros(grid.shape_kji, np.uint8)
    array[box] = 1
    return grid.with_array(array)


def tumour(grid: Volume) -> dict[str, Volume]:
    """Return nested regions of a tumour."""
    return {
        "Whole tumor": mask(grid, slice(1, 4), slice(1, 5), slice(1, 7)),
        "Tumor core": mask(grid, slice(1, 3), slice(2, 5), slice(2, 6)),
        "Enhancing tumor": mask(grid, slice(2, 3), slice(2, 4), slice(3, 5)),
    }


def expected_tumour(grid: Volume) -> np.ndarray:
    whole, core, enhancing = (part.array_kji.astype(bool) for part in tumour(grid).values())
    return np.where(enhancing, 3, np.where(core, 1, np.where(whole, 2, 0)))


def test_overlapping_segments_of_nested_regions_become_classes(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    parts = tumour(grid)
    path = write_segmentation_object(tmp_path / "s.dcm", series, list(parts.values()), list(parts))
    read = read_label_objects([path], grid, BRAIN)
    np.testing.assert_array_equal(read.labels.array_kji, expected_tumour(grid))
    assert read.labels.array_kji.dtype == np.uint8
    assert (read.unknown, read.notes) == ((), ())


def test_structure_sets_of_nested_regions_do_too(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    contours = {name: pixel_outlines(part) for name, part in tumour(grid).items()}
    path = write_structure_set(tmp_path / "rt.dcm", series, contours)
    read = read_label_objects([path], grid, BRAIN)
    np.testing.assert_array_equal(read.labels.array_kji, expected_tumour(grid))


def test_structures_that_the_task_does_not_have_are_background_and_named(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    parts = [mask(grid, slice(0, 2)), mask(grid, slice(1, 3)), mask(grid, slice(3, 4))]
    names = ["Liver", "Body", "Pancreas"]
    path = write_segmentation_object(tmp_path / "s.dcm", series, parts, names)
    read = read_label_objects([path], grid, ABDOMEN)
    np.testing.assert_array_equal(read.labels.array_kji, parts[0].array_kji)
    assert read.unknown == ("Body", "Pancreas")
    assert describe_objects([path], ABDOMEN) == "Liver=1, Body=?, Pancreas=?"
    said = StructureNames(TASKS["abdomen"], {"Pancreas": "spleen", "body": ""})
    read = read_label_objects([path], grid, said)
    assert np.unique(read.labels.array_kji).tolist() == [0, 1, 4]
    assert read.unknown == ()
    assert describe_objects([path], said) == "Liver=1, Body=0, Pancreas=4"


def test_codes_and_sides_are_read_from_both_kinds(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    parts = [mask(grid, slice(n, n + 1)) for n in range(3)]
    path = write_segmentation_object(
        tmp_path / "s.dcm",
        series,
        parts,
        ["Segment_1", "Segment_2", "Segment_3"],
        types=[codes.SCT.Kidney, codes.SCT.Kidney, codes.SCT.Liver],
        modifiers={1: codes.SCT.Right, 2: codes.SCT.Left},
    )
    found = read_label_objects([path], grid, ABDOMEN).labels.array_kji
    assert [found[n].max() for n in range(4)] == [2, 3, 1, 0]
    contours = {"ROI-1": pixel_outlines(parts[1])}
    path = write_structure_set(
        tmp_path / "rt.dcm", series, contours, types={"ROI-1": codes.SCT.Spleen}
    )
    found = read_label_objects([path], grid, ABDOMEN).labels.array_kji
    np.testing.assert_array_equal(found, parts[1].array_kji * 4)


def test_a_structure_each_in_a_file_of_its_own(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    first, second = mask(grid, slice(0, 1)), mask(grid, slice(2, 3))
    paths = [
        write_segmentation_object(tmp_path / "a.dcm", series, [first], ["liver"]),
        write_structure_set(tmp_path / "b.dcm", series, {"spleen": pixel_outlines(second)}),
    ]
    found = read_label_objects(paths, grid, ABDOMEN).labels.array_kji
    np.testing.assert_array_equal(found, first.array_kji + 4 * second.array_kji)


def test_one_structure_in_two_files_is_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    paths = [
        write_segmentation_object(tmp_path / name, series, [mask(grid, slice(0, 1))], ["liver"])
        for name in ("anna.dcm", "bert.dcm")
    ]
    with pytest.raises(LabelError, match=r"anna.dcm and bert.dcm both hold 'liver'"):
        read_label_objects(paths, grid, ABDOMEN)


def test_overlaps_that_are_not_nested_are_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    parts = [mask(grid, slice(0, 2), slice(0, 1)), mask(grid, slice(1, 3), slice(0, 1))]
    path = write_segmentation_object(tmp_path / "s.dcm", series, parts, ["liver", "spleen"])
    with pytest.raises(LabelError, match="8 voxels in liver and spleen alone"):
        read_label_objects([path], grid, ABDOMEN)


def test_an_object_without_any_structure_of_the_task_is_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    path = write_segmentation_object(tmp_path / "s.dcm", series, [mask(grid)], ["Couch"])
    with pytest.raises(LabelError, match="has the structures Couch; task 'abdomen' has none"):
        read_label_objects([path], grid, ABDOMEN)


def test_fractions_are_told(tmp_path: Path, series: list[Path], grid: Volume) -> None:
    part = mask(grid, slice(1, 2))
    path = write_segmentation_object(
        tmp_path / "s.dcm", series, [part], ["liver"], kind="FRACTIONAL"
    )
    read = read_label_objects([path], grid, ABDOMEN)
    np.testing.assert_array_equal(read.labels.array_kji, part.array_kji)
    assert "holds fractions" in read.notes[0]


def test_objects_belong_to_the_series_that_they_name_or_else_to_their_coordinate_system(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    ((found,), _) = find_series(series)
    paths = [
        write_segmentation_object(tmp_path / "s.dcm", series, [mask(grid)], ["liver"]),
        write_structure_set(tmp_path / "rt.dcm", series, {"liver": []}),
    ]
    assert [label_kind(path) for path in (*paths, series[0])] == [SEGMENTATION, STRUCTURE_SET, ""]
    objects = [read_label_object(path) for path in paths]
    assert [entry.kind for entry in objects] == [SEGMENTATION, STRUCTURE_SET]
    assert objects_of_series(objects, found.uid, found.frame_of_reference) == objects
    assert objects_of_series(objects, "1.2.3", found.frame_of_reference) == objects
    assert objects_of_series(objects, found.uid, "") == objects
    assert objects_of_series(objects, "1.2.3", "4.5.6") == []
    assert objects_of_series(objects, "1.2.3", "") == []


def test_what_the_standard_asks_for_must_be_there(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    path = write_segmentation_object(tmp_path / "s.dcm", series, [mask(grid)], ["liver"])
    dataset = dcmread(path)
    del dataset.SegmentSequence
    dataset.save_as(path)
    with pytest.raises(InputFileError, match="SegmentSequence"):
        read_label_object(path)
