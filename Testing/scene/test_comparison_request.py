"""What can be compared, and what the user is told while something is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from CrossModalSegLib.bridge.comparison.comparison import MAX_METHODS
from CrossModalSegLib.bridge.comparison.comparison_request import (
    ComparisonRequest,
    method_name,
    owner,
    reason_not_to_compare,
)
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segmentations import labels_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import CARDIAC, add_volume
from Testing.scene.compared_models import Card


@pytest.fixture
def volume(session: HeadlessScene, plain_labels: Volume) -> Any:
    return add_volume(session, plain_labels)


@pytest.fixture
def request_of_two(volume: Any, plain_labels: Volume) -> ComparisonRequest:
    methods = [place_segments(plain_labels, CARDIAC, volume, name) for name in ("A", "B")]
    return ComparisonRequest(task=CARDIAC, volumes=(volume,), segmentations=tuple(methods))


def test_two_segmentations_of_one_volume_are_enough(request_of_two: ComparisonRequest) -> None:
    assert reason_not_to_compare(request_of_two) == ""
    assert reason_not_to_compare(request_of_two, is_ready=False) == "", "no model, no packages"


def test_each_thing_that_is_missing_is_told(
    request_of_two: ComparisonRequest, volume: Any, plain_labels: Volume
) -> None:
    def reason(**changes: Any) -> str:
        return reason_not_to_compare(replace(request_of_two, **changes))

    first = request_of_two.segmentations[0]
    organs = place_segments(plain_labels, TASKS["abdomen"], volume, "Organs")
    assert "at least one volume" in reason(volumes=())
    assert "which structures" in reason(task=None)
    assert "There are 1." in reason(segmentations=(first,))
    many = tuple(
        place_segments(plain_labels, CARDIAC, volume, str(n)) for n in range(MAX_METHODS + 1)
    )
    assert f"There are {MAX_METHODS + 1}." in reason(segmentations=many)
    assert "none of the structures" in reason(segmentations=(first, organs))
    assert "both a method and the reference" in reason(references=(first,))
    assert "2 references" in reason(references=many[:2])
    empty = volume.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    assert "is empty" in reason(volumes=(volume, empty))


def test_a_segmentation_belongs_to_the_volume_that_it_was_made_of(
    session: HeadlessScene, volume: Any, plain_labels: Volume
) -> None:
    other = add_volume(session, plain_labels, "other")
    segmentation = place_segments(plain_labels, CARDIAC, volume, "A")
    assert owner(segmentation, (volume, other)) is volume
    assert owner(segmentation, (other,)) is other, "the only one there is"


def test_otherwise_it_belongs_to_the_only_volume_around_it(
    session: HeadlessScene, volume: Any, plain_labels: Volume
) -> None:
    away = plain_labels.affine_ras.copy()
    away[:3, 3] += 500.0
    far = add_volume(session, Volume(plain_labels.array_kji, away), "far")
    loose = labels_to_node(plain_labels, CARDIAC, session.mrml, "loose", with_surfaces=False)
    assert owner(loose, (volume, far)) is volume
    near = add_volume(session, plain_labels, "near")
    assert owner(loose, (volume, near)) is None
    request = ComparisonRequest(task=CARDIAC, volumes=(volume, near), segmentations=(loose,))
    assert "not clear which volume" in reason_not_to_compare(request)


def test_each_volume_needs_its_own_methods(
    session: HeadlessScene, request_of_two: ComparisonRequest, plain_labels: Volume
) -> None:
    other = add_volume(session, plain_labels, "other")
    request = replace(request_of_two, volumes=(*request_of_two.volumes, other))
    assert "for the volume 'other'" in reason_not_to_compare(request)


def test_names_of_methods_can_be_file_names_and_are_unique() -> None:
    assert method_name("Segmentation of Dr. A/B", []) == "Segmentation_of_Dr_A_B"
    assert method_name("x", ["x", "x_2"]) == "x_3"
    assert method_name("心臓", []) == "segmentation"
    assert len(method_name("a" * 500, [])) <= 60


def test_a_model_of_several_images_is_compared_by_its_segmentation(
    request_of_two: ComparisonRequest,
) -> None:
    images = ("T1", "T1ce", "T2", "FLAIR")
    card = Card("brats", "Tumours on four images", input_modalities=images).as_card()
    request = replace(request_of_two, models=(card,))
    assert "needs 4 images" in reason_not_to_compare(request)


def test_missing_packages_matter_to_models_alone(
    request_of_two: ComparisonRequest,
) -> None:
    request = replace(request_of_two, models=(Card("hearts", "Hearts").as_card(),))
    assert reason_not_to_compare(request) == ""
    assert "Packages are missing" in reason_not_to_compare(request, is_ready=False)
