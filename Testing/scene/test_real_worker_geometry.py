"""The geometry gate through a real worker and a real model: anatomy stays where it is.

A phantom heart is stored in several orientations, oblique as it is and under a transform, segmented
by the model that ships, placed in the scene, saved as .seg.nrrd and read back. However it was
stored, the same structures come out at the same RAS, and where the phantom has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bridge.jobs import WorkerJobs
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segment_run import RunOutcome, SegmentRequest, SegmentRun
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import matrix_to_vtk, volume_to_node
from CrossModalSegLib.core.geometry import orientation_code, reorient
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from CrossModalSegLib.data.segmentation_files import read_segmentation

CARDIAC = TASKS["cardiac"]
MODEL = "cardiac_ct_to_mr_bssfp_dsan"
ORIENTATIONS = ("LPS", "RAS", "PIR", "SAL")
TRUTH_TOLERANCE_MM = 12.0
"""The model is not perfect; a mirrored or shifted result is off by far more."""

SAME_TOLERANCE_MM = 0.05

ANGLE = np.radians(8.0)
MOVED = np.array(
    [
        [np.cos(ANGLE), -np.sin(ANGLE), 0.0, 60.0],
        [np.sin(ANGLE), np.cos(ANGLE), 0.0, -45.0],
        [0.0, 0.0, 1.0, 30.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)
"""A small turn about S and a large shift."""


@pytest.fixture(scope="module")
def jobs() -> Iterator[WorkerJobs]:
    jobs = WorkerJobs()
    yield jobs
    jobs.shutdown()


def centres_ras(labels: Volume) -> dict[int, NDArray[np.float64]]:
    """Return the centre of mass of each structure, in mm."""
    centres = {}
    for entry in CARDIAC.classes:
        index_kji = np.argwhere(labels.array_kji == entry.value)
        assert len(index_kji), f"{entry.name} was not found"
        centres[entry.value] = (labels.affine_ras @ [*index_kji.mean(axis=0)[::-1], 1.0])[:3]
    return centres


def segment(jobs: WorkerJobs, node: object) -> RunOutcome:
    """Segment a node by the real worker."""
    outcomes: list[RunOutcome] = []
    run = SegmentRun(jobs, on_progress=lambda _: None, on_end=outcomes.append)
    run.start([node], SegmentRequest(model=MODEL, model_title="DSAN"), task=CARDIAC)
    end = time.monotonic() + 120
    while not outcomes:
        assert time.monotonic() < end, "the worker did not answer"
        run.poll()
        time.sleep(0.01)
    assert outcomes[0].error is None, outcomes[0].error
    return outcomes[0]


def test_anatomy_stays_where_it_is_however_the_scan_is_stored(
    session: HeadlessScene, jobs: WorkerJobs, tmp_path: Path
) -> None:
    subject = make_cardiac_subject("mr_bssfp", 918_273)
    truth = centres_ras(subject.labels)
    stored, found = orientation_code(subject.image.affine_ras), []
    for orientation in ORIENTATIONS:
        image = reorient(subject.image, orientation)
        node = volume_to_node(image, session.mrml, f"heart {orientation}")
        outcome = segment(jobs, node)
        placed = node_to_labels(outcome.segmentation_node, CARDIAC, subject.image)
        found.append(centres_ras(placed))
        path = tmp_path / f"{orientation}.seg.nrrd"
        storage = session.mrml.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
        storage.SetFileName(str(path))
        assert storage.WriteData(outcome.segmentation_node)
        saved = reorient(read_segmentation(path, CARDIAC, grid=image), stored)
        np.testing.assert_array_equal(saved.array_kji, placed.array_kji)
        np.testing.assert_allclose(saved.affine_ras, subject.image.affine_ras, atol=1e-4)
    for value, centre in truth.items():
        assert np.linalg.norm(found[0][value] - centre) < TRUTH_TOLERANCE_MM
        for other in found[1:]:
            np.testing.assert_allclose(other[value], found[0][value], atol=SAME_TOLERANCE_MM)


def test_a_scan_under_a_transform_gets_its_result_where_it_is_shown(
    session: HeadlessScene, jobs: WorkerJobs
) -> None:
    subject = make_cardiac_subject("mr_bssfp", 918_273)
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(MOVED))
    node = volume_to_node(subject.image, session.mrml, "moved heart")
    node.SetAndObserveTransformNodeID(transform.GetID())
    outcome = segment(jobs, node)
    shown = Volume(subject.labels.array_kji, MOVED @ subject.labels.affine_ras)
    placed = centres_ras(node_to_labels(outcome.segmentation_node, CARDIAC, shown))
    for value, centre in centres_ras(shown).items():
        assert np.linalg.norm(placed[value] - centre) < TRUTH_TOLERANCE_MM
