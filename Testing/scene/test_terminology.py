"""Every code that segments carry is known to Slicer, whatever its own lists have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.terminology import (
    context_name,
    context_of,
    entries_of,
    offer_terminology,
)
from CrossModalSegLib.core.tasks import TASKS, CodedConcept, Region, StructureClass, Terminology
from CrossModalSegLib.data.slicer_segments import terminology_text

STRUCTURES = [
    pytest.param(structure, id=f"{task.name}-{structure.name}")
    for task in TASKS.values()
    for structure in task.regions
]


@pytest.fixture
def logic() -> Any:
    return import_slicer().vtkSlicerTerminologiesModuleLogic()


@pytest.mark.parametrize("structure", STRUCTURES)
def test_slicer_reads_and_writes_each_entry_alike(
    logic: Any, structure: Region | StructureClass
) -> None:
    text, entry = terminology_text(structure.terminology), _entry()
    assert logic.DeserializeTerminologyEntry(text, entry)
    assert logic.SerializeTerminologyEntry(entry) == text
    assert structure.terminology is not None
    assert entry.GetTypeObject().GetCodeValue() == structure.terminology.type.value


@pytest.mark.parametrize("structure", STRUCTURES)
def test_each_entry_is_found_when_slicers_lists_lack_it(
    logic: Any, structure: Region | StructureClass
) -> None:
    found = _entry()
    logic.DeserializeTerminologyEntry(terminology_text(structure.terminology), found)
    logic.UpdateEntryFromLoadedTerminologies(found, [], [])
    assert "CrossModalSeg" not in found.GetTerminologyContextName()
    offer_terminology(logic=logic)
    assert logic.UpdateEntryFromLoadedTerminologies(found, [], [])
    assert "CrossModalSeg" in found.GetTerminologyContextName()
    assert structure.terminology is not None
    assert found.GetTypeObject().GetCodeMeaning() == structure.terminology.type.meaning


def test_colours_are_the_tasks_own(logic: Any) -> None:
    offer_terminology(logic=logic)
    for structure in TASKS["abdomen"].classes:
        entry = _entry()
        logic.DeserializeTerminologyEntry(terminology_text(structure.terminology), entry)
        logic.UpdateEntryFromLoadedTerminologies(entry, [], [])
        modified = structure.terminology is not None and structure.terminology.modifier is not None
        coloured = entry.GetTypeModifierObject() if modified else entry.GetTypeObject()
        assert tuple(coloured.GetRecommendedDisplayRGBValue()) == structure.colour


def test_only_what_is_missing_is_offered(logic: Any, tmp_path: Path) -> None:
    cardiac = TASKS["cardiac"]
    slicers_own = tmp_path / "own.term.json"
    slicers_own.write_text(json.dumps(context_of(entries_of(cardiac)[:3], "Slicer's own")))
    assert logic.LoadTerminologyFromFile(str(slicers_own)) == "Slicer's own"
    assert offer_terminology([cardiac], logic) == 1
    names = logic.FindTerminologyNames("SCT", "123037004", "SCT", "54247002", "", "", [])
    assert names == (context_name(cardiac),)
    names = logic.FindTerminologyNames("SCT", "123037004", "SCT", "74281007", "", "", [])
    assert names == ("Slicer's own",)


def test_a_second_offer_adds_nothing(logic: Any) -> None:
    assert offer_terminology(logic=logic) > 0
    assert offer_terminology(logic=logic) == 0


def test_custom_tasks_bring_their_own_codes(logic: Any) -> None:
    offer_terminology(logic=logic)
    cardiac = TASKS["cardiac"]
    code = CodedConcept(scheme="99OWN", value="1", meaning="Something new")
    own = Terminology(category=entries_of(cardiac)[0][0].category, type=code)
    custom = replace(
        cardiac,
        label="Custom",
        classes=(replace(cardiac.classes[0], terminology=own), *cardiac.classes[1:]),
    )
    assert offer_terminology([custom], logic) == 1
    assert logic.FindTerminologyNames("SCT", "123037004", "99OWN", "1", "", "", [])
    assert offer_terminology(logic=logic) == 0, "the built-in codes are still there"


def test_without_the_application_nothing_happens() -> None:
    assert offer_terminology() == 0


def test_the_applications_logic_is_used(monkeypatch: pytest.MonkeyPatch, logic: Any) -> None:
    modules = SimpleNamespace(terminologies=SimpleNamespace(logic=lambda: logic))
    monkeypatch.setattr(import_slicer(), "modules", modules, raising=False)
    assert offer_terminology([TASKS["cardiac"]]) == 4


def _entry() -> Any:
    return import_slicer().vtkSlicerTerminologyEntry()
