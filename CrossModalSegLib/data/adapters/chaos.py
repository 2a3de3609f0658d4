"""CHAOS, the abdominal MR of healthy livers: DICOM series, labels as one PNG a slice.

`Train_Sets/MR/<id>/T2SPIR/{DICOM_anon/IMG-*.dcm, Ground/IMG-*.png}` and
`<id>/T1DUAL/{DICOM_anon/{InPhase,OutPhase}/IMG-*.dcm, Ground/IMG-*.png}`; the root is any folder
above the patients'. Grey values of the PNG: 63 liver, 126 right kidney, 189 left kidney,
252 spleen. Pictures belong to slices by name, or else by the rank of their numbers; slices are
then sorted by position.
"""

from __future__ import annotations

import re
from pathlib import Path

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    PublishedTest,
    Wanted,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.adapters.readers import DicomReader
from CrossModalSegLib.data.dicom_reading import find_series
from CrossModalSegLib.data.label_schemes import LabelScheme

EXPECTED = "CHAOS: Train_Sets/MR/1/T2SPIR/DICOM_anon/*.dcm and Ground/*.png, T1DUAL likewise"

SCHEME = LabelScheme(values={"abdomen": {63: 1, 126: 2, 189: 3, 252: 4}})

TEST_NUMBERS = (1, 13, 32, 38)
"""Test cases of the papers that use CHAOS and BTCV."""

_CONTRASTS = {"mr_t2spir": "T2SPIR", "mr_t1dual": "T1DUAL"}
_PHASES = ("InPhase", "OutPhase")
_HINT = "Download the case again, or leave it out."


def find_chaos(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the MR cases of CHAOS; of T1-DUAL the in-phase image unless "out" is asked for."""
    patients = _patients(root) if root.is_dir() else []
    if not patients:
        return None
    contrast = _CONTRASTS.get(wanted.modality, "")
    phase = _PHASES["out" in wanted.series.lower()]
    cases, problems = [], []
    for folder in patients:
        try:
            cases.append(_case(folder, contrast or wanted.modality, phase))
        except InputFileError as error:
            problems.append(
                CaseProblem(case=f"chaos_{folder.name}", problem=error.message, hint=error.hint)
            )
    others = sorted({c.name for p in patients for c in p.iterdir() if c.is_dir()} - {contrast})
    ignored = [f"series {name}" for name in others]
    ignored += ["CHAOS's CT, which has labels of the liver alone"] if _has_ct(root) else []
    return Discovery(
        dataset="chaos",
        layout=f"CHAOS MR {contrast} {phase if contrast == 'T1DUAL' else ''}".rstrip()
        + f": {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=tuple(ignored),
        is_co_registered=True,
        published_test=PublishedTest(
            subjects=tuple(f"chaos_{number}" for number in TEST_NUMBERS),
            source="the papers that use CHAOS and BTCV",
        ),
        recipe="abdomen",
    )


def _patients(root: Path) -> list[Path]:
    """Return the folders that hold a contrast, wherever the root lies above them."""
    places: list[Path] = []
    for pattern in ("*", "MR/*", "*/MR/*", "*/*/MR/*"):
        places = [p for p in root.glob(pattern) if any((p / c).is_dir() for c in _ALL)]
        if places:
            break
    if any((root / c).is_dir() for c in _ALL):
        places = [root]
    return sorted((p for p in places if not p.name.startswith(".")), key=lambda p: p.name)


_ALL = tuple(_CONTRASTS.values())


def _has_ct(root: Path) -> bool:
    return any(any(root.glob(f"{start}CT/*/DICOM_anon")) for start in ("", "*/", "*/*/"))


def _case(patient: Path, contrast: str, phase: str) -> CaseFiles:
    """Return the case of one contrast.

    Raises:
        InputFileError: Files are missing, or do not fit together.
    """
    place = patient / contrast
    if not place.is_dir():
        raise InputFileError(f"has no {contrast}", hint=_HINT)
    series_folder = place / "DICOM_anon" / (phase if contrast == "T1DUAL" else "")
    files = [p for p in walk_files(series_folder, 0) if p.suffix.lower() == ".dcm"]
    series, broken = find_series(files)
    if broken or len(series) != 1:
        what = broken[0] if broken else f"{series_folder} holds {len(series)} series, expected one"
        raise InputFileError(what, hint=_HINT)
    if series[0].problem:
        raise InputFileError(series[0].problem, hint=_HINT)
    pictures = [p for p in walk_files(place / "Ground", 0) if p.suffix.lower() == ".png"]
    matched = _matched(series[0].files, pictures)
    return CaseFiles(
        id=f"chaos_{patient.name}",
        subject=f"chaos_{patient.name}",
        image=series_folder,
        label=place / "Ground" if matched else None,
        reader=DicomReader(series[0].files, matched),
        scheme=SCHEME,
        notes=(series[0].note,) if series[0].note else (),
    )


def _matched(slices: tuple[Path, ...], pictures: list[Path]) -> tuple[Path, ...]:
    """Return the picture of each slice, in the slices' order.

    Raises:
        InputFileError: There are more or fewer pictures than slices.
    """
    if not pictures:
        return ()
    by_name = {picture.stem: picture for picture in pictures}
    if {path.stem for path in slices} == set(by_name):
        return tuple(by_name[path.stem] for path in slices)
    if len(pictures) != len(slices):
        raise InputFileError(
            f"has {len(slices)} slices and {len(pictures)} pictures of labels", hint=_HINT
        )
    ranked = dict(zip(sorted(slices, key=_numbers), sorted(pictures, key=_numbers), strict=True))
    return tuple(ranked[path] for path in slices)


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path.stem)]
