"""Nodes of the scene become files that `prepare` reads as they are meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.bridge.training import drawn_segments
from CrossModalSegLib.bridge.training.data_choice import ScenePairs, SceneVolumes
from CrossModalSegLib.bridge.training.drawn_segments import (
    DrawnSegment,
    copy_segment,
    sample_mask,
    write_drawn,
)
from CrossModalSegLib.bridge.training.scene_export import SceneExport
from CrossModalSegLib.bridge.volumes import matrix_to_vtk, volume_to_node
from CrossModalSegLib.core.errors import CrossModalSegError, GeometryError, LabelError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.slicer_segments import Segment, segmentation_fields
from CrossModalSegLib.data.volume_files import read_image, read_label_values

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]


def export(data: ScenePairs | SceneVolumes, folder: Path, seconds: float = 1.0) -> SceneExport:
    folder.mkdir(exist_ok=True)
    made = SceneExport(data, folder)
    for _ in range(10_000):
        if made.is_copied:
            return made
        work = made.step(seconds)
        if work is not None:
            work()
    raise AssertionError("it never ended")


def noise(grid: Volume, seed: int = 0) -> Volume:
    values = np.random.default_rng(seed).normal(100, 10, grid.shape_kji).astype(np.float32)
    return grid.with_array(values)


def add_pair(session: HeadlessScene, labels: Volume, name: str) -> tuple[Any, Any]:
    volume = volume_to_node(noise(labels), session.mrml, name)
    drawn = labels_to_node(
        labels, CARDIAC, session.mrml, f"{name} drawn", reference=volume, with_surfaces=False
    )
    return volume, drawn


def test_pairs_come_back_voxel_for_voxel(
    session: HeadlessScene, labels: Volume, tmp_path: Path
) -> None:
    pair = add_pair(session, labels, "Heart CT")
    made = export(ScenePairs((pair,)), tmp_path / "set")
    found = discover("auto", made.root, ["ct"])
    (case,) = found.cases
    assert (case.id, case.subject) == ("Heart CT", "Heart CT")
    image = read_image(case.image)
    np.testing.assert_array_equal(image.array_kji, noise(labels).array_kji)
    np.testing.assert_allclose(image.affine_ras, labels.affine_ras, atol=1e-9)
    assert case.label is not None
    read = read_segmentation(case.label, CARDIAC, grid=image)
    np.testing.assert_array_equal(read.array_kji, labels.array_kji)


def test_small_steps_make_the_same(
    session: HeadlessScene, plain_labels: Volume, tmp_path: Path
) -> None:
    pair = add_pair(session, plain_labels, "a")
    made = SceneExport(ScenePairs((pair,)), tmp_path)
    steps = 0
    while not made.is_copied:
        work = made.step(1e-9)
        steps += 1
        if work is not None:
            work()
    assert steps >= 6, "volume, four segments, list"
    (case,) = discover("auto", made.root, ["ct"]).cases
    assert case.label is not None
    read = read_segmentation(case.label, CARDIAC, grid=read_image(case.image))
    np.testing.assert_array_equal(read.array_kji, plain_labels.array_kji)


def test_nested_segments_get_layers(
    session: HeadlessScene, plain_grid: Volume, tmp_path: Path
) -> None:
    array = np.zeros(plain_grid.shape_kji, np.uint8)
    array[10:40, 12:40, 8:44] = 2
    array[18:32, 20:34, 16:36] = 3
    array[22:28, 24:30, 22:30] = 1
    labels = plain_grid.with_array(array)
    volume = volume_to_node(noise(labels), session.mrml, "brain")
    drawn = labels_to_node(labels, TUMOUR, session.mrml, "t", with_surfaces=False)
    made = export(ScenePairs(((volume, drawn),)), tmp_path / "set")
    (case,) = discover("auto", made.root, ["t2"]).cases
    assert case.label is not None
    read = read_segmentation(case.label, TUMOUR, grid=read_image(case.image))
    np.testing.assert_array_equal(read.array_kji, array)


def test_transforms_of_volume_and_segmentation_are_applied(
    session: HeadlessScene, plain_labels: Volume, tmp_path: Path
) -> None:
    volume, drawn = add_pair(session, plain_labels, "a")
    moved = np.eye(4)
    moved[:3, 3] = (6.0, -4.0, 10.0)  # whole voxels of 2 mm
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(moved))
    drawn.SetAndObserveTransformNodeID(transform.GetID())
    made = export(ScenePairs(((volume, drawn),)), tmp_path / "set")
    (case,) = discover("auto", made.root, ["ct"]).cases
    assert case.label is not None
    read = read_segmentation(case.label, CARDIAC, grid=read_image(case.image))
    expected = np.roll(plain_labels.array_kji, (5, -2, 3), axis=(0, 1, 2))
    np.testing.assert_array_equal(read.array_kji, expected)


def test_a_label_map_goes_as_it_is(
    session: HeadlessScene, plain_labels: Volume, tmp_path: Path
) -> None:
    volume = volume_to_node(noise(plain_labels), session.mrml, "a")
    own = plain_labels.with_array((plain_labels.array_kji.astype(np.int16)) * 100)
    drawn = volume_to_node(own, session.mrml, "l", node_class="vtkMRMLLabelMapVolumeNode")
    made = export(ScenePairs(((volume, drawn),)), tmp_path / "set")
    (case,) = discover("auto", made.root, ["ct"]).cases
    assert case.label is not None
    np.testing.assert_array_equal(read_label_values(case.label).array_kji, own.array_kji)


def test_names_that_differ_in_capitals_alone_are_told_apart(
    session: HeadlessScene, plain_grid: Volume, tmp_path: Path
) -> None:
    names = ("Scan: 1/2, left", "scan", "SCAN")
    nodes = [volume_to_node(noise(plain_grid, n), session.mrml, names[n]) for n in range(3)]
    made = export(SceneVolumes(tuple(nodes)), tmp_path / "set")
    assert (made.count, made.done) == (3, 3)
    cases = discover("auto", made.root, ["ct"]).cases
    assert sorted(case.id for case in cases) == ["SCAN-2", "Scan_ 1_2, left", "scan"]
    assert all(case.label is None for case in cases)
    told = made.without_paths(f"{tmp_path / 'set' / 'images' / 'scan.nrrd'} is odd.")
    assert told == "The volume 'scan' is odd."


def test_the_subject_is_the_patient_that_the_scene_knows(
    session: HeadlessScene, plain_grid: Volume, tmp_path: Path
) -> None:
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    nodes = [volume_to_node(noise(plain_grid, n), session.mrml, f"scan {n}") for n in range(3)]
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe")
    hierarchy.SetItemLevel(patient, "Patient")
    hierarchy.SetItemAttribute(patient, "DICOM.PatientID", "P7")
    study = hierarchy.CreateStudyItem(patient, "Study")
    for node in nodes[:2]:
        hierarchy.CreateItem(study, node)
    made = export(SceneVolumes(tuple(nodes)), tmp_path / "set")
    subjects = {case.id: case.subject for case in discover("auto", made.root, ["ct"]).cases}
    assert subjects == {"scan 0": "P7", "scan 1": "P7", "scan 2": "scan 2"}


def test_what_cannot_be_exported_is_said(
    session: HeadlessScene, plain_labels: Volume, tmp_path: Path
) -> None:
    volume, drawn = add_pair(session, plain_labels, "a")
    empty = session.mrml.AddNewNodeByClass("vtkMRMLSegmentationNode", "nothing")
    with pytest.raises(LabelError, match="'nothing' has no segments"):
        export(ScenePairs(((volume, empty),)), tmp_path / "one")
    bent = session.mrml.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "bent")
    drawn.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(GeometryError, match="not linear"):
        export(ScenePairs(((volume, drawn),)), tmp_path / "two")
    volume.SetAndObserveImageData(None)
    with pytest.raises(CrossModalSegError, match="is empty"):
        export(SceneVolumes((volume,)), tmp_path / "three")


def test_an_empty_segment_stays_empty(session: HeadlessScene, plain_grid: Volume) -> None:
    drawn = labels_to_node(plain_grid, CARDIAC, session.mrml, "e", with_surfaces=False)
    box, mask = sample_mask(copy_segment(drawn, "MYO"), plain_grid)
    assert not mask.any()
    assert plain_grid.array_kji[box].shape == mask.shape


def segment(mask: np.ndarray[Any, Any], affine: np.ndarray[Any, Any], name: str) -> DrawnSegment:
    return DrawnSegment(name, name, (255, 0, 0), mask, affine)


def test_sampling_is_what_looking_up_each_voxel_gives() -> None:
    generator = np.random.default_rng(3)
    angle = np.radians(25)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = turn @ np.diag([1.3, 0.9, 2.0, 1.0])
    affine[:3, 3] = (3.0, -2.0, 1.0)
    mask = generator.random((6, 9, 8)) < 0.6
    grid = Volume(np.zeros((12, 14, 16), np.uint8), np.diag([-1.0, 1.1, 1.2, 1.0]))
    box, found = sample_mask(segment(mask, affine, "x"), grid)
    whole = np.zeros(grid.shape_kji, bool)
    whole[box] = found
    expected = np.zeros(grid.shape_kji, bool)
    to_mask = np.linalg.inv(affine) @ grid.affine_ras
    for k, j, i in np.ndindex(grid.shape_kji):
        at_i, at_j, at_k = np.floor((to_mask @ [i, j, k, 1.0])[:3] + 0.5).astype(int)
        inside = 0 <= at_k < 6 and 0 <= at_j < 9 and 0 <= at_i < 8
        expected[k, j, i] = inside and mask[at_k, at_j, at_i]
    assert expected.any()
    np.testing.assert_array_equal(whole, expected)


def test_a_segment_beside_the_volume_is_empty_there() -> None:
    far = np.eye(4)
    far[:3, 3] = 500.0
    grid = Volume(np.zeros((5, 6, 7), np.uint8), np.eye(4))
    for shift in (far, np.linalg.inv(far)):
        _box, found = sample_mask(segment(np.ones((2, 2, 2), bool), shift, "x"), grid)
        assert not found.any()


def test_only_what_overlaps_gets_a_layer_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Segment] = []

    def spy(segments: Any, grid: Volume) -> dict[str, str]:
        written.extend(segments)
        return segmentation_fields(segments, grid)

    monkeypatch.setattr(drawn_segments, "segmentation_fields", spy)
    masks = np.zeros((3, 4, 4, 4), bool)
    masks[0, :2], masks[1, 2:], masks[2, 1:3] = True, True, True
    grid = Volume(np.zeros((4, 4, 4), np.uint8), np.eye(4))
    segments = [segment(mask, np.eye(4), f"s{n}") for n, mask in enumerate(masks)]
    write_drawn(segments, grid, tmp_path / "x.seg.nrrd")
    assert [(each.layer, each.label_value) for each in written] == [(0, 1), (0, 2), (1, 1)]
