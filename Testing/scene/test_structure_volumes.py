"""Sizes of structures, as values and as a table that stays one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene, import_slicer
from CrossModalSegLib.bridge.structure_volumes import (
    StructureVolume,
    fill_table,
    measure_structures,
    read_table,
)
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume

CARDIAC, TUMOUR = TASKS["cardiac"], TASKS["brain_tumour"]


def _measured(*voxels: int) -> tuple[StructureVolume, ...]:
    return tuple(
        StructureVolume(
            name=entry.name,
            label=entry.label,
            colour=entry.colour,
            voxels=count,
            volume_ml=count / 3,
        )
        for entry, count in zip(CARDIAC.classes, voxels, strict=False)
    )


@pytest.fixture
def segmentation_node(session: HeadlessScene, plain_labels: Volume) -> Any:
    image_node = volume_to_node(plain_labels, session.mrml, "image")
    return place_segments(plain_labels, CARDIAC, image_node, "Scan - Model")


def test_nested_regions_are_measured_as_a_whole() -> None:
    array = np.zeros((2, 5, 10), np.uint8)
    array[0], array[1, :2], array[1, 2] = 2, 1, 3
    labels = Volume(array, np.diag([2.0, 1.0, 5.0, 1.0]))
    measured = measure_structures(labels, TUMOUR)
    assert [(entry.name, entry.voxels) for entry in measured] == [
        ("WT", 80),
        ("TC", 30),
        ("ET", 10),
    ]
    assert [entry.volume_ml for entry in measured] == pytest.approx([0.8, 0.3, 0.1])


def test_only_wanted_structures_are_measured_and_missing_ones_are_nought() -> None:
    labels = Volume(np.full((2, 2, 2), 4, np.uint8), np.eye(4))
    measured = measure_structures(labels, CARDIAC, ["AA", "MYO"])
    assert [(entry.name, entry.voxels) for entry in measured] == [("MYO", 0), ("AA", 8)]


def test_a_table_gives_back_what_was_written(segmentation_node: Any) -> None:
    volumes = _measured(10, 20, 0, 3_000_000)
    node = fill_table(None, volumes, segmentation_node)
    assert read_table(node) == volumes
    assert node.GetName() == "Scan - Model - volumes"
    names = [node.GetTable().GetColumnName(index) for index in range(3)]
    assert names == ["Structure", "Volume (mL)", "Voxels"]


def test_the_second_result_fills_the_same_table(
    session: HeadlessScene, segmentation_node: Any
) -> None:
    first = fill_table(None, _measured(1, 2, 3, 4), segmentation_node)
    assert fill_table(None, _measured(5, 6), segmentation_node) is first
    assert fill_table(first, _measured(7), segmentation_node) is first
    assert read_table(first) == _measured(7)
    assert session.mrml.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_a_table_that_was_deleted_is_made_anew(
    session: HeadlessScene, segmentation_node: Any
) -> None:
    first = fill_table(None, _measured(1), segmentation_node)
    session.mrml.RemoveNode(first)
    second = fill_table(None, _measured(2), segmentation_node)
    assert second is not first
    assert read_table(second) == _measured(2)


def test_the_table_stands_beside_its_segmentation(
    session: HeadlessScene, segmentation_node: Any
) -> None:
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(segmentation_node), study)
    table = fill_table(None, _measured(1), segmentation_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table)) == study


def test_a_saved_table_comes_back(
    session: HeadlessScene, segmentation_node: Any, tmp_path: Path
) -> None:
    volumes = _measured(10, 20, 30, 40)
    fill_table(None, volumes, segmentation_node)
    session.save(tmp_path / "scene.mrb")
    with headless_scene() as other:
        other.load(tmp_path / "scene.mrb")
        table = other.mrml.GetFirstNodeByClass("vtkMRMLTableNode")
        again = other.mrml.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        assert [(entry.name, entry.colour, entry.voxels) for entry in read_table(table)] == [
            (entry.name, entry.colour, entry.voxels) for entry in volumes
        ]
        assert [entry.volume_ml for entry in read_table(table)] == pytest.approx(
            [entry.volume_ml for entry in volumes],
            rel=1e-5,  # Slicer's files have six digits
        )
        assert fill_table(None, _measured(1), again) is table
        del table, again


def test_tables_that_are_not_ours_hold_nothing(session: HeadlessScene) -> None:
    foreign = session.mrml.AddNewNodeByClass("vtkMRMLTableNode", "foreign")
    assert read_table(foreign) == ()


def test_a_table_spoilt_by_hand_holds_nothing(segmentation_node: Any) -> None:
    node = fill_table(None, _measured(1, 2), segmentation_node)
    node.GetTable().GetColumnByName("Colour").SetValue(1, "nonsense")
    assert read_table(node) == ()
