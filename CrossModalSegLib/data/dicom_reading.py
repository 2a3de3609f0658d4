"""DICOM series: which there are in a folder, and one of them as a volume.

Slices are sorted by their position along the normal of the slices; file names, listing order and
instance numbers do not count. What SimpleITK (GDCM) decodes can be read, compressed transfer
syntaxes included. Segmentation objects and structure sets need other libraries; they are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from, check_affine, lps_to_ras
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.itk_reading import without_itk_warnings

SPACING_TOLERANCE = 0.1
"""Share of the slice spacing by which the distance of two slices may differ from it."""

_TAGS = {
    "uid": "0020|000e",
    "description": "0008|103e",
    "modality": "0008|0060",
    "patient": "0010|0020",
    "echo": "0018|0081",
    "image_type": "0008|0008",
    "instance": "0020|0013",
    "sop": "0008|0018",
}

_OBJECT_CLASSES = {
    b"1.2.840.10008.5.1.4.1.1.66.4": "segmentation object (SEG)",
    b"1.2.840.10008.5.1.4.1.1.481.3": "structure set (RTSTRUCT)",
}
"""SOP classes that hold labels, which SimpleITK does not read."""

_HEAD_BYTES = 2048
_MAGIC_AT, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class _Slice:
    """The header of one file."""

    path: Path
    tags: dict[str, str]
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: NDArray[np.float64]
    directions: NDArray[np.float64]

    @property
    def place_mm(self) -> float:
        """Position along the normal of the slice."""
        return float(self.origin_mm @ self.directions[:, 2])

    @property
    def key(self) -> tuple[object, ...]:
        """What all slices of one volume have in common."""
        turned = tuple(np.round(self.directions.ravel(), 3).tolist())
        return self.tags["uid"], self.tags["echo"], self.size, turned, self.size[2] > 1


@dataclass(frozen=True, kw_only=True)
class DicomSeries:
    """One volume of a folder.

    Attributes:
        description: What the scanner called it.
        modality: "CT", "MR", ...
        patient: The patient id; often empty after anonymisation.
        image_type: The parts of Image Type, as ORIGINAL, PRIMARY, IN_PHASE.
        files: Sorted by position; one file if it is multi-frame.
        problem: Why it is no regular volume; "" if it is one.
        note: What users should know of it; "" if there is nothing.
    """

    description: str
    modality: str
    patient: str
    image_type: str
    files: tuple[Path, ...]
    problem: str = ""
    note: str = ""

    @property
    def title(self) -> str:
        """The series in words, for messages."""
        name = repr(self.description) if self.description else "without description"
        return f"{self.modality or '?'} {name}, {len(self.files)} files"


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM, by its content."""
    try:
        with path.open("rb") as stream:
            return stream.read(_MAGIC_AT + 4)[_MAGIC_AT:] == _MAGIC
    except OSError:
        return False


def label_object(path: Path) -> str:
    """Return which kind of label object a DICOM file is; "" for images."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return next((name for uid, name in _OBJECT_CLASSES.items() if uid + b"\0" in head), "")


def find_series(paths: Iterable[Path]) -> tuple[list[DicomSeries], list[str]]:
    """Group DICOM files into volumes.

    A series that holds several echoes, orientations or matrices is several volumes.

    Returns:
        The volumes, and what is wrong with files that belong to none.
    """
    groups: dict[tuple[object, ...], list[_Slice]] = defaultdict(list)
    problems = []
    for path in paths:
        try:
            entry = _read_header(path)
        except RuntimeError:
            problems.append(f"{path.name} cannot be read as a DICOM image")
            continue
        key = (*entry.key, path) if entry.size[2] > 1 else entry.key
        groups[key].append(entry)
    series = [_series(entries) for entries in groups.values()]
    return sorted(series, key=lambda s: (s.description, str(s.files[0]))), problems


def read_series(files: Sequence[Path]) -> Volume:
    """Read the slices of one volume, sorted as `find_series` gives them, as float32.

    Raises:
        InputFileError: A file is damaged, or the pixels are colours.
        GeometryError: The slices are not at right angles to their stack (gantry tilt).
    """
    names = [str(path) for path in files]
    with without_itk_warnings():
        try:
            image: Any = SimpleITK.ReadImage(names if len(names) > 1 else names[0])
        except RuntimeError as error:
            raise InputFileError(
                f"{files[0].parent}: its DICOM series cannot be read.",
                hint="A file is damaged, or compressed in a way that is not known here; export "
                "the series again.",
            ) from error
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() != 3:
        raise InputFileError(
            f"{files[0].parent}: its DICOM series has colours, expected grey values.",
            hint="Choose the original series, not a screenshot.",
        )
    spacing, directions, origin = image.GetSpacing(), _directions(image), image.GetOrigin()
    affine_lps = affine_from(spacing, directions, origin)
    if len(names) > 1:
        last = _read_header(files[-1])
        affine_lps[:3, 2] = (last.origin_mm - np.asarray(origin)) / (len(names) - 1)
    affine_ras = lps_to_ras(affine_lps)
    check_affine(affine_ras, files[0].parent)
    array_kji = SimpleITK.GetArrayViewFromImage(image).astype(np.float32)
    return Volume(array_kji, affine_ras)


def _read_header(path: Path) -> _Slice:
    itk: Any = SimpleITK
    reader = itk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    with without_itk_warnings():
        reader.ReadImageInformation()
    tags = {
        name: reader.GetMetaData(tag).strip(" \0") if reader.HasMetaDataKey(tag) else ""
        for name, tag in _TAGS.items()
    }
    return _Slice(
        path=path,
        tags=tags,
        size=(*reader.GetSize(), 1)[:3],
        spacing_mm=tuple(reader.GetSpacing()),
        origin_mm=np.array(reader.GetOrigin(), dtype=np.float64),
        directions=_directions(reader),
    )


def _directions(image: Any) -> NDArray[np.float64]:
    return np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)


def _series(entries: list[_Slice]) -> DicomSeries:
    unique = list({e.tags["sop"] or str(e.path): e for e in reversed(entries)}.values())
    ordered = sorted(unique, key=lambda entry: (entry.place_mm, str(entry.path)))
    tags = ordered[0].tags
    notes = []
    if len(unique) < len(entries):
        notes.append(f"{len(entries) - len(unique)} files are copies of others")
    numbers = [int(e.tags["instance"]) for e in ordered if _is_number(e.tags["instance"])]
    if numbers not in (sorted(numbers), sorted(numbers, reverse=True)):
        notes.append("instance numbers do not follow the positions; positions count")
    return DicomSeries(
        description=tags["description"],
        modality=tags["modality"],
        patient=tags["patient"],
        image_type=tags["image_type"],
        files=tuple(entry.path for entry in ordered),
        problem=_spacing_problem(ordered),
        note="; ".join(notes),
    )


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _spacing_problem(ordered: Sequence[_Slice]) -> str:
    """Say which slices are missing, or lie at one place."""
    if ordered[0].size[2] > 1:
        return ""
    if len(ordered) < 2:
        return "it is a single slice, whose thickness is not known"
    places = np.array([entry.place_mm for entry in ordered])
    steps = np.diff(places)
    usual = float(np.median(steps))
    if steps.min() < SPACING_TOLERANCE * max(usual, 1e-3):
        same = int(np.sum(steps < SPACING_TOLERANCE * max(usual, 1e-3)))
        return f"{same + 1} of its slices lie at one place (several time points or contrasts)"
    wrong = np.flatnonzero(np.abs(steps - usual) > SPACING_TOLERANCE * usual)
    if wrong.size:
        at = int(wrong[0])
        return (
            f"slices are missing: they are {usual:.2f} mm apart, but {steps[at]:.2f} mm between "
            f"{ordered[at].path.name} and {ordered[at + 1].path.name}"
        )
    return ""


def require_regular(series: DicomSeries) -> None:
    """Refuse a series with gaps or several images at one place.

    Raises:
        GeometryError: See above.
    """
    if series.problem:
        raise GeometryError(
            f"{series.files[0].parent}: {series.title}: {series.problem}.",
            hint="Export the series again, and whole.",
        )
