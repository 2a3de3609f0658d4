"""The geometry gate in Slicer: landmarks keep their RAS from node to saved segmentation.

Node (oblique, flipped, under a transform) -> file -> worker -> segmentation node -> .seg.nrrd ->
read by Slicer and by the library; nothing may move by more than a part of a voxel at any hop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene
from CrossModalSegLib.bridge.segment_run import RunOutcome, SegmentRequest, SegmentRun
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import (
    matrix_to_vtk,
    node_to_volume,
    volume_to_node,
)
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from Testing.scene.fake_worker import FakeJobs

Points = dict[int, NDArray[np.float64]]

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]

A, B = np.radians(25), np.radians(-40)
TRANSFORMS: dict[str, Any] = {
    "none": None,
    "turned": np.array(
        [
            [np.cos(A), -np.sin(A), 0.0, 31.0],
            [np.sin(A), np.cos(A), 0.0, -12.0],
            [0.0, 0.0, 1.0, 7.5],
            [0.0, 0.0, 0.0, 1.0],
        ]
    ),
    "mirrored": np.array(
        [
            [-np.cos(B), 0.0, np.sin(B), -5.0],
            [0.0, 1.0, 0.0, 4.0],
            [np.sin(B), 0.0, np.cos(B), 60.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    ),
}

TOLERANCE_MM = 1e-3


@pytest.fixture(params=TRANSFORMS)
def matrix(request: pytest.FixtureRequest) -> Any:
    return TRANSFORMS[request.param]


def test_landmarks_keep_their_place_from_node_to_saved_file(
    session: HeadlessScene, labels: Volume, matrix: Any, tmp_path: Path
) -> None:
    _check_every_hop(session, labels, CARDIAC, matrix, tmp_path)


@pytest.mark.parametrize("grid", ["oblique"], indirect=True)
def test_nested_landmarks_keep_their_place_too(
    session: HeadlessScene, labels: Volume, matrix: Any, tmp_path: Path
) -> None:
    without_the_last = np.where(labels.array_kji < 4, labels.array_kji, 0)
    _check_every_hop(session, labels.with_array(without_the_last), TUMOUR, matrix, tmp_path)


def _check_every_hop(
    session: HeadlessScene, labels: Volume, task: Task, matrix: Any, folder: Path
) -> None:
    scan = labels.with_array(labels.array_kji.astype(np.int16) * 100)
    node = volume_to_node(scan, session.mrml, "Landmarks")
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    if matrix is not None:
        transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
        node.SetAndObserveTransformNodeID(transform.GetID())
    here = _landmarks(node_to_volume(node), 100)
    to_world = np.eye(4) if matrix is None else matrix
    for value, point in _landmarks(scan, 100).items():
        _assert_near(here[value], to_world[:3, :3] @ point + to_world[:3, 3])

    worker = FakeJobs(task)
    outcome = _run(worker, node, task, folder / "run")
    assert outcome.state == "done", outcome.error
    _assert_alike(_landmarks(worker.inputs[0], 100), here)
    segmentation = outcome.segmentation_node
    seen = node_to_labels(segmentation, task, node_to_volume(node))
    _assert_alike(_landmarks(seen), here)
    for volume in outcome.volumes:
        assert volume.voxels > 0
    if not task.nested:
        _assert_alike(_surface_centres(segmentation, task, to_world), here, 1.5)

    # A file holds no transform: it is saved where the world sees it when that is hardened.
    segmentation.HardenTransform()
    path = folder / "saved.seg.nrrd"
    storage = session.mrml.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    assert storage.WriteData(segmentation)
    _assert_alike(_landmarks(read_segmentation(path, task)), here)
    with headless_scene() as other:
        again = other.mrml.AddNewNodeByClass("vtkMRMLSegmentationNode", "again")
        storage = other.mrml.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(path))
        assert storage.ReadData(again)
        grid = node_to_volume(node)
        np.testing.assert_array_equal(node_to_labels(again, task, grid).array_kji, seen.array_kji)
        del again, storage


def test_a_scan_that_is_moved_during_the_run_keeps_its_result(
    session: HeadlessScene, labels: Volume, tmp_path: Path
) -> None:
    scan = labels.with_array(labels.array_kji.astype(np.float32) * 100)
    node = volume_to_node(scan, session.mrml, "Landmarks")
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    node.SetAndObserveTransformNodeID(transform.GetID())
    worker = FakeJobs(CARDIAC)
    worker.holds = True
    outcomes: list[RunOutcome] = []
    run = SegmentRun(
        worker.as_jobs(),
        temporary_folder=tmp_path,
        on_progress=lambda _: None,
        on_end=outcomes.append,
    )
    run.start([node], SegmentRequest(model="m"), task=CARDIAC)
    while not worker.inputs:
        run.poll()
    transform.SetMatrixTransformToParent(matrix_to_vtk(TRANSFORMS["turned"]))
    node.HardenTransform()
    worker.holds = False
    while not outcomes:
        run.poll()
    moved = node_to_volume(node)
    again = node_to_labels(outcomes[0].segmentation_node, CARDIAC, moved)
    np.testing.assert_array_equal(again.array_kji, labels.array_kji)


def test_the_box_of_a_region_of_interest_is_where_it_is_drawn(
    session: HeadlessScene, labels: Volume, matrix: Any, tmp_path: Path
) -> None:
    scan = labels.with_array(labels.array_kji.astype(np.float32) * 100)
    node = volume_to_node(scan, session.mrml, "Landmarks")
    box_node = session.mrml.AddNewNodeByClass("vtkMRMLMarkupsROINode", "box")
    box_node.SetXYZ(22.0, -14.0, -4.0)
    box_node.SetSize(20.0, 30.0, 10.0)
    if matrix is not None:
        transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
        transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
        node.SetAndObserveTransformNodeID(transform.GetID())
        box_node.SetAndObserveTransformNodeID(transform.GetID())
    worker = FakeJobs(CARDIAC)
    _run(worker, node, CARDIAC, tmp_path, roi_node=box_node)
    sent = worker.requests[0]
    inside = _in_box(worker.inputs[0], sent)
    local = _points_ras(scan) - (22.0, -14.0, -4.0)
    expected: Any = (np.abs(local) <= (10.0 + 1e-9, 15.0 + 1e-9, 5.0 + 1e-9)).all(axis=-1)
    edge: Any = (np.abs(np.abs(local) - (10.0, 15.0, 5.0)) < 1e-6).any(axis=-1)
    np.testing.assert_array_equal(inside[~edge], expected[~edge])
    assert 50 < inside.sum() < inside.size / 4


def _run(worker: FakeJobs, node: Any, task: Task, folder: Path, **options: Any) -> RunOutcome:
    outcomes: list[RunOutcome] = []
    run = SegmentRun(
        worker.as_jobs(),
        temporary_folder=folder,
        on_progress=lambda _: None,
        on_end=outcomes.append,
    )
    run.start([node], SegmentRequest(model="m"), task=task, **options)
    end = time.monotonic() + 20
    while not outcomes:
        assert time.monotonic() < end
        run.poll()
    return outcomes[0]


def _in_box(grid: Volume, arguments: Mapping[str, Any]) -> NDArray[np.bool_]:
    """As the worker understands it."""
    to_box = np.reshape(arguments["ras_to_box"], (4, 4))
    points = _points_ras(grid) @ to_box[:3, :3].T + to_box[:3, 3]
    return np.asarray((np.abs(points) <= 1).all(axis=-1))


def _landmarks(volume: Volume, step: int = 1) -> Points:
    """Return the centre of mass in RAS of each label, labels being multiples of `step`."""
    values = np.rint(volume.array_kji / step).astype(int)
    return {
        int(value): _points_ras(volume)[values == value].mean(axis=0)
        for value in np.unique(values)
        if value
    }


def _points_ras(volume: Volume) -> NDArray[np.float64]:
    index_ijk = np.moveaxis(np.indices(volume.shape_kji)[::-1], 0, -1)
    points: NDArray[np.float64] = index_ijk @ volume.affine_ras[:3, :3].T + volume.affine_ras[:3, 3]
    return points


def _surface_centres(segmentation: Any, task: Task, to_world: NDArray[np.float64]) -> Points:
    centres = {}
    for entry in task.classes:
        surface = segmentation.GetClosedSurfaceInternalRepresentation(entry.name)
        if surface.GetNumberOfPoints():
            middle = np.array(surface.GetCenter())
            centres[entry.value] = to_world[:3, :3] @ middle + to_world[:3, 3]
    return centres


def _assert_alike(found: Points, expected: Points, tolerance_mm: float = TOLERANCE_MM) -> None:
    assert found.keys() == expected.keys()
    for value, point in expected.items():
        _assert_near(found[value], point, tolerance_mm)


def _assert_near(found: Any, expected: Any, tolerance_mm: float = TOLERANCE_MM) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance_mm)
