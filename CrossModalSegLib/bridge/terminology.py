"""Codes of structures that Slicer's own lists may lack, offered to its terminology selector.

Which codes Slicer's lists have differs between its versions (of ours, for example, "Ascending
aorta" and "Neoplasm, Primary" are not in every General Anatomy list), and custom tasks bring codes
of their own. So what is missing is looked up in the running Slicer, and offered as a list of its
own. A segment's terminology names the General Anatomy list; where a code is not found there, Slicer
looks through all lists that are loaded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.tasks import (
    TASKS,
    CodedConcept,
    Colour,
    Region,
    StructureClass,
    Task,
    Terminology,
)

_SCHEMA = (
    "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/schemas/segment-context-schema.json#"
)

Entry = tuple[Terminology, Colour]


def terminology_logic() -> Any:
    """Return the logic of Slicer's Terminologies module, None where there is no application."""
    terminologies = getattr(getattr(import_slicer(), "modules", None), "terminologies", None)
    return terminologies.logic() if terminologies is not None else None


def offer_terminology(tasks: Iterable[Task] = tuple(TASKS.values()), logic: Any = None) -> int:
    """Load lists with those codes of tasks that no loaded list has, one list a task.

    Args:
        tasks: Whose classes and regions are looked up.
        logic: `vtkSlicerTerminologiesModuleLogic`; by default the application's, if there is one.

    Returns:
        The number of codes that were missing.
    """
    logic = terminology_logic() if logic is None else logic
    if logic is None:
        return 0
    count = 0
    for task in tasks:
        missing = [entry for entry in entries_of(task) if not _is_known(logic, entry[0])]
        if missing:
            _load(context_of(missing, context_name(task)), logic)
        count += len(missing)
    return count


def context_name(task: Task) -> str:
    """Return the name under which the selector shows a task's codes."""
    return f"CrossModalSeg - {task.label}"


def entries_of(task: Task) -> list[Entry]:
    """Return each code of a task once, with the colour of the first structure that has it."""
    found: dict[tuple[tuple[str, str], ...], Entry] = {}
    structures: list[StructureClass | Region] = [*task.classes, *task.regions]
    for structure in structures:
        if structure.terminology is not None:
            key = tuple(_code(concept) for concept in _concepts(structure.terminology))
            found.setdefault(key, (structure.terminology, structure.colour))
    return list(found.values())


def context_of(entries: Iterable[Entry], name: str) -> dict[str, Any]:
    """Return codes in the format of Slicer's terminology files."""
    categories: dict[tuple[str, str], dict[str, Any]] = {}
    for terminology, colour in entries:
        category = _listed(categories, terminology.category)
        types = category.setdefault("_types", {})
        kind = _listed(types, terminology.type)
        category["showAnatomy"] = terminology.region is not None
        if terminology.modifier is None:
            kind["recommendedDisplayRGBValue"] = list(colour)
        else:
            modifier = _listed(kind.setdefault("_modifiers", {}), terminology.modifier)
            modifier["recommendedDisplayRGBValue"] = list(colour)
    return {
        "SegmentationCategoryTypeContextName": name,
        "@schema": _SCHEMA,
        "SegmentationCodes": {"Category": [_category(entry) for entry in categories.values()]},
    }


def _category(entry: dict[str, Any]) -> dict[str, Any]:
    types = []
    for kind in entry.pop("_types").values():
        modifiers = kind.pop("_modifiers", {})
        types.append({**kind, "Modifier": list(modifiers.values())} if modifiers else kind)
    return {**entry, "Type": types}


def _listed(entries: dict[tuple[str, str], dict[str, Any]], concept: CodedConcept) -> Any:
    description = {
        "CodingSchemeDesignator": concept.scheme,
        "CodeValue": concept.value,
        "CodeMeaning": concept.meaning,
    }
    return entries.setdefault(_code(concept), description)


def _load(context: dict[str, Any], logic: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="crossmodalseg-terms-") as folder:
        path = Path(folder) / "structures.term.json"
        write_json(path, context)
        logic.LoadTerminologyFromFile(str(path))


def _is_known(logic: Any, terminology: Terminology) -> bool:
    codes = [part for concept in _concepts(terminology) for part in _code(concept)]
    return bool(logic.FindTerminologyNames(*codes, []))


def _concepts(terminology: Terminology) -> list[CodedConcept | None]:
    return [terminology.category, terminology.type, terminology.modifier]


def _code(concept: CodedConcept | None) -> tuple[str, str]:
    return (concept.scheme, concept.value) if concept is not None else ("", "")
