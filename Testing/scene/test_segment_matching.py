"""Segments of anybody's segmentation as structures of a task, without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.adopted_segmentations import adopt, adopted_from
from CrossModalSegLib.bridge.comparison.segment_matching import find_segment, matched_structures
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.slicer_segments import terminology_text
from Testing.scene.compared import CARDIAC, add_volume

ATRIUM = CARDIAC.region("LAC")


@pytest.fixture
def volume(session: HeadlessScene, plain_labels: Volume) -> Any:
    return add_volume(session, plain_labels)


@pytest.fixture
def foreign(volume: Any, plain_labels: Volume) -> Any:
    """A segmentation as another extension names things, with something of its own."""
    node = place_segments(plain_labels, CARDIAC, volume, "Other extension")
    segmentation = node.GetSegmentation()
    names = {"MYO": "MYOCARDIUM", "LAC": "left_atrium", "LVC": "ventricle", "AA": "something"}
    for identifier, name in names.items():
        segmentation.GetSegment(identifier).SetName(name)
        segmentation.SetSegmentIndex(identifier, 0)
    for identifier in list(names):
        segment = segmentation.GetSegment(identifier)
        segment.Register(None)
        segmentation.RemoveSegment(identifier)
        segmentation.AddSegment(segment, f"Segment_{identifier}")
        segment.UnRegister(None)
    segmentation.GetSegment("Segment_AA").SetTerminology("")
    return node


def test_names_are_found_however_they_are_written_and_codes_are_read(foreign: Any) -> None:
    assert matched_structures(foreign, CARDIAC) == {
        "MYO": "Segment_MYO",
        "LAC": "Segment_LAC",
        "LVC": "Segment_LVC",
    }


def test_a_code_that_two_segments_have_says_nothing(foreign: Any) -> None:
    text = terminology_text(CARDIAC.region("LVC").terminology)
    foreign.GetSegmentation().GetSegment("Segment_AA").SetTerminology(text)
    assert find_segment(foreign, CARDIAC.region("LVC"), CARDIAC) == ""


def test_a_code_that_two_structures_have_says_nothing(foreign: Any) -> None:
    task = TASKS["brain_tumour"]
    codes = [terminology_text(region.terminology) for region in task.regions]
    shared = next(code for code in codes if codes.count(code) > 1)
    foreign.GetSegmentation().GetSegment("Segment_AA").SetTerminology(shared)
    assert matched_structures(foreign, task) == {}


def test_the_sides_of_an_organ_are_told_apart(volume: Any, plain_labels: Volume) -> None:
    task = TASKS["abdomen"]
    node = place_segments(plain_labels, task, volume, "Organs")
    segmentation = node.GetSegmentation()
    for identifier in ("right_kidney", "left_kidney"):
        segmentation.GetSegment(identifier).SetName("Kidney")
    found = matched_structures(node, task)
    assert found["right_kidney"] == "right_kidney"
    segmentation.RemoveSegment("right_kidney")
    assert "right_kidney" not in matched_structures(node, task)


def test_an_adopted_copy_has_the_same_voxels_under_the_names_of_the_task(
    foreign: Any, plain_labels: Volume
) -> None:
    copy = adopt(foreign, CARDIAC)
    assert copy is not foreign
    assert adopted_from(copy) is foreign
    names = list(copy.GetSegmentation().GetSegmentIDs())
    assert names == ["MYO", "LAC", "LVC"]
    assert copy.GetSegmentation().GetSegment("LAC").GetName() == ATRIUM.label
    found = node_to_labels(copy, CARDIAC, plain_labels).array_kji
    expected = np.where(plain_labels.array_kji == 4, 0, plain_labels.array_kji)
    assert np.array_equal(found, expected)
    assert not copy.GetDisplayNode().GetVisibility()
    assert foreign.GetSegmentation().GetSegment("Segment_LAC").GetName() == "left_atrium"


def test_adopting_again_brings_the_same_copy_up_to_date(foreign: Any) -> None:
    copy = adopt(foreign, CARDIAC)
    foreign.GetSegmentation().RemoveSegment("Segment_MYO")
    assert adopt(foreign, CARDIAC) is copy
    assert list(copy.GetSegmentation().GetSegmentIDs()) == ["LAC", "LVC"]


def test_our_own_segmentations_take_part_themselves(volume: Any, plain_labels: Volume) -> None:
    node = place_segments(plain_labels, CARDIAC, volume, "Ours")
    assert adopt(node, CARDIAC) is node


def test_a_segmentation_of_something_else_is_refused(volume: Any, plain_labels: Volume) -> None:
    node = place_segments(plain_labels, TASKS["abdomen"], volume, "Organs")
    with pytest.raises(LabelError, match="none of the structures of Cardiac"):
        adopt(node, CARDIAC)
