"""Label maps of methods on the volume's grid: exact, in steps, and following what is edited."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.comparison_labels import REFERENCE, ComparisonLabels
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.segmentations import node_to_labels
from CrossModalSegLib.bridge.volumes import matrix_to_vtk, node_to_volume
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import CARDIAC, add_volume, compare, shifted
from Testing.scene.conftest import landmarks, make_grid

TURNED = np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 7.5], [0, 0, 0, 1]])


def _under(node: Any, matrix: Any) -> None:
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())


def test_methods_and_reference_are_sampled_exactly(session: HeadlessScene, labels: Volume) -> None:
    other = shifted(labels, 3)
    comparison = compare(add_volume(session, labels), [labels, other], shifted(labels, 2, axis=0))
    sampled = ComparisonLabels(comparison)
    assert not sampled.is_ready
    sampled.finish()
    assert np.array_equal(sampled.of("m1"), labels.array_kji)
    assert np.array_equal(sampled.of("m2"), other.array_kji)
    assert np.array_equal(sampled.of(REFERENCE), shifted(labels, 2, axis=0).array_kji)
    assert np.array_equal(sampled.mask("m1", "LVC"), labels.array_kji == 3)


@pytest.mark.parametrize("matrix", [TURNED, np.eye(4) + 1.3 * np.eye(4, k=3)])
def test_transforms_of_segmentations_count(
    session: HeadlessScene, plain_labels: Volume, matrix: Any
) -> None:
    volume = add_volume(session, plain_labels)
    comparison = compare(volume, [plain_labels, plain_labels])
    node = comparison.methods[1].segmentation
    _under(node, matrix)
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    expected = node_to_labels(node, CARDIAC, node_to_volume(volume)).array_kji
    assert not np.array_equal(expected, plain_labels.array_kji)
    assert np.array_equal(sampled.of("m2"), expected)


def test_a_segmentation_on_another_grid_is_resampled(session: HeadlessScene) -> None:
    fine, coarse = make_grid("plain"), make_grid("oblique")
    volume = add_volume(session, fine)
    comparison = compare(volume, [landmarks(fine), landmarks(coarse)])
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    expected = node_to_labels(comparison.methods[1].segmentation, CARDIAC, fine).array_kji
    assert np.array_equal(sampled.of("m2"), expected)
    assert (expected == landmarks(fine).array_kji).mean() > 0.98


def test_nested_structures_become_classes_again(session: HeadlessScene, plain_grid: Volume) -> None:
    task = TASKS["brain_tumour"]
    array = np.zeros(plain_grid.shape_kji, np.uint8)
    array[10:40, 10:40, 10:40], array[15:35, 15:35, 15:35], array[20:30, 20:30, 20:30] = 2, 1, 3
    labels = plain_grid.with_array(array)
    volume = add_volume(session, plain_grid)
    comparison = compare(volume, [labels, shifted(labels, 2)], task=task)
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    assert np.array_equal(sampled.of("m1"), array)
    assert np.array_equal(sampled.mask("m1", "WT"), array > 0)


def test_each_step_is_one_structure(session: HeadlessScene, plain_labels: Volume) -> None:
    volume = add_volume(session, plain_labels)
    sampled = ComparisonLabels(compare(volume, [plain_labels, plain_labels]))
    steps = 1
    while not sampled.step():
        steps += 1
    assert steps == 2 * (len(CARDIAC.classes) + 1)
    assert sampled.version == 2


def test_what_is_edited_is_sampled_again(session: HeadlessScene, plain_labels: Volume) -> None:
    volume = add_volume(session, plain_labels)
    comparison = compare(volume, [plain_labels, plain_labels])
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    kept = sampled.of("m1")
    node = comparison.methods[1].segmentation
    place_segments(shifted(plain_labels, 4), CARDIAC, volume, "", output_node=node)
    assert not sampled.is_ready
    sampled.finish()
    assert np.array_equal(sampled.of("m2"), shifted(plain_labels, 4).array_kji)
    assert sampled.of("m1") is kept, "what was not edited is not sampled again"


def test_empty_segments_and_segments_outside_are_nothing(
    session: HeadlessScene, plain_labels: Volume
) -> None:
    volume = add_volume(session, plain_labels)
    nothing = plain_labels.with_array(np.zeros_like(plain_labels.array_kji))
    comparison = compare(volume, [nothing, plain_labels])
    _under(comparison.methods[1].segmentation, np.eye(4) + 1000 * np.eye(4, k=3))
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    assert not sampled.of("m1").any()
    assert not sampled.of("m2").any()


def test_slicer_converts_meshes_for_us(session: HeadlessScene, plain_labels: Volume) -> None:
    volume = add_volume(session, plain_labels)
    comparison = compare(volume, [plain_labels, plain_labels])
    node = comparison.methods[1].segmentation
    converter = import_slicer().vtkSegmentationConverter
    node.CreateClosedSurfaceRepresentation()
    node.SetSourceRepresentationToClosedSurface()
    node.GetSegmentation().RemoveRepresentation(converter.GetBinaryLabelmapRepresentationName())
    sampled = ComparisonLabels(comparison)
    sampled.finish()
    found, true = sampled.of("m2") > 0, plain_labels.array_kji > 0
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.9
