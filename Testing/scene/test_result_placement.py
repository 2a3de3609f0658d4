"""A result stands where its scan stands, and a second one takes the place of the first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene, import_slicer
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.uncertainty_map import UNCERTAINTY_ROLE, place_uncertainty
from CrossModalSegLib.bridge.volumes import (
    image_to_array,
    local_affine,
    matrix_to_vtk,
    node_to_volume,
    volume_to_node,
)
from CrossModalSegLib.core.errors import LabelError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.placing import place_with_surfaces

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]

TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 7.5], [0, 0, 0, 1]])
"""A quarter turn about S and a shift."""

MIRROR_AND_GROW = np.diag([-1.5, 1.5, 1.5, 1.0])


@pytest.fixture
def image_node(session: HeadlessScene, labels: Volume) -> Any:
    return volume_to_node(labels, session.mrml, "image")


def _put_under(session: HeadlessScene, node: Any, matrix: Any) -> Any:
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


@pytest.mark.parametrize("matrix", [TURN, MIRROR_AND_GROW], ids=["turned", "mirrored"])
def test_a_result_moves_with_its_scan(
    session: HeadlessScene, labels: Volume, image_node: Any, matrix: Any
) -> None:
    transform = _put_under(session, image_node, matrix)
    seen = node_to_volume(image_node)
    node = place_with_surfaces(seen.with_array(labels.array_kji), CARDIAC, image_node, "result")
    assert node.GetTransformNodeID() == transform.GetID()
    for later in (matrix, np.linalg.inv(matrix), np.eye(4)):
        transform.SetMatrixTransformToParent(matrix_to_vtk(later))
        where_the_scan_is = node_to_volume(image_node)
        again = node_to_labels(node, CARDIAC, where_the_scan_is)
        np.testing.assert_array_equal(again.array_kji, labels.array_kji)


def test_labels_on_a_grid_of_their_own_lie_where_they_say(
    session: HeadlessScene, labels: Volume, plain_grid: Volume
) -> None:
    image_node = volume_to_node(plain_grid.with_array(plain_grid.array_kji + 1), session.mrml, "i")
    _put_under(session, image_node, TURN)
    shifted = Volume(labels.array_kji, TURN @ labels.affine_ras)
    node = place_segments(shifted, CARDIAC, image_node, "result")
    np.testing.assert_array_equal(
        node_to_labels(node, CARDIAC, shifted).array_kji, labels.array_kji
    )


def test_a_scan_under_no_transform_keeps_its_exact_grid(labels: Volume, image_node: Any) -> None:
    node = place_segments(labels, CARDIAC, image_node, "result")
    image = import_slicer().vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("LVC", image)
    spacing_mm = np.array(image.GetSpacing())
    np.testing.assert_allclose(spacing_mm, labels.spacing_mm, rtol=1e-12)
    assert node.GetParentTransformNode() is None


def test_images_of_segments_are_no_larger_than_needed(labels: Volume, image_node: Any) -> None:
    node = place_segments(labels, CARDIAC, image_node, "result")
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    image = import_slicer().vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation("LVC", image)
    found = np.argwhere(labels.array_kji)[:, ::-1]
    extent = np.array(image.GetExtent()).reshape(3, 2)
    np.testing.assert_array_equal(extent[:, 0], np.maximum(found.min(axis=0) - 1, 0))
    np.testing.assert_array_equal(
        extent[:, 1], np.minimum(found.max(axis=0) + 1, np.array(labels.shape_ijk) - 1)
    )


def test_structures_at_the_border_keep_their_voxels(session: HeadlessScene) -> None:
    array = np.zeros((5, 6, 7), np.uint8)
    array[0], array[4, 5, 6], array[:, 0, 0] = 1, 2, 3
    labels = Volume(array, np.eye(4))
    image_node = volume_to_node(labels, session.mrml, "image")
    node = place_with_surfaces(labels, CARDIAC, image_node, "result")
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, array)


def test_nested_regions_overlap_and_come_back(session: HeadlessScene, plain_grid: Volume) -> None:
    array = np.zeros(plain_grid.shape_kji, np.uint8)
    array[10:40, 12:40, 8:44], array[18:32, 20:34, 16:36], array[22:28, 24:30, 22:30] = 2, 3, 1
    labels = plain_grid.with_array(array)
    image_node = volume_to_node(labels, session.mrml, "image")
    node = place_with_surfaces(labels, TUMOUR, image_node, "result")
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["WT", "TC", "ET"]
    assert node.GetSegmentation().GetNumberOfLayers() == 3
    np.testing.assert_array_equal(node_to_labels(node, TUMOUR, labels).array_kji, array)
    display = node.GetDisplayNode()
    assert display.GetSegmentOpacity3D("WT") < 1.0, "what lies inside can be seen"
    assert display.GetSegmentOpacity3D("ET") == 1.0


@pytest.mark.parametrize("task", [CARDIAC, TUMOUR], ids=["flat", "nested"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_volumes_of_few_slices_have_surfaces(session: HeadlessScene, task: Any, depth: int) -> None:
    array = np.zeros((depth, 12, 14), np.uint8)
    array[:, 3:9, 2:8], array[0, 5:7, 4:6] = 2, 1
    labels = Volume(array, np.diag([1.0, 1.0, 5.0, 1.0]))
    image_node = volume_to_node(labels, session.mrml, "image")
    node = place_with_surfaces(labels, task, image_node, "result")
    np.testing.assert_array_equal(node_to_labels(node, task, labels).array_kji, array)
    surface = node.GetClosedSurfaceInternalRepresentation(task.regions[1].name)
    assert surface.GetNumberOfPoints() > 8


@pytest.mark.parametrize("task", [CARDIAC, TUMOUR], ids=["flat", "nested"])
def test_nothing_found_is_a_result_too(
    session: HeadlessScene, plain_grid: Volume, task: Any
) -> None:
    image_node = volume_to_node(plain_grid, session.mrml, "image")
    node = place_with_surfaces(plain_grid, task, image_node, "nothing")
    assert node.GetSegmentation().GetNumberOfSegments() == len(task.regions)
    assert not node_to_labels(node, task, plain_grid).array_kji.any()


def test_structures_that_are_not_wanted_leave_no_trace(labels: Volume, image_node: Any) -> None:
    node = place_with_surfaces(labels, CARDIAC, image_node, "result", structures=["LVC", "LAC"])
    assert list(node.GetSegmentation().GetSegmentIDs()) == ["LAC", "LVC"]
    expected = np.where(np.isin(labels.array_kji, (2, 3)), labels.array_kji, 0)
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, expected)
    binary = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    layer = image_to_array(node.GetSegmentation().GetLayerDataObject(0, binary))
    assert set(np.unique(layer)) == {0, 2, 3}


def test_the_reference_geometry_is_the_scans_under_a_transform_too(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    _put_under(session, image_node, TURN)
    seen = node_to_volume(image_node)
    node = place_segments(seen.with_array(labels.array_kji), CARDIAC, image_node, "result")
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is image_node
    converter = import_slicer().vtkSegmentationConverter
    text = node.GetSegmentation().GetConversionParameter(
        converter.GetReferenceImageGeometryParameterName()
    )
    numbers = [float(part) for part in text.split(";")[:16]]
    np.testing.assert_allclose(np.reshape(numbers, (4, 4)), local_affine(image_node), atol=1e-9)


def test_a_second_result_takes_the_place_of_the_first(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    node = place_with_surfaces(labels, CARDIAC, image_node, "first")
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "mine")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    node.SetName("My heart")
    display = node.GetDisplayNode()
    display.SetOpacity2DFill(0.2)
    display.SetSegmentVisibility("AA", 0)
    display.SetSegmentOpacity3D("LAC", 0.6)
    node.GetSegmentation().GetSegment("LVC").SetColor(0.1, 0.2, 0.3)
    identity, count = node.GetID(), session.mrml.GetNumberOfNodes()
    moved = labels.with_array(np.roll(labels.array_kji, 2, axis=0))
    again = place_with_surfaces(moved, CARDIAC, image_node, "second", output_node=node)
    assert again is node
    assert session.mrml.GetNumberOfNodes() == count
    assert (node.GetID(), node.GetName()) == (identity, "My heart")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    assert node.GetDisplayNode() is display
    assert display.GetOpacity2DFill() == pytest.approx(0.2)
    assert not display.GetSegmentVisibility("AA")
    assert display.GetSegmentOpacity3D("LAC") == pytest.approx(0.6)
    assert node.GetSegmentation().GetSegment("LVC").GetColor() == pytest.approx((0.1, 0.2, 0.3))
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, moved).array_kji, moved.array_kji)


def test_surfaces_follow_the_second_result(labels: Volume, image_node: Any) -> None:
    node = place_with_surfaces(labels, CARDIAC, image_node, "result")
    before = np.array(node.GetClosedSurfaceInternalRepresentation("AA").GetCenter())
    moved = labels.with_array(np.roll(labels.array_kji, 3, axis=1))
    place_segments(moved, CARDIAC, image_node, "result", output_node=node)
    after = np.array(node.GetClosedSurfaceInternalRepresentation("AA").GetCenter())
    np.testing.assert_allclose(after - before, 3 * labels.affine_ras[:3, 1], atol=0.3)


def test_segments_of_something_else_are_replaced(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    node = session.mrml.AddNewNodeByClass("vtkMRMLSegmentationNode", "by hand")
    node.GetSegmentation().AddEmptySegment("Segment_1", "Scribble")
    node.GetSegmentation().AddEmptySegment("MYO", "Muscle?")
    place_with_surfaces(labels, CARDIAC, image_node, "result", output_node=node)
    segmentation = node.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["MYO", "LAC", "LVC", "AA"]
    assert segmentation.GetSegment("MYO").GetName() == "Myocardium"
    assert node.GetDisplayNode() is not None
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, labels.array_kji)


def test_a_mesh_is_replaced_by_a_result(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    node = session.mrml.AddNewNodeByClass("vtkMRMLSegmentationNode", "mesh")
    node.SetSourceRepresentationToClosedSurface()
    node.GetSegmentation().AddEmptySegment("Segment_1", "Part")
    place_with_surfaces(labels, CARDIAC, image_node, "result", output_node=node)
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, labels.array_kji)


def test_an_output_under_another_transform_comes_to_the_scan(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    node = place_segments(labels, CARDIAC, image_node, "result")
    _put_under(session, node, TURN)
    place_segments(labels, CARDIAC, image_node, "result", output_node=node)
    assert node.GetParentTransformNode() is None
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, labels.array_kji)


def test_a_second_result_is_one_step_of_undo(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    node = place_segments(labels, CARDIAC, image_node, "result")
    node.UndoEnabledOn()
    session.mrml.SetUndoOn()
    moved = labels.with_array(np.roll(labels.array_kji, 2, axis=0))
    place_segments(moved, CARDIAC, image_node, "result", output_node=node)
    assert session.mrml.GetNumberOfUndoLevels() == 1
    session.mrml.Undo()
    np.testing.assert_array_equal(node_to_labels(node, CARDIAC, labels).array_kji, labels.array_kji)
    session.mrml.ClearUndoStack()
    session.mrml.ClearRedoStack()


def test_a_result_stands_in_the_study_of_its_scan(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    item = hierarchy.GetItemByDataNode(image_node) or hierarchy.CreateItem(study, image_node)
    hierarchy.SetItemParent(item, study)
    node = place_segments(labels, CARDIAC, image_node, "result")
    doubt = labels.with_array(labels.array_kji.astype(np.float32))
    uncertainty = place_uncertainty(doubt, image_node, node, "doubt")
    for placed in (node, uncertainty):
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(placed)) == study


def test_an_uncertainty_map_moves_with_its_scan_and_is_shown_nowhere(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    composite = session.mrml.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    transform = _put_under(session, image_node, TURN)
    seen = node_to_volume(image_node)
    node = place_segments(seen.with_array(labels.array_kji), CARDIAC, image_node, "result")
    doubt = seen.with_array(labels.array_kji.astype(np.float32) / 4)
    uncertainty = place_uncertainty(doubt, image_node, node, "doubt")
    for matrix in (TURN, MIRROR_AND_GROW, np.eye(4)):
        transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
        again = node_to_volume(uncertainty)
        np.testing.assert_array_equal(again.array_kji, doubt.array_kji)
        np.testing.assert_allclose(again.affine_ras, matrix @ labels.affine_ras, atol=1e-9)
    assert (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()) == (None, None)


def test_the_reference_to_the_uncertainty_map_survives_saving(
    session: HeadlessScene, plain_labels: Volume, tmp_path: Path
) -> None:
    image_node = volume_to_node(plain_labels, session.mrml, "image")
    node = place_segments(plain_labels, CARDIAC, image_node, "result")
    doubt = plain_labels.with_array(plain_labels.array_kji.astype(np.float32))
    place_uncertainty(doubt, image_node, node, "doubt")
    session.save(tmp_path / "scene.mrb")
    with headless_scene() as other:
        other.load(tmp_path / "scene.mrb")
        again = other.mrml.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        assert again.GetNodeReference(UNCERTAINTY_ROLE).GetName() == "doubt"
        del again


def test_bad_labels_change_nothing(session: HeadlessScene, plain_labels: Volume) -> None:
    image_node = volume_to_node(plain_labels, session.mrml, "image")
    node = place_segments(plain_labels, CARDIAC, image_node, "result")
    count = session.mrml.GetNumberOfNodes()
    foreign = plain_labels.with_array(plain_labels.array_kji * np.uint8(50))
    for output in (None, node):
        with pytest.raises(LabelError, match=r"\[50, 100, 150, 200\]"):
            place_with_surfaces(foreign, CARDIAC, image_node, "bad", output_node=output)
        with pytest.raises(UnknownNameError, match="liver"):
            place_with_surfaces(
                plain_labels, CARDIAC, image_node, "bad", output_node=output, structures=["liver"]
            )
    assert session.mrml.GetNumberOfNodes() == count
    again = node_to_labels(node, CARDIAC, plain_labels)
    np.testing.assert_array_equal(again.array_kji, plain_labels.array_kji)


def test_missing_codes_are_offered_to_the_application(
    plain_labels: Volume, session: HeadlessScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    logic = import_slicer().vtkSlicerTerminologiesModuleLogic()
    modules = SimpleNamespace(terminologies=SimpleNamespace(logic=lambda: logic))
    monkeypatch.setattr(import_slicer(), "modules", modules, raising=False)
    image_node = volume_to_node(plain_labels, session.mrml, "image")
    place_segments(plain_labels, CARDIAC, image_node, "result")
    assert logic.FindTerminologyNames("SCT", "123037004", "SCT", "54247002", "", "", [])
