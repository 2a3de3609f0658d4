"""BTCV (Beyond the Cranial Vault), the abdominal CT release.

`RawData/Training/{img/imgNNNN.nii.gz, label/labelNNNN.nii.gz}`; the root is any folder above
`img`. Values: 1 spleen, 2 right kidney, 3 left kidney, 6 liver; 4, 5, 7 to 13 are other organs.
"""

from __future__ import annotations

import re
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

EXPECTED = "BTCV: RawData/Training/img/img0001.nii.gz and label/label0001.nii.gz"

SCHEME = LabelScheme(
    values={"abdomen": {**dict.fromkeys(range(1, 14), 0), 6: 1, 2: 2, 3: 3, 1: 4}},
)

TEST_NUMBERS = (1, 9, 30, 32, 33, 39)
"""Test cases of the papers that use CHAOS and BTCV."""

_NAME = re.compile(r"(?P<part>img|label)(?P<case>\d{4})")


def find_btcv(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the CT cases of BTCV's training release."""
    del wanted  # there is CT alone
    if not root.is_dir():
        return None
    found: dict[str, dict[str, Path]] = {"img": {}, "label": {}}
    strangers = []
    is_testing = 0
    for path in filter(is_image_file, walk_files(root, 3)):
        match = _NAME.fullmatch(case_name(path))
        if match is None or path.parent.name != match["part"]:
            strangers.append(path)
        elif path.parent.parent.name == "Testing":
            is_testing += 1
        else:
            found[match["part"]][match["case"]] = path
    if not found["img"] and not found["label"]:
        return None
    problems = [
        CaseProblem(
            case=f"btcv_{name}",
            problem="has a label map and no image",
            hint="Download its img file.",
        )
        for name in sorted(set(found["label"]) - set(found["img"]))
    ]
    problems += [
        CaseProblem(
            case=str(path.relative_to(root)),
            problem="is named like no file of BTCV",
            hint="Give it back its name, or move it away.",
        )
        for path in strangers
    ]
    cases = [
        CaseFiles(
            id=f"btcv_{name}",
            subject=f"btcv_{name}",
            image=path,
            label=found["label"].get(name),
            scheme=SCHEME,
        )
        for name, path in found["img"].items()
    ]
    return Discovery(
        dataset="btcv",
        layout=f"BTCV: {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=(f"{is_testing} files of Testing, which have no labels",) if is_testing else (),
        published_test=PublishedTest(
            subjects=tuple(f"btcv_{number:04d}" for number in TEST_NUMBERS),
            source="the papers that use CHAOS and BTCV",
        ),
        recipe="abdomen",
    )
