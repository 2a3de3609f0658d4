"""Which segment of anybody's segmentation is which structure of a task."""

from __future__ import annotations

import re
from typing import Any

from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.core.tasks import Region, Task
from CrossModalSegLib.data.slicer_segments import terminology_text

_TYPE, _MODIFIER = 2, 3
"""Fields of Slicer's terminology text: what a segment is, and on which side it lies."""


def find_segment(node: Any, structure: Region, task: Task) -> str:
    """Return the identifier of the segment that is a structure, "" if there is none.

    Looked for are, in this order: the structure's name as identifier, its label or name as the
    segment's name, the same names however they are written ("left_atrium", "Left Atrium"), and the
    same code of the terminology, where one segment and one structure of the task alone have it.
    """
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(structure.name) is not None:
        return structure.name
    identifiers = [str(each) for each in segmentation.GetSegmentIDs()]
    for spelling in (str, _plain):
        wanted = {spelling(structure.label), spelling(structure.name)}
        for identifier in identifiers:
            if spelling(segmentation.GetSegment(identifier).GetName() or "") in wanted:
                return identifier
    return _by_code(segmentation, identifiers, structure, task)


def matched_structures(node: Any, task: Task) -> dict[str, str]:
    """Return the identifier of the segment for each structure of a task that is there."""
    found = {entry.name: find_segment(node, entry, task) for entry in structures_of(task)}
    return {name: identifier for name, identifier in found.items() if identifier}


def _by_code(segmentation: Any, identifiers: list[str], structure: Region, task: Task) -> str:
    code = _code_of(structure)
    if not code or [_code_of(entry) for entry in structures_of(task)].count(code) > 1:
        return ""
    found = [
        identifier
        for identifier in identifiers
        if _code(segmentation.GetSegment(identifier).GetTerminology()) == code
    ]
    return found[0] if len(found) == 1 else ""


def _code_of(structure: Region) -> tuple[tuple[str, ...], ...]:
    return _code(terminology_text(structure.terminology)) if structure.terminology else ()


def _code(text: str) -> tuple[tuple[str, ...], ...]:
    """Return scheme and value of type and modifier of a terminology text; () if it says nothing."""
    fields = (text or "").split("~")
    if len(fields) <= _MODIFIER:
        return ()
    codes = tuple(tuple(fields[index].split("^")[:2]) for index in (_TYPE, _MODIFIER))
    return codes if codes[0] and codes[0][-1] else ()


def _plain(text: str) -> str:
    """Return a name in lower case, without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]+", "", text.lower())
