"""MMWHS 2017, the raw release: cardiac CT and MR of different patients.

`{ct,mr}_{train,test}/{ct,mr}_{train,test}_NNNN_{image,label}.nii.gz`, the files of one modality
or of both, up to two folders below the root. Values: 205 MYO, 420 LA, 500 LV, 550 RA, 600 RV,
820 AA, 850 PA; a stray 421 is read as 420.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    PublishedTest,
    Wanted,
    is_image_file,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.label_schemes import LabelScheme

EXPECTED = "MMWHS: ct_train/ct_train_1001_image.nii.gz and _label.nii.gz, mr_train likewise"

SCHEME = LabelScheme(
    values={"cardiac": {205: 1, 420: 2, 500: 3, 550: 0, 600: 0, 820: 4, 850: 0}},
    strays={421: 420},
)

TEST_NUMBERS = {"ct": ("1003", "1008", "1014", "1019"), "mr": ("1007", "1009", "1018", "1019")}
"""Test cases of SIFA and its successors."""

_NAME = re.compile(r"(?P<case>(?P<kind>ct|mr)_(?:train|test)_\d{4})_(?P<part>image|label)")

_NOTES = {"mr_train_1002": ("its label map has artefacts at the borders",)}


def find_mmwhs(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the CT or MR cases of MMWHS."""
    if not root.is_dir():
        return None
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    kind = "ct" if wanted.modality == "ct" else "mr"
    others = 0
    problems = []
    volumes = list(filter(is_image_file, walk_files(root, 2)))
    matches = [(path, _NAME.fullmatch(case_name(path))) for path in volumes]
    if not any(match for _, match in matches):
        return None
    for path, match in matches:
        if match is None:
            problems.append(_stranger(path))
        elif match["kind"] != kind:
            others += 1
        else:
            found[match["case"]][match["part"]] = path
    cases = []
    for name, files in found.items():
        if "image" not in files:
            problems.append(
                CaseProblem(case=name, problem="has a label map and no image", hint="Download it.")
            )
            continue
        cases.append(
            CaseFiles(
                id=name,
                subject=name,
                image=files["image"],
                label=files.get("label"),
                scheme=SCHEME,
                notes=_NOTES.get(name, ()),
            )
        )
    return Discovery(
        dataset="mmwhs",
        layout=f"MMWHS {kind.upper()}: {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=(f"{others} files of the other modality",) if others else (),
        published_test=PublishedTest(
            subjects=tuple(f"{kind}_train_{number}" for number in TEST_NUMBERS[kind]),
            source="SIFA and its successors",
        ),
        recipe="sifa",
    )


def _stranger(path: Path) -> CaseProblem:
    return CaseProblem(
        case=path.name,
        problem="is named like no file of MMWHS",
        hint="Give it back its name, or move it away.",
    )
