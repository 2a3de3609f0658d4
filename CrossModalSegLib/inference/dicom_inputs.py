"""DICOM series as input of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    Discovery,
    Wanted,
    require_no_problems,
    walk_files,
)
from CrossModalSegLib.data.adapters.dicom import find_dicom, is_wanted
from CrossModalSegLib.data.adapters.readers import DicomReader
from CrossModalSegLib.data.dicom_files import is_dicom, object_name
from CrossModalSegLib.data.dicom_objects import label_kind
from CrossModalSegLib.data.dicom_reading import DicomSeries, find_series, require_regular

DEPTH = 8
"""How many folders below the given one are searched."""

_DIRECTORY = "DICOMDIR"
_SUFFIX = ".dcm"

_HINT = "Choose by a part of the description, e.g. --series 'T2 tse', or give the series' folder."


def has_dicom(folder: Path) -> bool:
    """Tell whether there are DICOM files in a folder or below it."""
    return any(is_dicom(path) for path in walk_files(folder, DEPTH))


def find_dicom_cases(folder: Path, wanted: Wanted) -> Discovery:
    """Find one series in each case of a folder of DICOM files.

    Files of one study are one case, however they lie in folders. Otherwise every folder in the
    given one is a case.

    Raises:
        CohortError: A case has no series of the wanted kind, or several; it lists them.
        GeometryError: The only series of the wanted kind is no regular volume.
    """
    images = _images(folder)
    series, _ = find_series(images)
    if len(_studies(series)) <= 1:
        case = _case(_name_of_study(folder, images), folder, series, wanted)
        return Discovery(dataset="dicom", layout="DICOM series: 1 case", cases=(case,))
    found = find_dicom(folder, wanted)
    if found is None:
        raise CohortError(f"{folder} holds no DICOM images.")
    texts = [f"{problem.case} {problem.problem}" for problem in found.problems]
    hints = [problem.hint for problem in found.problems]
    require_no_problems(texts, folder, next(iter(hints), ""))
    return found


def series_case(path: Path, wanted: Wanted) -> CaseFiles:
    """Return the one series of a folder, or of a multi-frame file, as a case.

    Raises:
        CohortError: There is no series of the wanted kind, or several; it lists them.
        GeometryError: The series is no regular volume.
    """
    series, _ = find_series(_images(path) if path.is_dir() else [path])
    name = path.absolute().name
    if path.is_file() and name.lower().endswith(_SUFFIX):
        name = name[: -len(_SUFFIX)]
    return _case(name, path, series, wanted)


def _images(folder: Path) -> list[Path]:
    """Return DICOM files that are neither indices nor labels nor other objects."""
    return [
        path
        for path in walk_files(folder, DEPTH)
        if path.name.upper() != _DIRECTORY
        and is_dicom(path)
        and not label_kind(path)
        and not object_name(path)
    ]


def _case(name: str, place: Path, series: Sequence[DicomSeries], wanted: Wanted) -> CaseFiles:
    chosen = [one for one in series if is_wanted(one, wanted)]
    if len(chosen) != 1:
        listed = "; ".join(one.title for one in chosen or series) or "no images at all"
        count = "several series" if chosen else "no series"
        kind = "CT" if wanted.modality == "ct" else "MR"
        named = f" whose description has {wanted.series!r}" if wanted.series else ""
        raise CohortError(f"{place} has {count} of {kind}{named}: {listed}.", hint=_HINT)
    require_regular(chosen[0])
    files = chosen[0].files
    return CaseFiles(
        id=name,
        subject=name,
        image=files[0] if len(files) == 1 else files[0].parent,
        reader=DicomReader(files),
        notes=(chosen[0].note,) if chosen[0].note else (),
    )


def _studies(series: Sequence[DicomSeries]) -> set[tuple[str, str]]:
    """Return the studies, with the patient: anonymisation may give all studies one number."""
    from pydicom import dcmread

    tags = ["StudyInstanceUID"]
    headers = [(one, dcmread(one.files[0], specific_tags=tags)) for one in series]
    return {(one.patient, str(header.get(tags[0], ""))) for one, header in headers}


def _name_of_study(folder: Path, images: Sequence[Path]) -> str:
    """Return the name of the only folder in the given one that holds images, else its own."""
    tops = {path.relative_to(folder).parts[0] for path in images}
    is_wrapped = len(tops) == 1 and (folder / next(iter(tops))).is_dir()
    return next(iter(tops)) if is_wrapped else folder.absolute().name
