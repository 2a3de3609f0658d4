"""Folders of DICOM files, as scanners and archives export them.

`ROOT/<case>/**`, each folder with a series or several, or all files in the root itself, which is
one case then. Files are known by their content, not by their names. The modality and `series` (part
of the description) choose among several series. Labels are `ROOT/<case>/label.*`, or else the
segmentations (SEG) and structure sets (RTSTRUCT) anywhere below `ROOT/<case>` that were drawn on
the series, or lie in its coordinate system.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from CrossModalSegLib.core.errors import InputFileError
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
from CrossModalSegLib.data.dicom_files import is_dicom, object_name
from CrossModalSegLib.data.dicom_objects import (
    LabelObject,
    label_kind,
    objects_of_series,
    read_label_object,
)
from CrossModalSegLib.data.dicom_reading import DicomSeries, find_series

EXPECTED = "a folder with DICOM files, or with one folder of DICOM files for each patient"

_DEPTH = 8
_NOT_IMAGES = ("DICOMDIR",)
_AGAIN = "Export it again, or move it away."


@dataclass
class _Found:
    """What was found so far; `people` are cases by their Patient ID."""

    cases: list[CaseFiles] = field(default_factory=list)
    problems: list[CaseProblem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    people: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def find_dicom(root: Path, wanted: Wanted) -> Discovery | None:
    """Find one series a patient."""
    if not root.is_dir():
        return None
    found = _Found()
    places = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    files_of = {place: _dicom_files(place, _DEPTH, found) for place in places}
    at_root = _dicom_files(root, 0, found)
    if not any(files_of.values()) and not at_root:
        return None
    for place, files in files_of.items():
        if files:
            _add_case(place.name, place, files, wanted, found)
        elif place.name not in {problem.case for problem in found.problems}:
            text = "holds no DICOM files, as other folders do"
            hint = "Download it again, or move it away."
            found.problems.append(CaseProblem(case=place.name, problem=text, hint=hint))
    if at_root:
        _add_case(root.absolute().name, root, at_root, wanted, found)
    return Discovery(
        dataset="dicom",
        layout=f"DICOM series: {len(found.cases)} cases",
        cases=sorted_cases(_noted(case, found.people) for case in found.cases),
        problems=tuple(found.problems),
        ignored=tuple(found.ignored),
    )


def _dicom_files(place: Path, depth: int, found: _Found) -> list[Path]:
    """Return the DICOM files below a folder; none if one may not be read, which is noted."""
    try:
        return [
            path
            for path in walk_files(place, depth)
            if path.name.upper() not in _NOT_IMAGES and is_dicom(path)
        ]
    except InputFileError as error:
        problem = CaseProblem(case=place.name, problem=error.message, hint=error.hint)
        found.problems.append(problem)
        return []


def _add_case(name: str, place: Path, files: list[Path], wanted: Wanted, found: _Found) -> None:
    objects, images = _sorted_out(name, files, found)
    series, broken = find_series(images)
    found.problems += [CaseProblem(case=name, problem=text, hint=_AGAIN) for text in broken]
    chosen = [one for one in series if is_wanted(one, wanted)]
    found.ignored += [f"{name}: {one.title}" for one in series if one not in chosen]
    if len(chosen) != 1:
        found.problems.append(_unclear(name, chosen or series, has_match=bool(chosen)))
        return
    if chosen[0].problem:
        text = f"{chosen[0].title}: {chosen[0].problem}"
        hint = "Export the series again, and whole."
        found.problems.append(CaseProblem(case=name, problem=text, hint=hint))
        return
    labels = [p for p in walk_files(place, 0) if is_label_file(p) and case_name(p) == "label"]
    if len(labels) > 1:
        text = f"has several label maps ({', '.join(path.name for path in labels)})"
        found.problems.append(CaseProblem(case=name, problem=text, hint="Keep one of them."))
        return
    own = [] if labels else objects_of_series(objects, chosen[0].uid, chosen[0].frame_of_reference)
    found.ignored += [
        f"{name}: {entry.path.name}, a {entry.kind} "
        + ("beside label.*" if labels else "of another series")
        for entry in objects
        if entry not in own
    ]
    found.cases.append(_case(name, labels or [entry.path for entry in own], chosen[0]))
    if chosen[0].patient:
        found.people[chosen[0].patient].append(name)


def _sorted_out(
    name: str, files: list[Path], found: _Found
) -> tuple[list[LabelObject], list[Path]]:
    """Return the label objects and the images among files."""
    objects, images = [], []
    for path in files:
        if label_kind(path):
            try:
                objects.append(read_label_object(path))
            except InputFileError as error:
                problem = CaseProblem(case=name, problem=error.message, hint=_AGAIN)
                found.problems.append(problem)
        elif other := object_name(path):
            found.ignored.append(f"{name}: {path.name} ({other})")
        else:
            images.append(path)
    return objects, images


def is_wanted(series: DicomSeries, wanted: Wanted) -> bool:
    """Tell whether a series is of the kind of scan, and described as, what was asked for."""
    if series.modality and (series.modality == "CT") != (wanted.modality == "ct"):
        return False
    text = f"{series.description} {series.image_type} echo {series.echo}".casefold()
    return wanted.series.casefold() in text


def _unclear(name: str, series: list[DicomSeries], *, has_match: bool) -> CaseProblem:
    titles = "; ".join(one.title for one in series) or "no images"
    return CaseProblem(
        case=name,
        problem=f"has {'several series' if has_match else 'no series'} of this kind ({titles})",
        hint="Choose by a part of the description, e.g. --series 'T2 tse' or --series 'echo 2.3'.",
    )


def _case(name: str, labels: list[Path], series: DicomSeries) -> CaseFiles:
    is_file = bool(labels) and is_label_file(labels[0])
    return CaseFiles(
        id=name,
        subject=name,
        image=series.files[0].parent,
        label=labels[0] if labels else None,
        reader=DicomReader(series.files),
        notes=(series.note,) if series.note else (),
        objects=() if is_file else tuple(labels),
    )


def _noted(case: CaseFiles, people: dict[str, list[str]]) -> CaseFiles:
    """Note with a case which others seem to be of the same person."""
    for patient, names in people.items():
        others = [name for name in names if name != case.id]
        if case.id in names and others:
            text = (
                f"its Patient ID {patient!r} is that of {', '.join(others[:5])}, too; cases of one "
                "person must share a split (list them in a CSV with their subject)"
            )
            return replace(case, notes=(*case.notes, text))
    return case
