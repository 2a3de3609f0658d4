"""DICOM series: which there are in a folder, and one of them as a volume.

Slices are sorted by their position along the normal of the slices; file names, listing order and
instance numbers do not count. What SimpleITK (GDCM) decodes can be read, compressed transfer
syntaxes included. Segmentation objects and structure sets are for `data.label_objects`.
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
from CrossModalSegLib.core.geometry import Affine, affine_from, check_affine, lps_to_ras
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_files import transfer_syntax, uid_name
from CrossModalSegLib.data.dicom_frames import frame_layout, slice_steps_problem
from CrossModalSegLib.data.itk_reading import without_itk_warnings

_TAGS = {
    "uid": "0020|000e",
    "frame": "0020|0052",
    "lossy": "0028|2110",
    "description": "0008|103e",
    "modality": "0008|0060",
    "patient": "0010|0020",
    "echo": "0018|0081",
    "image_type": "0008|0008",
    "instance": "0020|0013",
    "sop": "0008|0018",
}

_KNOWN_SYNTAXES = (
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{end}" for end in (50, 51, 57, 70, 80, 81, 90, 91)),
)
"""Transfer syntaxes that SimpleITK decodes: none, deflated, big-endian, RLE, JPEG, -LS and 2000."""


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
        uid: Its Series Instance UID.
        frame_of_reference: UID of the coordinate system that it shares with other series.
        echo: Echo time in ms, as it is written.
    """

    description: str
    modality: str
    patient: str
    image_type: str
    files: tuple[Path, ...]
    problem: str = ""
    note: str = ""
    uid: str = ""
    frame_of_reference: str = ""
    echo: str = ""

    @property
    def title(self) -> str:
        """The series in words, for messages."""
        name = repr(self.description) if self.description else "without description"
        echo = f", echo {self.echo} ms" if self.echo else ""
        return f"{self.modality or '?'} {name}{echo}, {len(self.files)} files"


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
            problems.append(f"{path.name} cannot be read as a DICOM image{_foreign_syntax([path])}")
            continue
        key = (*entry.key, path) if entry.size[2] > 1 else entry.key
        groups[key].append(entry)
    series = [_series(entries) for entries in groups.values()]
    return sorted(series, key=lambda s: (s.description, str(s.files[0]))), problems


def read_series(files: Sequence[Path]) -> Volume:
    """Read the slices of one volume, sorted as `find_series` gives them, as float32.

    Raises:
        InputFileError: A file is damaged, or the pixels are colours.
        GeometryError: The slices are not at right angles to their stack (gantry tilt), or the
            frames of a file are no regular volume.
    """
    names = [str(path) for path in files]
    with without_itk_warnings():
        try:
            image: Any = SimpleITK.ReadImage(names if len(names) > 1 else names[0])
        except RuntimeError as error:
            raise InputFileError(
                f"{files[0].parent}: its DICOM series cannot be read{_foreign_syntax(files)}.",
                hint="Export the series again, without compression (Explicit VR Little Endian).",
            ) from error
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() != 3:
        raise InputFileError(
            f"{files[0].parent}: its DICOM series has colours, expected grey values.",
            hint="Choose the original series, not a screenshot.",
        )
    array_kji = SimpleITK.GetArrayViewFromImage(image).astype(np.float32)
    layout = frame_layout(files[0]) if len(files) == 1 else None
    if layout is not None and layout.problem:
        raise GeometryError(
            f"{files[0]}: {layout.problem}.",
            hint="Export it as a series of single slices, one volume a series.",
        )
    if layout is not None and layout.affine_lps is not None:
        array_kji, affine_lps = array_kji[list(layout.order)], layout.affine_lps
    else:
        affine_lps = _stack_affine(image, files)
    affine_ras = lps_to_ras(affine_lps)
    check_affine(affine_ras, files[0].parent)
    return Volume(array_kji, affine_ras)


def _stack_affine(image: Any, files: Sequence[Path]) -> Affine:
    """Return the affine to LPS; between the first and the last slice steps are even."""
    origin = image.GetOrigin()
    affine_lps = affine_from(image.GetSpacing(), _directions(image), origin)
    if len(files) > 1:
        last = _read_header(files[-1])
        affine_lps[:3, 2] = (last.origin_mm - np.asarray(origin)) / (len(files) - 1)
    return affine_lps


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
    if any(e.tags["lossy"] == "01" for e in unique):
        notes.append("its pixels were compressed with loss")
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
        uid=tags["uid"],
        frame_of_reference=tags["frame"],
        echo=tags["echo"],
    )


def _foreign_syntax(files: Sequence[Path]) -> str:
    """Name the encoding of a file that SimpleITK does not know; "" if it knows all."""
    for path in files:
        uid = transfer_syntax(path)
        if uid and uid not in _KNOWN_SYNTAXES:
            return f": {path.name} is encoded as {uid_name(uid)}, which is not known here"
    return ""


def _is_number(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _spacing_problem(ordered: Sequence[_Slice]) -> str:
    """Say which slices are missing, or lie at one place."""
    if ordered[0].size[2] > 1:
        layout = frame_layout(ordered[0].path)
        return "" if layout is None else layout.problem
    if len(ordered) < 2:
        return "it is a single slice, whose thickness is not known"
    places = [entry.place_mm for entry in ordered]
    return slice_steps_problem(places, [entry.path.name for entry in ordered])


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
