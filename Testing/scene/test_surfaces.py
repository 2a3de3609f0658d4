"""Closed surfaces are exactly Slicer's, and nobody waits for them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.closed_surface import surface_recipe
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.segmentations import labels_to_node, structures_of
from CrossModalSegLib.bridge.surfaces import (
    make_enclosing_surfaces_translucent,
    make_surfaces,
    surface_steps,
)
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.frozen_heap import frozen_heap, least_seconds
from Testing.scene.placing import surface_arrays

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]

PARAMETERS = [
    {},
    {"Smoothing factor": "0"},
    {"Smoothing factor": "0.2"},
    {"Smoothing factor": "1.0"},
    {"Decimation factor": "0.5"},
    {"Joint smoothing": "1"},
    {"Compute surface normals": "0"},
]


@pytest.mark.parametrize("name", ["cardiac", "brain_tumour"])
@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_surfaces_are_slicers_and_appear_at_once(
    session: HeadlessScene, labels: Volume, tumour: Volume, name: str, parameters: dict[str, str]
) -> None:
    task, volume = TASKS[name], labels if name == "cardiac" else tumour
    slicers = labels_to_node(volume, task, session.mrml, "Slicer's", with_surfaces=False)
    node = labels_to_node(volume, task, session.mrml, "ours", with_surfaces=False)
    for each in (slicers, node):
        for key, value in parameters.items():
            each.GetSegmentation().SetConversionParameter(key, value)
    slicers.CreateClosedSurfaceRepresentation()
    structures = [entry.name for entry in structures_of(task)]
    for _ in surface_steps(node):
        assert node.GetClosedSurfaceInternalRepresentation(structures[0]) is None
    for structure in structures:
        own, expected = (surface_arrays(each, structure) for each in (node, slicers))
        assert own.keys() == expected.keys()
        for key in own:
            np.testing.assert_array_equal(own[key], expected[key])
    assert list(surface_steps(node)) == []  # they are there


def test_what_lies_inside_is_seen_when_surfaces_are_made(
    session: HeadlessScene, tumour: Volume
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour", with_surfaces=False)
    make_surfaces(node)
    opacities = [node.GetDisplayNode().GetSegmentOpacity3D(name) for name in ("WT", "ET")]
    assert opacities == pytest.approx([0.3, 1.0])


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_what_is_not_known_of_the_slicer_at_hand_is_left_to_it(
    session: HeadlessScene, tumour: Volume, parameters: dict[str, str]
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour", with_surfaces=False)
    for key, value in parameters.items():
        node.GetSegmentation().SetConversionParameter(key, value)
    is_known = set(parameters) <= {"Smoothing factor"}
    assert (surface_recipe(node.GetSegmentation()) is not None) == is_known


def test_a_segmentation_deleted_meanwhile_gets_no_surfaces(
    session: HeadlessScene, tumour: Volume
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour", with_surfaces=False)
    steps = surface_steps(node)
    next(steps)
    session.mrml.RemoveNode(node)
    list(steps)
    assert node.GetClosedSurfaceInternalRepresentation("WT") is None


def test_what_changes_while_surfaces_are_made_is_made_anew(
    session: HeadlessScene, tumour: Volume
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour", with_surfaces=False)
    segmentation = node.GetSegmentation()
    steps = surface_steps(node)
    next(steps)
    segmentation.RemoveSegment("ET")
    smaller = tumour.with_array(np.where(tumour.array_kji == 1, tumour.array_kji, 0))
    other = labels_to_node(smaller, TUMOUR, session.mrml, "smaller", with_surfaces=False)
    labelmap = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    image = other.GetSegmentation().GetSegment("WT").GetRepresentation(labelmap)
    segmentation.GetSegment("WT").AddRepresentation(labelmap, image)
    list(steps)
    make_surfaces(other)
    assert segmentation.GetNumberOfSegments() == 2
    np.testing.assert_array_equal(_surface_points(node, "WT"), _surface_points(other, "WT"))


def test_a_segment_that_takes_the_place_of_another_gets_its_own_surface(
    session: HeadlessScene, tumour: Volume
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour", with_surfaces=False)
    segmentation = node.GetSegmentation()
    steps = surface_steps(node)
    for _ in segmentation.GetSegmentIDs():
        next(steps)  # their voxels were copied
    moved = tumour.with_array(np.roll(tumour.array_kji, 5, axis=2))
    other = labels_to_node(moved, TUMOUR, session.mrml, "moved", with_surfaces=False)
    segment = other.GetSegmentation().GetSegment("ET")
    other.GetSegmentation().RemoveSegment("ET")
    segmentation.RemoveSegment("ET")
    segmentation.AddSegment(segment, "ET")
    list(steps)
    middle = np.argwhere(moved.array_kji == TUMOUR.regions[-1].values[0]).mean(axis=0)[::-1]
    expected = tumour.affine_ras[:3, :3] @ middle + tumour.affine_ras[:3, 3]
    found = node.GetClosedSurfaceInternalRepresentation("ET").GetCenter()
    np.testing.assert_allclose(found, expected, atol=1.5)


def test_the_program_goes_on_while_a_large_structure_gets_its_surface(
    session: HeadlessScene,
) -> None:
    across = [np.linspace(-1, 1, length) ** 2 for length in (160, 200, 180)]
    ball = across[0][:, None, None] + across[1][:, None] + across[2] < 0.95
    large = Volume(ball.astype(np.uint8), np.diag([-1.0, -1.0, 1.0, 1.0]))
    first = next(entry.name for entry in structures_of(CARDIAC) if entry.values == (1,))

    def longest_step() -> float:
        node = labels_to_node(large, CARDIAC, session.mrml, "large", with_surfaces=False)
        steps, longest = 0, 0.0
        work = surface_steps(node)
        is_done = False
        with frozen_heap():
            while not is_done:
                began = time.thread_time()  # other programs may keep the processor for longer
                is_done = next(work, "done") == "done"
                longest = max(longest, time.thread_time() - began)
                steps += 1
        assert node.GetClosedSurfaceInternalRepresentation(first).GetNumberOfPoints() > 50_000
        # Fewer if a filter kept Python's lock, and with it everything else, until it was done.
        assert steps > 15
        return longest

    assert least_seconds(longest_step, 0.1) < 0.1


def test_only_what_encloses_something_is_translucent(
    session: HeadlessScene, tumour: Volume
) -> None:
    node = labels_to_node(tumour, TUMOUR, session.mrml, "tumour")
    make_enclosing_surfaces_translucent(node, 0.25)
    opacities = [node.GetDisplayNode().GetSegmentOpacity3D(name) for name in ("WT", "TC", "ET")]
    assert opacities[0] == pytest.approx(0.25)
    assert opacities[2] == 1.0


def _surface_points(node: Any, segment_id: str) -> np.ndarray:
    from vtk.util.numpy_support import vtk_to_numpy

    surface = node.GetClosedSurfaceInternalRepresentation(segment_id)
    return np.asarray(vtk_to_numpy(surface.GetPoints().GetData()))
