"""Folders of DICOM files, as scanners and archives export them.

`ROOT/<case>/**` with a series or several, or all files below one root without such folders; then
every series is a case. Files are known by their content, not by their names. The modality and
`series` (part of the description) choose among several series. Labels: `ROOT/<case>/label.*`.
"""

from __future__ import annotations

from pathlib import Path

from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    Wanted,
    is_label_file,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.adapters.readers import DicomReader
from CrossModalSegLib.data.dicom_reading import DicomSeries, find_series, is_dicom, label_object

EXPECTED = "a folder with DICOM files, or with one folder of DICOM files for each patient"

_DEPTH = 8
_NOT_IMAGES = ("DICOMDIR",)


def find_dicom(root: Path, wanted: Wanted) -> Discovery | None:
    """Find one series a patient."""
    if not root.is_dir():
        return None
    places = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    found = {place.name: _dicom_files(place) for place in places}
    at_root = [path for path in walk_files(root, 0) if _is_image(path)]
    found = {name: files for name, files in found.items() if files}
    if not found and not at_root:
        return None
    cases: list[CaseFiles] = []
    problems: list[CaseProblem] = []
    ignored: list[str] = []
    for name, files in found.items():
        _add_case(name, root / name, files, wanted, (cases, problems, ignored))
    if at_root:
        _add_case(root.absolute().name, root, at_root, wanted, (cases, problems, ignored))
    return Discovery(
        dataset="dicom",
        layout=f"DICOM series: {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=tuple(ignored),
    )


def _dicom_files(place: Path) -> list[Path]:
    return [path for path in walk_files(place, _DEPTH) if _is_image(path)]


def _is_image(path: Path) -> bool:
    return path.name.upper() not in _NOT_IMAGES and is_dicom(path)


_Lists = tuple[list[CaseFiles], list[CaseProblem], list[str]]


def _add_case(name: str, place: Path, files: list[Path], wanted: Wanted, lists: _Lists) -> None:
    cases, problems, ignored = lists
    objects = {path: label_object(path) for path in files}
    ignored += [
        f"{name}: {path.name} is a {kind}, which needs a library that is not installed here; "
        "convert it to a label map with 3D Slicer"
        for path, kind in objects.items()
        if kind
    ]
    series, broken = find_series(path for path, kind in objects.items() if not kind)
    problems += [
        CaseProblem(case=name, problem=text, hint="Export it again, or move it away.")
        for text in broken
    ]
    chosen = [one for one in series if _is_wanted(one, wanted)]
    ignored += [f"{name}: {one.title}" for one in series if one not in chosen]
    if len(chosen) == 1 and not chosen[0].problem:
        cases.append(_case(name, place, chosen[0]))
    elif chosen and len(chosen) == 1:
        problems.append(
            CaseProblem(
                case=name,
                problem=f"{chosen[0].title}: {chosen[0].problem}",
                hint="Export the series again, and whole.",
            )
        )
    else:
        problems.append(_unclear(name, chosen or series, has_match=bool(chosen)))


def _is_wanted(series: DicomSeries, wanted: Wanted) -> bool:
    if series.modality and (series.modality == "CT") != (wanted.modality == "ct"):
        return False
    text = f"{series.description} {series.image_type}".casefold()
    return wanted.series.casefold() in text


def _unclear(name: str, series: list[DicomSeries], *, has_match: bool) -> CaseProblem:
    titles = "; ".join(one.title for one in series) or "no images"
    return CaseProblem(
        case=name,
        problem=f"has {'several series' if has_match else 'no series'} of this kind ({titles})",
        hint="Choose by a part of the description, e.g. --series 'T2 tse'.",
    )


def _case(name: str, place: Path, series: DicomSeries) -> CaseFiles:
    labels = [p for p in walk_files(place, 0) if is_label_file(p) and case_name(p) == "label"]
    return CaseFiles(
        id=name,
        subject=name,
        image=series.files[0].parent,
        label=labels[0] if len(labels) == 1 else None,
        reader=DicomReader(series.files),
        notes=(series.note,) if series.note else (),
    )
