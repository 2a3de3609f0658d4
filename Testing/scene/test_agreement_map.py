"""The map of disagreement as Slicer shows it: over the scan, and only where methods differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.agreement import measure_disagreement
from CrossModalSegLib.bridge.comparison.agreement_map import (
    MAP_ROLE,
    is_shown,
    map_of,
    place_map,
    show_map,
)
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.planes import planes_through
from CrossModalSegLib.bridge.scene import HeadlessScene, import_vtk
from CrossModalSegLib.bridge.views import SliceView
from CrossModalSegLib.bridge.volumes import node_to_volume, set_window, volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume

TASK = TASKS["cardiac"]


@pytest.fixture
def labels_of_two(labels: Volume) -> dict[str, Any]:
    """Label maps on any grid; the second one lacks structure 2."""
    second = labels.array_kji.copy()
    second[second == 2] = 0
    return {"a": labels.array_kji, "b": second}


def compared(session: HeadlessScene, grid: Volume) -> Comparison:
    volume = volume_to_node(grid.with_array(np.full(grid.shape_kji, 50.0)), session.mrml, "scan")
    set_window(volume, 0, 100)
    return Comparison(volume, TASK, ())


def test_a_map_lies_on_the_scan_also_under_a_transform(
    session: HeadlessScene, labels: Volume, labels_of_two: dict[str, Any]
) -> None:
    comparison = compared(session, labels)
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = import_vtk().vtkMatrix4x4()
    matrix.SetElement(0, 3, 15.0)
    transform.SetMatrixTransformToParent(matrix)
    comparison.volume.SetAndObserveTransformNodeID(transform.GetID())
    placed = Volume(labels.array_kji, matrix_of(matrix) @ labels.affine_ras)
    found = measure_disagreement(labels_of_two, None, TASK, placed)
    node = place_map(found, comparison, "map")
    back, scan = node_to_volume(node), node_to_volume(comparison.volume)
    assert np.allclose(back.affine_ras, scan.affine_ras)
    assert np.array_equal(back.array_kji == 100, labels.array_kji == 2)
    assert place_map(found, comparison, "another name") is node
    assert map_of(comparison) is node
    assert comparison.volume.GetNodeReferenceID(MAP_ROLE) == node.GetID()


def test_colours_are_seen_where_methods_differ_and_nowhere_else(
    view_session: HeadlessScene,
    plain_labels: Volume,
    centres_ras: dict[int, tuple[float, float, float]],
) -> None:
    second = np.where(plain_labels.array_kji == 2, 0, plain_labels.array_kji).astype(np.uint8)
    methods = {"a": plain_labels.array_kji, "b": second}
    comparison = compared(view_session, plain_labels)
    view = SliceView(view_session)
    plane = planes_through(centres_ras[2], 90.0, 120)[0]
    before = view.render(plane, comparison.volume)
    place_map(measure_disagreement(methods, None, TASK, plain_labels), comparison, "map")
    assert np.array_equal(view.render(plane, comparison.volume), before)  # not asked for
    show_map(comparison, visible=True, opacity=0.8)
    assert is_shown(comparison)
    after = view.render(plane, comparison.volume).astype(int)
    changed = np.abs(after - before).sum(axis=2) > 30
    row, column = np.indices(changed.shape)
    pixel_mm = plane.field_of_view_mm / plane.size_px
    distance_mm = pixel_mm * np.hypot(row - plane.size_px / 2, column - plane.size_px / 2)
    assert changed[distance_mm < 6].all()
    assert not changed[distance_mm > 13].any()
    show_map(comparison, visible=False)
    assert np.array_equal(view.render(plane, comparison.volume), before)


def matrix_of(matrix: Any) -> Any:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
