"""What kind of scan a volume probably is. Only ever a suggestion: the user says what it is."""

from __future__ import annotations

import re
from typing import Any

from CrossModalSegLib.bridge.scene import import_slicer

MODALITY_ATTRIBUTE = "CrossModalSeg.Modality"
"""Attribute of volume nodes of which the modality is known, as of the sample."""

SERIES_DESCRIPTION_TAG = "0008,103e"

_START, _END = r"(?<![a-z])", r"(?![a-z0-9])"

PATTERNS = {
    "mr_bssfp": rf"{_START}(b-?ssfp|ssfp|tru-?fi(sp)?|true-?fisp|fiesta|b-?ffe|balanced){_END}",
    "mr_t2spir": rf"{_START}(t2-?spir|spir){_END}",
    "mr_t1dual": rf"{_START}(t1-?dual|in-?phase|out-?phase|opp(osed)?-?phase){_END}",
    "flair": rf"{_START}(flair|t2f){_END}",
    "t1ce": (
        rf"{_START}(t1-?(ce|c|gd|gad|km|post|contrast)"
        rf"|t1w?\b.*{_START}(ce|gd|gad\w*|km|post|contrast|enhanced)){_END}"
    ),
    "t2": rf"{_START}t2w?{_END}(?!-?(star|\*))",
    "t1": rf"{_START}(t1[wn]?|mp2?rage|bravo|fspgr){_END}",
    "ct": rf"{_START}(ct|cta|cect|ncct){_END}",
}
"""What names and descriptions say, in lower case and with "-" between words. The first that fits
counts, except that "ct" and anything of MR together say nothing."""

_RUN_TOGETHER_CT = re.compile(r"(?<![A-Za-z])CTA?(?=[A-Z][a-z])")
"""As in "CTChest"."""


def suggest_modality(volume_node: Any) -> str:
    """Return the name of the modality that a volume probably has, "" when unsure.

    Looked at are the modality that we gave to the volume, its DICOM modality and description, and
    its name.
    """
    known = volume_node.GetAttribute(MODALITY_ATTRIBUTE)
    if known:
        return str(known)
    of_dicom = _dicom_modality(volume_node)
    if of_dicom == "CT":
        return "ct"
    texts = (volume_node.GetName() or "", _series_description(volume_node))
    found = {modality for text in texts if (modality := modality_in(text))}
    if of_dicom:
        found = {modality for modality in found if modality != "ct"} if of_dicom == "MR" else set()
    return found.pop() if len(found) == 1 else ""


def modality_in(text: str) -> str:
    """Return the name of the modality that a text speaks of, "" if it is none or several."""
    words = re.sub(r"[\s_.,;:/()\[\]+-]+", "-", _RUN_TOGETHER_CT.sub("ct-", text).lower())
    found = [name for name, pattern in PATTERNS.items() if re.search(pattern, words)]
    if "ct" in found and len(found) > 1:
        return ""
    return found[0] if found else ""


def _dicom_modality(volume_node: Any) -> str:
    """Return the DICOM modality that the subject hierarchy has, as "MR"."""
    scene = volume_node.GetScene()
    if scene is None:
        return ""
    hierarchy = import_slicer().vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(volume_node) if hierarchy is not None else 0
    return str(hierarchy.GetItemAttribute(item, "DICOM.Modality")) if item else ""


def _series_description(volume_node: Any) -> str:
    """Return the description of the series in Slicer's DICOM database, where there is one."""
    database = getattr(import_slicer(), "dicomDatabase", None)
    instances = (volume_node.GetAttribute("DICOM.instanceUIDs") or "").split()
    if database is None or not instances:
        return ""
    return str(database.instanceValue(instances[0], SERIES_DESCRIPTION_TAG) or "")
