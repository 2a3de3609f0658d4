"""Volumes go into a scene and come back as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer, import_vtk
from CrossModalSegLib.bridge.volumes import (
    matrix_to_vtk,
    node_to_volume,
    place_beside,
    set_window,
    volume_to_node,
)
from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.volume import Volume

TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 7.5], [0, 0, 0, 1]])
"""A quarter turn about S and a shift."""


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", "u2", "i4", "i8", "f4", "f8", ">i2", ">f4"])
def test_voxels_and_geometry_survive_a_round_trip(
    session: HeadlessScene, grid: Volume, dtype: str
) -> None:
    values = np.random.default_rng(0).integers(0, 100, grid.shape_kji).astype(dtype)
    volume = Volume(values, grid.affine_ras)
    again = node_to_volume(volume_to_node(volume, session.mrml, "image"))
    assert again.array_kji.dtype == np.dtype(dtype).newbyteorder("=")
    assert again.array_kji.tobytes() == values.astype(again.array_kji.dtype).tobytes()
    np.testing.assert_allclose(again.affine_ras, volume.affine_ras, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dtype", "stored"), [(np.bool_, np.uint8), (np.float16, np.float32)])
def test_types_that_vtk_lacks_become_the_next_larger(
    session: HeadlessScene, dtype: Any, stored: Any
) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    again = node_to_volume(volume_to_node(Volume(values, np.eye(4)), session.mrml, "image"))
    assert again.array_kji.dtype == stored
    np.testing.assert_array_equal(again.array_kji, values)


def test_a_view_with_strides_keeps_its_voxels(session: HeadlessScene) -> None:
    values = np.arange(4 * 6 * 10, dtype=np.int16).reshape(4, 6, 10)[::2, ::-1, 1::3]
    again = node_to_volume(volume_to_node(Volume(values, np.eye(4)), session.mrml, "image"))
    np.testing.assert_array_equal(again.array_kji, values)


def test_one_slice_is_a_volume(session: HeadlessScene) -> None:
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    again = node_to_volume(volume_to_node(Volume(values, np.eye(4)), session.mrml, "image"))
    np.testing.assert_array_equal(again.array_kji, values)


def test_the_copy_is_independent_of_the_scene(session: HeadlessScene) -> None:
    node = volume_to_node(Volume(np.ones((2, 3, 4)), np.eye(4)), session.mrml, "image")
    volume = node_to_volume(node)
    node.GetImageData().GetPointData().GetScalars().Fill(9.0)
    assert (volume.array_kji == 1).all()


def test_a_linear_parent_transform_moves_the_volume(session: HeadlessScene, grid: Volume) -> None:
    node = volume_to_node(grid, session.mrml, "image")
    _put_under(session, node, TURN)
    np.testing.assert_allclose(
        node_to_volume(node).affine_ras, TURN @ grid.affine_ras, rtol=0, atol=1e-9
    )
    assert node.GetParentTransformNode() is not None, "the user's node is left as it was"


def test_a_shearing_parent_transform_is_refused(session: HeadlessScene, grid: Volume) -> None:
    node = volume_to_node(grid, session.mrml, "image")
    shear = np.eye(4)
    shear[0, 1] = 0.5
    _put_under(session, node, shear)
    with pytest.raises(GeometryError, match="sheared"):
        node_to_volume(node)


def test_a_warping_parent_transform_is_refused(session: HeadlessScene, grid: Volume) -> None:
    node = volume_to_node(grid, session.mrml, "image")
    vtk = import_vtk()
    warp = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for point in [(0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (50, 50, 50)]:
        source.InsertNextPoint(point)
        target.InsertNextPoint(*(value + value**2 / 100 for value in point))
    warp.SetSourceLandmarks(source)
    warp.SetTargetLandmarks(target)
    warp.SetBasisToR()
    transform = session.mrml.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    transform.SetAndObserveTransformToParent(warp)
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GeometryError, match=r"'warp'.*not linear.*Harden"):
        node_to_volume(node)


def test_a_sheared_volume_is_refused(session: HeadlessScene) -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.4
    with pytest.raises(GeometryError, match="sheared"):
        volume_to_node(Volume(np.zeros((2, 3, 4)), affine), session.mrml, "tilted")
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_an_empty_volume_node_is_refused(session: HeadlessScene) -> None:
    node = session.mrml.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(InputFileError, match="'nothing' is empty"):
        node_to_volume(node)


def test_a_colour_volume_is_refused(session: HeadlessScene) -> None:
    node = session.mrml.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    image = import_vtk().vtkImageData()
    image.SetDimensions(4, 3, 2)
    image.AllocateScalars(import_vtk().VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(image)
    with pytest.raises(InputFileError, match="3 values a voxel"):
        node_to_volume(node)


def test_the_window_goes_from_black_to_white(session: HeadlessScene) -> None:
    node = volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "image")
    set_window(node, -100.0, 300.0)
    display = node.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-100, 300)


def test_a_node_is_placed_in_its_neighbours_study(session: HeadlessScene) -> None:
    first = volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "first")
    second = volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "second")
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.CreateItem(study, first)
    place_beside(second, first)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(second)) == study


def _put_under(session: HeadlessScene, node: Any, matrix: Any) -> None:
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
