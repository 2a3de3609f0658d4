"""Boxes of any orientation are told to the worker as they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.region_of_interest import ras_to_box
from CrossModalSegLib.bridge.scene import HeadlessScene, import_vtk
from CrossModalSegLib.bridge.volumes import matrix_to_vtk
from CrossModalSegLib.core.errors import GeometryError

TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 7.5], [0, 0, 0, 1]])
TILT = np.array([[0.8, 0, 0.6, 3], [0, 1, 0, -8], [-0.6, 0, 0.8, 2], [0, 0, 0, 1]])


@pytest.fixture
def box(session: HeadlessScene) -> Any:
    node = session.mrml.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    node.SetXYZ(10.0, -20.0, 30.0)
    node.SetSize(20.0, 40.0, 8.0)
    return node


def test_corners_of_a_box_are_at_one(box: Any) -> None:
    to_box = np.reshape(ras_to_box(box), (4, 4))
    np.testing.assert_allclose(to_box @ (10, -20, 30, 1), (0, 0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(to_box @ (20, 0, 34, 1), (1, 1, 1, 1), atol=1e-9)
    np.testing.assert_allclose(to_box @ (0, -40, 26, 1), (-1, -1, -1, 1), atol=1e-9)


def test_slicer_finds_the_same_points_inside_a_tilted_box_under_a_transform(
    session: HeadlessScene, box: Any
) -> None:
    box.SetAndObserveObjectToNodeMatrix(matrix_to_vtk(TILT))
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(TURN))
    box.SetAndObserveTransformNodeID(transform.GetID())
    to_box = np.reshape(ras_to_box(box), (4, 4))
    planes = import_vtk().vtkPlanes()
    box.GetTransformedPlanes(planes)
    points = np.random.default_rng(0).uniform(-30, 30, (400, 3))
    found = []
    for point in points:
        inside = bool((np.abs((to_box @ (*point, 1.0))[:3]) <= 1).all())
        found.append(inside)
        assert inside == (planes.EvaluateFunction(point) <= 0)
    assert 5 < sum(found) < 150


def test_a_box_without_extent_is_refused(box: Any) -> None:
    box.SetSize(20.0, 0.0, 8.0)
    with pytest.raises(GeometryError, match=r"'box' is 20 x 0 x 8 mm; expected a box"):
        ras_to_box(box)


def test_a_box_under_a_warp_is_refused(session: HeadlessScene, box: Any) -> None:
    transform = session.mrml.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    warp = import_vtk().vtkThinPlateSplineTransform()
    source, target = import_vtk().vtkPoints(), import_vtk().vtkPoints()
    for point in [(0, 0, 0), (50, 0, 0), (0, 50, 0), (0, 0, 50), (50, 50, 50)]:
        source.InsertNextPoint(point)
        target.InsertNextPoint(*(value + value**2 / 100 for value in point))
    warp.SetSourceLandmarks(source)
    warp.SetTargetLandmarks(target)
    warp.SetBasisToR()
    transform.SetAndObserveTransformToParent(warp)
    box.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GeometryError, match="not linear"):
        ras_to_box(box)
