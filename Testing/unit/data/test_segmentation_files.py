"""Segmentations through files, ours and Slicer's."""

from __future__ import annotations

from pathlib import Path

import nrrd
import numpy as np
import pytest

from CrossModalSegLib.core.errors import (
    GeometryError,
    InputFileError,
    LabelError,
    OutputExistsError,
)
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation, write_segmentation
from CrossModalSegLib.data.slicer_segments import Segment, segmentation_fields
from CrossModalSegLib.data.volume_encoding import write_nrrd_layers
from CrossModalSegLib.data.volume_files import write_volume

AFFINE = affine_from((0.6, 0.6, 8.0), np.diag([-1.0, 1.0, -1.0]), (10, 20, -30))
BRAIN, CARDIAC = TASKS["brain_tumour"], TASKS["cardiac"]


def labels_of(task: Task, affine_ras: np.ndarray = AFFINE) -> Volume:
    generator = np.random.default_rng(0)
    return Volume(generator.integers(0, task.num_classes, (4, 5, 6), dtype=np.uint8), affine_ras)


def segment(name: str, label_value: int, layer: int, identifier: str = "") -> Segment:
    return Segment(
        identifier=identifier or name,
        name=name,
        colour=(0, 0, 0),
        label_value=label_value,
        layer=layer,
    )


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha"])
def test_labels_come_back(tmp_path: Path, task: Task, suffix: str) -> None:
    path = tmp_path / f"Fäll 1{suffix}"
    write_segmentation(labels_of(task), task, path)
    read = read_segmentation(path, task)
    assert read.array_kji.dtype == np.uint8
    np.testing.assert_array_equal(read.array_kji, labels_of(task).array_kji)
    np.testing.assert_allclose(read.affine_ras, AFFINE, atol=1e-5)


def test_nested_regions_are_overlapping_layers(tmp_path: Path) -> None:
    write_segmentation(labels_of(BRAIN), BRAIN, tmp_path / "a.seg.nrrd")
    layers, header = nrrd.read(str(tmp_path / "a.seg.nrrd"))
    labels_ijk = labels_of(BRAIN).array_kji.transpose(2, 1, 0)
    for layer, region in enumerate(BRAIN.regions):
        np.testing.assert_array_equal(layers[layer], np.isin(labels_ijk, region.values))
        assert header[f"Segment{layer}_ID"] == region.name
        assert header[f"Segment{layer}_Name"] == region.label
        assert header[f"Segment{layer}_Layer"] == str(layer)


def test_classes_that_do_not_overlap_share_one_layer(tmp_path: Path) -> None:
    write_segmentation(labels_of(CARDIAC), CARDIAC, tmp_path / "a.seg.nrrd")
    array_ijk, header = nrrd.read(str(tmp_path / "a.seg.nrrd"))
    np.testing.assert_array_equal(array_ijk, labels_of(CARDIAC).array_kji.transpose(2, 1, 0))
    assert [header[f"Segment{n}_LabelValue"] for n in range(4)] == ["1", "2", "3", "4"]


def test_chosen_structures_are_layers_and_the_others_are_not_there(tmp_path: Path) -> None:
    task = TASKS["brain_tumour"]
    labels = Volume(np.array([0, 1, 2, 3], np.uint8).reshape(1, 2, 2), np.eye(4))
    path = tmp_path / "some.seg.nrrd"
    chosen = (task.region("TC"), task.region("ET"))
    write_segmentation(labels, task, path, structures=chosen)
    assert np.array_equal(
        read_segmentation(path, task).array_kji.ravel(), [0, 1, 0, 3]
    )  # oedema is in neither


def test_segments_are_found_by_name_whatever_their_order_and_value(tmp_path: Path) -> None:
    array = np.zeros((2, 2, 2), np.uint8)
    array[0, 0, 0], array[1, 1, 1] = 7, 3
    segments = [
        segment("left VENTRICLE", 7, 0, "Segment_1"),
        segment("something else", 3, 0, "myo"),
    ]
    fields = segmentation_fields(segments, Volume(array, AFFINE))
    write_nrrd_layers(array, AFFINE, tmp_path / "a.seg.nrrd", fields)
    labels = read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC).array_kji
    assert (labels[0, 0, 0], labels[1, 1, 1], labels.sum()) == (3, 1, 4)


def test_a_cropped_segmentation_is_placed_on_the_images_grid(tmp_path: Path) -> None:
    labels = labels_of(CARDIAC)
    box = labels.array_kji[1:3, 2:5, 1:4]
    cropped_affine = AFFINE.copy()
    cropped_affine[:3, 3] = (AFFINE @ [1, 2, 1, 1])[:3]
    write_segmentation(Volume(box, cropped_affine), CARDIAC, tmp_path / "a.seg.nrrd")
    placed = read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC, grid=labels)
    expected = np.zeros_like(labels.array_kji)
    expected[1:3, 2:5, 1:4] = box
    np.testing.assert_array_equal(placed.array_kji, expected)
    np.testing.assert_array_equal(placed.affine_ras, AFFINE)


@pytest.mark.parametrize(
    "change",
    [
        affine_from((1, 1, 1), np.eye(3), (0.5, 0, 0)),  # half a voxel off
        affine_from((1, 1, 1), np.eye(3), (-1, 0, 0)),  # begins before the image
        affine_from((1, 1, 1), np.eye(3), (0, 0, 1)),  # ends behind it
        affine_from((1.1, 1, 1), np.eye(3), (0, 0, 0)),  # other spacing
        affine_from((1, 1, 1), np.eye(3)[:, [1, 0, 2]], (0, 0, 0)),  # other directions
    ],
)
def test_a_segmentation_of_another_grid_is_refused(tmp_path: Path, change: np.ndarray) -> None:
    write_segmentation(labels_of(CARDIAC, AFFINE @ change), CARDIAC, tmp_path / "a.seg.nrrd")
    with pytest.raises(GeometryError, match="does not lie on the image's grid"):
        read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC, grid=labels_of(CARDIAC))


def test_a_segment_that_the_task_does_not_know_is_refused(tmp_path: Path) -> None:
    write_segmentation(labels_of(CARDIAC), CARDIAC, tmp_path / "a.seg.nrrd")
    with pytest.raises(LabelError, match="segment 'Myocardium', which task 'abdomen'"):
        read_segmentation(tmp_path / "a.seg.nrrd", TASKS["abdomen"])


def test_segments_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    layers = np.zeros((2, 2, 2, 2), np.uint8)
    layers[0, 0, 0] = 1  # in both
    layers[0, 0, 1, 1] = 1
    segments = [segment("Myocardium", 1, 0), segment("Left atrium", 1, 1)]
    fields = segmentation_fields(segments, Volume(layers[..., 0], AFFINE))
    write_nrrd_layers(layers, AFFINE, tmp_path / "a.seg.nrrd", fields)
    with pytest.raises(LabelError, match="1 voxels in Myocardium and Left atrium alone"):
        read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC)


def test_a_region_that_leaves_its_enclosing_one_is_refused(tmp_path: Path) -> None:
    layers = np.zeros((2, 2, 2, 3), np.uint8)
    layers[0, 0, 0, 2] = 1  # enhancing, but not tumour
    segments = [segment(name, 1, layer) for layer, name in enumerate(("WT", "TC", "ET"))]
    fields = segmentation_fields(segments, Volume(layers[..., 0], AFFINE))
    write_nrrd_layers(layers, AFFINE, tmp_path / "a.seg.nrrd", fields)
    with pytest.raises(LabelError, match="in ET alone"):
        read_segmentation(tmp_path / "a.seg.nrrd", BRAIN)


def test_a_layer_that_is_missing_is_refused(tmp_path: Path) -> None:
    labels = labels_of(CARDIAC)
    fields = segmentation_fields([segment("Myocardium", 1, 2)], labels)
    write_nrrd_layers(labels.array_kji, AFFINE, tmp_path / "a.seg.nrrd", fields)
    with pytest.raises(InputFileError, match="has 1 layers"):
        read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC)


def test_a_file_without_segments_is_refused(tmp_path: Path) -> None:
    write_volume(labels_of(CARDIAC), tmp_path / "a.nrrd")
    (tmp_path / "a.nrrd").rename(tmp_path / "a.seg.nrrd")
    with pytest.raises(InputFileError, match="describes no segments"):
        read_segmentation(tmp_path / "a.seg.nrrd", CARDIAC)


def test_values_that_the_task_does_not_know_are_not_written(tmp_path: Path) -> None:
    labels = Volume(np.full((2, 2, 2), 9, np.uint8), AFFINE)
    with pytest.raises(LabelError, match=r"9 \(8 voxels\)"):
        write_segmentation(labels, CARDIAC, tmp_path / "a.seg.nrrd")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz"])
def test_an_output_is_never_overwritten_silently(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_segmentation(labels_of(CARDIAC), CARDIAC, path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        write_segmentation(labels_of(CARDIAC), CARDIAC, path)
    write_segmentation(labels_of(CARDIAC), CARDIAC, path, overwrite=True)
    assert path.read_bytes() == before
