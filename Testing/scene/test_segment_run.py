"""One press of Apply: from volume nodes through a worker to a result, and every way to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.heat_map import HEAT_COLOURS
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segment_run import (
    RunOutcome,
    RunProgress,
    SegmentRequest,
    SegmentRun,
)
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import matrix_to_vtk, node_to_volume, volume_to_node
from CrossModalSegLib.core.errors import InputFileError, RunError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.frozen_heap import frozen_heap, least_seconds
from Testing.scene.fake_worker import FakeJobs
from Testing.scene.placing import surface_arrays

CARDIAC = TASKS["cardiac"]
REQUEST = SegmentRequest(model="demo", model_title="Demo model")


class Trial:
    """A run, and what it told."""

    def __init__(self, jobs: FakeJobs, folder: Path) -> None:
        self.progress: list[RunProgress] = []
        self.outcomes: list[RunOutcome] = []
        self.folder = folder
        self.run = SegmentRun(
            jobs.as_jobs(),
            temporary_folder=folder,
            on_progress=self.progress.append,
            on_end=self.outcomes.append,
        )

    def start(self, nodes: list[Any], request: SegmentRequest = REQUEST, **options: Any) -> Trial:
        self.run.start(nodes, request, task=CARDIAC, **options)
        return self

    def until(self, is_reached: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not is_reached():
            assert time.monotonic() < end, self.progress[-1:]
            self.run.poll()

    def until_stage(self, stage: str) -> None:
        self.until(lambda: any(progress.stage == stage for progress in self.progress))

    def finish(self) -> RunOutcome:
        self.until(lambda: bool(self.outcomes))
        for _ in range(3):
            self.run.poll()
        assert not self.run.is_active
        assert len(self.outcomes) == 1
        return self.outcomes[0]

    def has_left_nothing(self) -> bool:
        end = time.monotonic() + 5
        while list(self.folder.glob("*")) and time.monotonic() < end:
            self.run.poll()
        return not list(self.folder.glob("*"))


@pytest.fixture
def jobs() -> FakeJobs:
    return FakeJobs()


@pytest.fixture
def trial(jobs: FakeJobs, tmp_path: Path) -> Trial:
    return Trial(jobs, tmp_path / "Temporäre Dateien")


@pytest.fixture
def image(plain_labels: Volume) -> Volume:
    """An image whose intensities say the class."""
    return plain_labels.with_array(plain_labels.array_kji.astype(np.float32) * 100)


@pytest.fixture
def node(session: HeadlessScene, image: Volume) -> Any:
    return volume_to_node(image, session.mrml, "Scan (1)/Ä")


def _nodes(session: HeadlessScene) -> list[str]:
    return [
        session.mrml.GetNthNode(index).GetID() for index in range(session.mrml.GetNumberOfNodes())
    ]


def test_a_run_ends_with_a_segmentation_named_after_scan_and_model(
    session: HeadlessScene, trial: Trial, node: Any, plain_labels: Volume
) -> None:
    outcome = trial.start([node]).finish()
    assert (outcome.state, outcome.error) == ("done", None)
    segmentation = outcome.segmentation_node
    assert segmentation.GetName() == "Scan (1)/Ä - Demo model"
    assert segmentation.GetScene() is session.mrml
    again = node_to_labels(segmentation, CARDIAC, plain_labels)
    np.testing.assert_array_equal(again.array_kji, plain_labels.array_kji)
    for entry in CARDIAC.classes:
        assert segmentation.GetClosedSurfaceInternalRepresentation(entry.name) is not None
    assert trial.has_left_nothing()


def test_the_worker_is_told_what_was_asked_for(jobs: FakeJobs, trial: Trial, node: Any) -> None:
    request = SegmentRequest(
        model="m", device="cpu", precision="32-true", structures=("MYO", "LVC"), modality="ct"
    )
    trial.start([node], request).finish()
    sent = jobs.requests[0]
    assert (sent["model"], sent["device"], sent["precision"]) == ("m", "cpu", "32-true")
    assert (sent["structures"], sent["modality"]) == (["MYO", "LVC"], "ct")
    assert (sent["ras_to_box"], sent["uncertainty"], sent["overwrite"]) == (None, "", False)


def test_sizes_of_structures_are_those_of_what_is_shown(
    trial: Trial, node: Any, plain_labels: Volume
) -> None:
    outcome = trial.start([node]).finish()
    for entry, volume in zip(CARDIAC.classes, outcome.volumes, strict=True):
        count = int((plain_labels.array_kji == entry.value).sum())
        assert (volume.name, volume.label, volume.colour) == (
            entry.name,
            entry.label,
            entry.colour,
        )
        assert volume.voxels == count > 0
        assert volume.volume_ml == pytest.approx(count * 8 / 1000)


def test_only_the_wanted_structures_become_segments(trial: Trial, node: Any) -> None:
    request = SegmentRequest(model="m", structures=("AA", "MYO"))
    outcome = trial.start([node], request).finish()
    segmentation = outcome.segmentation_node.GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["MYO", "AA"]
    assert [volume.name for volume in outcome.volumes] == ["MYO", "AA"]


def test_progress_grows_from_nought_to_one_and_estimates_the_rest(trial: Trial, node: Any) -> None:
    trial.start([node]).finish()
    fractions = [progress.fraction for progress in trial.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.1
    assert fractions[-1] == 1.0
    stages = list(dict.fromkeys(progress.stage for progress in trial.progress))
    assert stages == ["export", "wait", "load", "read", "slices", "import", "place"]
    slices = [progress for progress in trial.progress if progress.stage == "slices"]
    assert all(progress.eta_seconds is not None for progress in slices)
    assert (slices[0].eta_seconds or 0) > 4.0, "what comes after the slices takes time too"


def test_warnings_come_once_and_name_the_volume_and_no_file(trial: Trial, node: Any) -> None:
    outcome = trial.start([node]).finish()
    assert [notice.message for notice in outcome.warnings] == ["The volume 'Scan (1)/Ä' is odd."]
    assert outcome.warnings[0].kind == "modality"


def test_a_second_run_makes_another_node(session: HeadlessScene, node: Any, tmp_path: Path) -> None:
    first = Trial(FakeJobs(), tmp_path / "a").start([node]).finish().segmentation_node
    second = Trial(FakeJobs(), tmp_path / "b").start([node]).finish().segmentation_node
    assert first is not second
    assert first.GetName() != second.GetName()
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 2


def test_several_volumes_are_handed_over_in_order(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any, image: Volume
) -> None:
    coarse = Volume(np.ascontiguousarray(image.array_kji[::2] + 7), image.affine_ras @ _every_2nd_k)
    other = volume_to_node(coarse, session.mrml, "Scan (1)/Ä")
    outcome = trial.start([node, other]).finish()
    assert outcome.state == "done"
    np.testing.assert_array_equal(jobs.inputs[0].array_kji, image.array_kji)
    np.testing.assert_array_equal(jobs.inputs[1].array_kji, coarse.array_kji)
    np.testing.assert_allclose(jobs.inputs[1].affine_ras, coarse.affine_ras, atol=1e-9)


_every_2nd_k = np.diag([1.0, 1.0, 2.0, 1.0])


def test_the_uncertainty_map_lies_beside_the_scan_in_colours_of_heat(
    session: HeadlessScene, trial: Trial, node: Any, plain_labels: Volume
) -> None:
    request = SegmentRequest(model="m", with_uncertainty=True)
    outcome = trial.start([node], request).finish()
    uncertainty = outcome.uncertainty_node
    volume = node_to_volume(uncertainty)
    np.testing.assert_array_equal(volume.array_kji, (plain_labels.array_kji > 0) * 0.5)
    np.testing.assert_allclose(volume.affine_ras, plain_labels.affine_ras, atol=1e-9)
    display = uncertainty.GetDisplayNode()
    assert display.GetColorNodeID() == HEAT_COLOURS
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 0.5)
    assert display.GetApplyThreshold()
    again = Trial(FakeJobs(), trial.folder).start(
        [node], request, output_node=outcome.segmentation_node
    )
    assert again.finish().uncertainty_node is uncertainty
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 2


@pytest.mark.parametrize("polls", [0, 1, 2, 4, 8, 12])
def test_cancelling_leaves_the_scene_as_it_was(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any, polls: int
) -> None:
    jobs.holds = True
    before = _nodes(session)
    trial.start([node])
    for _ in range(polls):
        trial.run.poll()
    trial.run.cancel()
    began = time.monotonic()
    outcome = trial.finish()
    assert time.monotonic() - began < 1.0
    assert (outcome.state, outcome.segmentation_node, outcome.error) == ("cancelled", None, None)
    assert _nodes(session) == before
    assert trial.has_left_nothing()


def test_cancelling_reaches_the_worker(jobs: FakeJobs, trial: Trial, node: Any) -> None:
    jobs.holds = True
    trial.start([node]).until_stage("slices")
    trial.run.cancel()
    trial.finish()
    assert jobs.cancelled == ["job-0"]


def test_a_worker_that_dies_is_an_error_that_says_so(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any
) -> None:
    jobs.last_words = {"kind": "WorkerDied", "message": "It died.", "hint": "Try again."}
    before = _nodes(session)
    outcome = trial.start([node]).finish()
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert (outcome.error.kind, str(outcome.error)) == ("WorkerDied", "It died. Try again.")
    assert _nodes(session) == before
    assert trial.has_left_nothing()


@pytest.mark.parametrize("stage", ["export", "slices", "place"])
def test_a_volume_deleted_during_the_run_ends_it(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any, stage: str
) -> None:
    jobs.holds = stage == "slices"
    trial.start([node]).until_stage(stage)
    session.mrml.RemoveNode(node)
    outcome = trial.finish()
    assert outcome.state == "failed"
    assert isinstance(outcome.error, InputFileError)
    assert "'Scan (1)/Ä' was removed from the scene" in outcome.error.message
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert trial.has_left_nothing()


def test_a_scene_closed_during_the_run_ends_it(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any
) -> None:
    jobs.holds = True
    trial.start([node]).until_stage("slices")
    session.mrml.Clear(0)
    outcome = trial.finish()
    assert outcome.state == "failed"
    assert jobs.cancelled == ["job-0"]
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_a_volume_given_other_voxels_is_not_labelled_with_the_old_ones(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any, image: Volume
) -> None:
    jobs.holds = True
    trial.start([node]).until_stage("slices")
    other = volume_to_node(Volume(image.array_kji[:-1], np.eye(4)), session.mrml, "other")
    node.SetAndObserveImageData(other.GetImageData())
    jobs.holds = False
    outcome = trial.finish()
    assert outcome.state == "failed"
    assert "was given other voxels" in str(outcome.error)
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_an_output_deleted_during_the_run_is_made_anew(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial, node: Any, tmp_path: Path
) -> None:
    old = Trial(FakeJobs(), tmp_path / "a").start([node]).finish().segmentation_node
    jobs.holds = True
    trial.start([node], output_node=old).until_stage("slices")
    session.mrml.RemoveNode(old)
    jobs.holds = False
    new = trial.finish().segmentation_node
    assert new is not old
    assert new.GetScene() is session.mrml


def test_labels_that_the_task_does_not_know_are_refused(
    session: HeadlessScene, node: Any, tmp_path: Path
) -> None:
    def one_too_many(images: list[Volume]) -> Volume:
        return images[0].with_array(np.full(images[0].shape_kji, 1, np.uint8))

    trial = Trial(FakeJobs(TASKS["abdomen"], one_too_many), tmp_path)
    trial.run.start([node], REQUEST, task=TASKS["whole_tumour"])
    assert trial.finish().state == "done"
    worker = FakeJobs(TASKS["abdomen"], lambda images: one_too_many(images).with_array(_full(4)))
    trial = Trial(worker, tmp_path)
    trial.run.start([node], REQUEST, task=TASKS["whole_tumour"])
    outcome = trial.finish()
    assert "[4]" in str(outcome.error)
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def _full(value: int) -> Any:
    return np.full((50, 52, 54), value, np.uint8)


def test_a_result_on_another_grid_is_refused(node: Any, tmp_path: Path) -> None:
    def shifted(images: list[Volume]) -> Volume:
        affine = images[0].affine_ras.copy()
        affine[0, 3] += 2.0
        return Volume(np.zeros(images[0].shape_kji, np.uint8), affine)

    outcome = Trial(FakeJobs(segment=shifted), tmp_path).start([node]).finish()
    assert outcome.state == "failed"
    assert "do not lie on the same grid" in str(outcome.error)


def test_what_the_worker_refuses_is_told_by_the_volumes_name(
    session: HeadlessScene, trial: Trial
) -> None:
    constant = Volume(np.full((3, 4, 5), 7.0), np.eye(4))
    node = volume_to_node(constant, session.mrml, "Leer")
    outcome = trial.start([node]).finish()
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.message.startswith("The volume 'Leer' is constant")


def test_an_empty_volume_is_refused_before_anything_begins(
    session: HeadlessScene, jobs: FakeJobs, trial: Trial
) -> None:
    empty = session.mrml.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(InputFileError, match="'nothing' is empty"):
        trial.start([empty])
    assert not trial.run.is_active
    assert not jobs.requests
    assert not trial.folder.exists()


def test_unknown_structures_are_refused_before_anything_begins(trial: Trial, node: Any) -> None:
    with pytest.raises(UnknownNameError, match="liver"):
        trial.start([node], SegmentRequest(model="m", structures=("liver",)))
    assert not trial.run.is_active


def test_a_run_is_started_once(trial: Trial, node: Any) -> None:
    trial.start([node])
    with pytest.raises(RunError, match="not started before"):
        trial.start([node])
    trial.finish()
    with pytest.raises(RunError, match="not started before"):
        trial.start([node])


def test_an_unexpected_fault_ends_the_run_too(
    trial: Trial, node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise KeyError("not there")

    monkeypatch.setattr("CrossModalSegLib.bridge.segment_run.read_result", fail)
    outcome = trial.start([node]).finish()
    assert outcome.state == "failed"
    assert "KeyError" in str(outcome.error)
    assert trial.has_left_nothing()


def test_no_poll_takes_long_with_a_scan_and_structures_of_clinical_size(
    session: HeadlessScene, tmp_path: Path
) -> None:
    across = [np.linspace(-1, 1, length) ** 2 for length in (155, 240, 240)]
    distance = np.sqrt(across[0][:, None, None] + across[1][:, None] + across[2])
    values = np.digitize(-distance, [-0.75, -0.55, -0.35]).astype(np.float32) * 100
    node = volume_to_node(Volume(values, np.diag([-1.0, -1.0, 1.0, 1.0])), session.mrml, "large")

    def longest_poll() -> float:
        trial = Trial(FakeJobs(), tmp_path)
        longest = 0.0
        trial.start([node])
        with frozen_heap():
            while not trial.outcomes:
                stage = trial.progress[-1].stage if trial.progress else ""
                is_the_worker_here = stage in {"wait", "load", "read", "slices", "restore"}
                began = time.thread_time()  # other programs may keep the processor for longer
                trial.run.poll()
                if not is_the_worker_here:  # whose work is done within this process here
                    longest = max(longest, time.thread_time() - began)
        segmentation = trial.finish().segmentation_node
        names = segmentation.GetSegmentation().GetSegmentIDs()
        surfaces = [segmentation.GetClosedSurfaceInternalRepresentation(name) for name in names]
        assert max(surface.GetNumberOfPoints() for surface in surfaces) > 50_000
        return longest

    assert least_seconds(longest_poll, 0.1) < 0.1


def test_surfaces_are_slicers_own(trial: Trial, node: Any) -> None:
    segmentation = trial.start([node]).finish().segmentation_node
    names = list(segmentation.GetSegmentation().GetSegmentIDs())
    made = [surface_arrays(segmentation, name) for name in names]
    assert all(len(arrays["points"]) for arrays in made)
    segmentation.RemoveClosedSurfaceRepresentation()
    segmentation.CreateClosedSurfaceRepresentation()
    for name, arrays in zip(names, made, strict=True):
        for key, expected in surface_arrays(segmentation, name).items():
            np.testing.assert_array_equal(arrays[key], expected)


def test_a_volume_moved_while_its_result_is_prepared_keeps_the_result_on_it(
    trial: Trial, node: Any
) -> None:
    trial.start([node])
    trial.until_stage("place")
    trial.run.poll()  # preparing
    moved = np.diag([-1.0, -2.0, 3.0, 1.0])
    moved[:3, 3] = (7, -5, 11)
    node.SetIJKToRASMatrix(matrix_to_vtk(moved))
    segmentation = trial.finish().segmentation_node
    found = node_to_labels(segmentation, CARDIAC, node_to_volume(node))
    expected = np.round(node_to_volume(node).array_kji / 100)
    np.testing.assert_array_equal(found.array_kji, expected)
    centre = np.argwhere(expected == CARDIAC.classes[0].value).mean(axis=0)[::-1]
    surface = segmentation.GetClosedSurfaceInternalRepresentation(CARDIAC.classes[0].name)
    near = moved[:3, :3] @ centre + moved[:3, 3]
    np.testing.assert_allclose(surface.GetCenter(), near, atol=6.0)
