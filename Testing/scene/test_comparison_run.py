"""All models one after another: results in their folder, failures told, cancelling."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.comparison_labels import REFERENCE, ComparisonLabels
from CrossModalSegLib.bridge.comparison.comparison_request import ComparisonRequest
from CrossModalSegLib.bridge.comparison.comparison_run import ComparisonOutcome, ComparisonRun
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.bridge.segmentations import node_to_labels, volume_of
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.phantoms.cardiac import make_cardiac_subject
from Testing.scene.compared import CARDIAC, shifted
from Testing.scene.compared_models import Models, as_scan, make_service

SHIPPED = "cardiac_ct_to_mr_bssfp_dsan"


class Trial:
    """A run over made-up models, and what it told."""

    def __init__(self, session: HeadlessScene, labels: Volume) -> None:
        self.session = session
        self.labels = labels
        self.models = Models()
        self.service, self.jobs = make_service(self.models)
        self.progress: list[tuple[float, str]] = []
        self.outcomes: list[ComparisonOutcome] = []
        self.run = ComparisonRun(
            self.service,
            on_progress=lambda share, text: self.progress.append((share, text)),
            on_end=self.outcomes.append,
        )

    def add(self, name: str = "scan") -> Any:
        return volume_to_node(as_scan(self.labels), self.session.mrml, name)

    def request(self, *volumes: Any, **others: Any) -> ComparisonRequest:
        return ComparisonRequest(
            task=CARDIAC, volumes=volumes, models=self.models.entries(), **others
        )

    def until(self, is_reached: Callable[[], Any]) -> None:
        end = time.monotonic() + 30
        while not is_reached():
            assert time.monotonic() < end, self.progress[-1:]
            self.run.poll()

    def finish(self) -> ComparisonOutcome:
        count = len(self.outcomes)
        self.until(lambda: len(self.outcomes) > count)
        return self.outcomes[-1]


@pytest.fixture
def trial(session: HeadlessScene, plain_labels: Volume) -> Trial:
    return Trial(session, plain_labels)


def test_each_model_segments_each_volume_and_all_are_collected(trial: Trial) -> None:
    first, second = trial.add("first"), trial.add("second")
    trial.run.start(trial.request(first, second))
    outcome = trial.finish()
    assert outcome.state == "done"
    assert [each["model"] for each in trial.jobs.requests] == ["bigl", "dsan", "glua"] * 2
    assert [each.volume for each in outcome.comparisons] == [first, second]
    for comparison in outcome.comparisons:
        assert [shown.name for shown in comparison.methods] == ["bigl", "dsan", "glua"]
        assert comparison.methods[0].label == "Hearts by BIGL"
        for moved, shown in enumerate(comparison.methods):
            found = node_to_labels(shown.segmentation, CARDIAC, trial.labels).array_kji
            assert np.array_equal(found, shifted(trial.labels, moved).array_kji)
            assert volume_of(shown.segmentation) is comparison.volume
            assert not shown.segmentation.GetDisplayNode().GetVisibility()
    shares = [share for share, _ in trial.progress]
    assert shares == sorted(shares)
    assert any("(4 of 6)" in text for _, text in trial.progress)
    assert any("is odd" in warning for warning in outcome.warnings)


def test_results_lie_in_a_folder_beside_their_volume(trial: Trial) -> None:
    volume = trial.add("Heart 7")
    trial.run.start(trial.request(volume))
    (comparison,) = trial.finish().comparisons
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(
        trial.session.mrml
    )
    items = [hierarchy.GetItemByDataNode(shown.segmentation) for shown in comparison.methods]
    folders = {hierarchy.GetItemParent(item) for item in items}
    assert [hierarchy.GetItemName(folder) for folder in folders] == ["Comparison of Heart 7"]


def test_a_second_comparison_replaces_the_results_of_the_first(trial: Trial) -> None:
    volume = trial.add()
    trial.run.start(trial.request(volume))
    (before,) = trial.finish().comparisons
    trial.models.shifts["dsan"] = 5
    trial.run.start(trial.request(volume))
    (after,) = trial.finish().comparisons
    for old, new in zip(before.methods, after.methods, strict=True):
        assert new.segmentation is old.segmentation
    found = node_to_labels(after.methods[1].segmentation, CARDIAC, trial.labels).array_kji
    assert np.array_equal(found, shifted(trial.labels, 5).array_kji)
    assert trial.session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 3


def test_a_model_that_fails_stops_no_other(trial: Trial) -> None:
    trial.models.broken.add("dsan")
    trial.run.start(trial.request(trial.add()))
    outcome = trial.finish()
    (comparison,) = outcome.comparisons
    assert [shown.name for shown in comparison.methods] == ["bigl", "glua"]
    (failure,) = outcome.failures
    assert (failure.label, failure.volume) == ("Hearts by DSAN", "scan")
    assert "dsan is broken" in str(failure.error)


def test_segmentations_of_the_scene_take_part_beside_models(trial: Trial) -> None:
    volume = trial.add()
    drawn = place_segments(trial.labels, CARDIAC, volume, "Dr. B, 2nd look")
    true = place_segments(trial.labels, CARDIAC, volume, "Expert")
    trial.run.start(trial.request(volume, segmentations=(drawn,), references=(true,)))
    (comparison,) = trial.finish().comparisons
    assert comparison.reference is true
    last = comparison.methods[-1]
    assert (last.name, last.label) == ("Dr_B_2nd_look", "Dr. B, 2nd look")
    assert last.segmentation is drawn


def test_segmentations_alone_need_no_worker(trial: Trial) -> None:
    volume = trial.add()
    nodes = tuple(place_segments(trial.labels, CARDIAC, volume, name) for name in "AB")
    trial.run.start(ComparisonRequest(task=CARDIAC, volumes=(volume,), segmentations=nodes))
    (comparison,) = trial.finish().comparisons
    assert [shown.segmentation for shown in comparison.methods] == list(nodes)
    assert trial.jobs.requests == []


def test_cancelling_keeps_what_is_there(trial: Trial) -> None:
    trial.run.start(trial.request(trial.add()))
    trial.until(lambda: len(trial.jobs.requests) == 2)
    trial.run.cancel()
    outcome = trial.finish()
    assert outcome.state == "cancelled"
    assert not trial.run.is_active
    assert not trial.service.is_busy
    assert len(trial.jobs.requests) == 2
    assert trial.session.mrml.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1


def test_the_segment_pages_cancel_button_cancels_all(trial: Trial) -> None:
    trial.run.start(trial.request(trial.add()))
    trial.until(lambda: len(trial.jobs.requests) == 1)
    trial.service.cancel()
    assert trial.finish().state == "cancelled"
    assert len(trial.jobs.requests) == 1


def test_a_volume_that_is_deleted_meanwhile_fails_and_the_other_is_compared(trial: Trial) -> None:
    gone, kept = trial.add("gone"), trial.add("kept")
    trial.run.start(trial.request(gone, kept))
    trial.until(lambda: len(trial.jobs.requests) == 1)
    trial.session.mrml.RemoveNode(gone)
    outcome = trial.finish()
    assert [each.volume for each in outcome.comparisons] == [kept]
    assert {failure.volume for failure in outcome.failures} == {"gone"}
    assert "was removed" in str(outcome.failures[0].error)


def test_a_real_model_in_the_real_worker_beside_a_drawn_segmentation(
    session: HeadlessScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path))
    subject = make_cardiac_subject("mr_bssfp", 918_273)
    volume = volume_to_node(subject.image, session.mrml, "Heart MR")
    expert = place_segments(subject.labels, CARDIAC, volume, "Expert")
    drawn = place_segments(shifted(subject.labels, 2), CARDIAC, volume, "Drawn")
    service = SegmentService()
    outcomes: list[ComparisonOutcome] = []
    run = ComparisonRun(service, on_progress=lambda *_: None, on_end=outcomes.append)
    try:
        run.start(
            ComparisonRequest(
                task=CARDIAC,
                volumes=(volume,),
                models=(service.model(SHIPPED),),
                segmentations=(drawn,),
                references=(expert,),
                device="cpu",
            )
        )
        end = time.monotonic() + 120
        while not outcomes:
            assert time.monotonic() < end
            run.poll()
            time.sleep(0.01)
    finally:
        service.shutdown()
    (comparison,) = outcomes[0].comparisons
    assert not outcomes[0].failures
    assert [shown.name for shown in comparison.methods] == [SHIPPED, "Drawn"]
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    found, true = sampled.of(SHIPPED) > 0, sampled.of(REFERENCE) > 0
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.8


def test_it_refuses_what_cannot_be_compared(trial: Trial) -> None:
    volume = trial.add()
    with pytest.raises(RunError, match="2 to 8 methods"):
        trial.run.start(ComparisonRequest(task=CARDIAC, volumes=(volume,)))
    trial.run.start(trial.request(volume))
    with pytest.raises(RunError, match="being segmented"):
        trial.run.start(trial.request(volume))
    trial.run.cancel()
    trial.finish()
