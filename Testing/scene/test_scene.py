"""Headless scenes come and go, are saved and loaded."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene, import_slicer
from CrossModalSegLib.bridge.segmentations import labels_to_node, node_to_labels
from CrossModalSegLib.bridge.volumes import node_to_volume, volume_to_node
from CrossModalSegLib.core.errors import InputFileError, OutputExistsError
from CrossModalSegLib.core.geometry import orientation_code, reorient
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume


def test_a_closed_scene_frees_everything() -> None:
    freed: list[str] = []
    with headless_scene() as session:
        volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "image")
        session.mrml.AddObserver("DeleteEvent", lambda *_: freed.append("scene"))
        session.application.AddObserver("DeleteEvent", lambda *_: freed.append("application"))
    del session
    gc.collect()
    assert sorted(freed) == ["application", "scene"]


def test_scenes_follow_one_another_without_sharing_nodes() -> None:
    for _ in range(3):
        with headless_scene() as session:
            assert session.mrml.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
            volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "image")


def test_an_error_inside_still_closes_the_scene() -> None:
    with pytest.raises(KeyError), headless_scene():
        raise KeyError("mine")
    with headless_scene() as session:
        assert session.mrml.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


@pytest.mark.parametrize("suffix", [".mrb", ".mrml"])
def test_a_saved_scene_comes_back(
    session: HeadlessScene, labels: Volume, tmp_path: Path, suffix: str
) -> None:
    task = TASKS["cardiac"]
    image = labels.with_array(labels.array_kji.astype(np.float32) * 1.5)
    image_node = volume_to_node(image, session.mrml, "Bild für Ärzte")
    labels_to_node(labels, task, session.mrml, "result", reference=image_node)
    path = tmp_path / f"scène 1{suffix}"
    session.save(path)
    with headless_scene() as other:
        other.load(path)
        image_again = other.mrml.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        result_again = other.mrml.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        read = node_to_volume(image_again)
        # Slicer turns left-handed grids around when it reads them; the patient stays put.
        code = orientation_code(image.affine_ras)
        np.testing.assert_array_equal(reorient(read, code).array_kji, image.array_kji)
        np.testing.assert_allclose(reorient(read, code).affine_ras, image.affine_ras, atol=1e-4)
        again = node_to_labels(result_again, task, labels)
        np.testing.assert_array_equal(again.array_kji, labels.array_kji)
        assert image_again.GetName() == "Bild für Ärzte"
        assert [result_again.GetSegmentation().GetNthSegment(n).GetName() for n in range(4)] == [
            entry.label for entry in task.classes
        ]
        del image_again, result_again


def test_an_existing_scene_is_not_overwritten_silently(
    session: HeadlessScene, tmp_path: Path
) -> None:
    path = tmp_path / "scene.mrb"
    path.write_text("mine")
    with pytest.raises(OutputExistsError, match=r"scene\.mrb"):
        session.save(path)
    assert path.read_text() == "mine"
    session.save(path, overwrite=True)
    assert path.read_bytes()[:2] == b"PK"


def test_a_missing_scene_is_named(session: HeadlessScene, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"nowhere\.mrb"):
        session.load(tmp_path / "nowhere.mrb")


def test_only_scene_files_are_scenes(session: HeadlessScene, tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"\.mrb or \.mrml"):
        session.save(tmp_path / "scene.zip")


def test_scenes_leave_no_conversions_behind() -> None:
    factory = import_slicer().vtkSegmentationConverterFactory.GetInstance()
    for _ in range(3):
        with headless_scene():
            kinds = [rule.GetClassName() for rule in factory.GetConverterRules()]
            assert "vtkBinaryLabelmapToClosedSurfaceConversionRule" in kinds
            assert len(kinds) == len(set(kinds))
