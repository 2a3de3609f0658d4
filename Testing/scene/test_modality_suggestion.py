"""Suggestions of what a scan is: right or none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.modality_suggestion import modality_in, suggest_modality
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.volume import Volume


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CTChest", "ct"),
        ("CTACardio", "ct"),
        ("ct_train_1001_image", "ct"),
        ("Thorax CT 1.0 mm", "ct"),
        ("CECT abdomen", "ct"),
        ("BraTS20_Training_001_t1", "t1"),
        ("BraTS20_Training_001_t1ce", "t1ce"),
        ("BraTS20_Training_001_t2", "t2"),
        ("BraTS20_Training_001_flair", "flair"),
        ("BraTS-GLI-00000-000-t1n", "t1"),
        ("BraTS-GLI-00000-000-t1c", "t1ce"),
        ("BraTS-GLI-00000-000-t2w", "t2"),
        ("BraTS-GLI-00000-000-t2f", "flair"),
        ("T1w_MPRAGE", "t1"),
        ("3D T1 post Gd", "t1ce"),
        ("T1 +C", "t1ce"),
        ("ax T1 post contrast", "t1ce"),
        ("T2 FLAIR sag", "flair"),
        ("T2w TSE", "t2"),
        ("cine bSSFP 4ch", "mr_bssfp"),
        ("TrueFISP coronal", "mr_bssfp"),
        ("TRUFI_sa", "mr_bssfp"),
        ("FIESTA", "mr_bssfp"),
        ("T2-SPIR", "mr_t2spir"),
        ("T2SPIR", "mr_t2spir"),
        ("T1DUAL in phase", "mr_t1dual"),
        ("T1_DUAL_OutPhase", "mr_t1dual"),
        ("MRHead", ""),
        ("Volume", ""),
        ("mr_train_1001_image", ""),
        ("T2* GRE", ""),
        ("T2star", ""),
        ("PET CT fused T1", ""),
        ("Patient T12 vertebra", ""),
        ("Direct", ""),
        ("factor", ""),
        ("", ""),
    ],
)
def test_names_that_people_and_data_sets_use(text: str, expected: str) -> None:
    assert modality_in(text) == expected
    assert expected == "" or expected in MODALITIES


@pytest.fixture
def scan(session: HeadlessScene) -> Any:
    return volume_to_node(Volume(np.zeros((2, 3, 4)), np.eye(4)), session.mrml, "Volume")


def _set_dicom(session: HeadlessScene, node: Any, modality: str) -> None:
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(session.mrml)
    item = hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(
        hierarchy.GetSceneItemID(), node
    )
    hierarchy.SetItemAttribute(item, "DICOM.Modality", modality)


def _set_description(monkeypatch: pytest.MonkeyPatch, node: Any, description: str) -> None:
    asked: dict[tuple[str, str], str] = {("1.2.3", "0008,103e"): description}
    database = SimpleNamespace(instanceValue=lambda uid, tag: asked[uid, tag])
    monkeypatch.setattr(import_slicer(), "dicomDatabase", database, raising=False)
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")


def test_a_name_is_enough(scan: Any) -> None:
    assert suggest_modality(scan) == ""
    scan.SetName("CT thorax")
    assert suggest_modality(scan) == "ct"


def test_dicom_knows_ct(session: HeadlessScene, scan: Any) -> None:
    _set_dicom(session, scan, "CT")
    scan.SetName("t1 vertebra")
    assert suggest_modality(scan) == "ct"


def test_what_dicom_calls_mr_is_no_ct(session: HeadlessScene, scan: Any) -> None:
    _set_dicom(session, scan, "MR")
    scan.SetName("registered to CT")
    assert suggest_modality(scan) == ""
    scan.SetName("T2")
    assert suggest_modality(scan) == "t2"


@pytest.mark.parametrize("other", ["PT", "US"])
def test_other_scans_are_none_of_ours(session: HeadlessScene, scan: Any, other: str) -> None:
    _set_dicom(session, scan, other)
    scan.SetName("T2 and something")
    assert suggest_modality(scan) == ""


def test_the_description_of_the_series_counts(monkeypatch: pytest.MonkeyPatch, scan: Any) -> None:
    _set_description(monkeypatch, scan, "t1_mprage_sag")
    scan.SetName("5: series")
    assert suggest_modality(scan) == "t1"


def test_name_and_description_that_disagree_say_nothing(
    monkeypatch: pytest.MonkeyPatch, scan: Any
) -> None:
    _set_description(monkeypatch, scan, "t1_mprage_sag")
    scan.SetName("T2")
    assert suggest_modality(scan) == ""


def test_a_volume_without_a_scene_is_looked_at_too() -> None:
    node = import_slicer().vtkMRMLScalarVolumeNode()
    node.SetName("flair")
    assert suggest_modality(node) == "flair"
