"""Which files are the images of which case: volume files, folders of them, DICOM series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError, ConfigError, InputFileError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles, Wanted, require_no_problems
from CrossModalSegLib.data.adapters.folder import EXPECTED, find_folder
from CrossModalSegLib.data.adapters.readers import DicomReader
from CrossModalSegLib.data.adapters.several import join_modalities
from CrossModalSegLib.data.dicom_files import is_dicom
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.inference.dicom_inputs import find_dicom_cases, has_dicom, series_case


def find_cases(
    inputs: Sequence[Path], modalities: Sequence[Modality], series: str = ""
) -> list[CaseFiles]:
    """Return the cases that inputs are, each with an image of every modality; read no pixels.

    Args:
        inputs: One folder of cases, in a layout of `data.adapters.folder` or of DICOM files. Or,
            for a model of one image, any number of volume files and folders of one series each, or,
            for a model of several images, one such place for each of them, in order.
        modalities: The images that a model takes, in order.
        series: Part of the description of the DICOM series that is meant; "": any.

    Raises:
        InputFileError: An input is missing or holds no images, or there is another number of
            images than the model takes.
        CohortError: A folder is in no clear layout, or two cases have one name.
        ConfigError: Folders of cases were given beside other inputs.
    """
    if not inputs:
        raise InputFileError("No input was given.", hint="Give a volume file or a folder.")
    missing = [path for path in inputs if not path.exists()]
    if missing:
        raise InputFileError(
            f"There is no {missing[0]}.", hint="Check the path; give a volume file or a folder."
        )
    if len(inputs) == 1 and inputs[0].is_dir():
        cases = _in_folder(inputs[0], modalities, series)
    else:
        wanted = [_wanted(modality, series) for modality in modalities]
        several = len(modalities) > 1
        places = [
            _image(path, wanted[min(at, len(wanted) - 1)] if several else wanted[0])
            for at, path in enumerate(inputs)
        ]
        cases = [_joined(places, modalities)] if several else places
    require_no_problems(_doubles(cases), inputs[0].parent, "Segment them into two folders.")
    return cases


def read_images(case: CaseFiles) -> tuple[Volume, ...]:
    """Return the images of a case as they are in their files.

    Raises:
        InputFileError: One cannot be read.
        GeometryError: The grid of one cannot be used.
    """
    return tuple(
        read_image(place.image) if place.reader is None else place.reader.read_image(place)
        for place in case.images
    )


def dicom_series(case: CaseFiles) -> tuple[Path, ...]:
    """Return the DICOM files of a case's first image, by slices; none if it is no DICOM."""
    return case.reader.slices if isinstance(case.reader, DicomReader) else ()


def _in_folder(folder: Path, modalities: Sequence[Modality], series: str) -> list[CaseFiles]:
    """Return the cases of a folder of volume files, or of DICOM files."""
    plain = find_folder(folder, modalities[0].name)
    holds_dicom = has_dicom(folder)
    if plain is not None and plain.cases and holds_dicom:
        raise CohortError(
            f"{folder} holds volume files and DICOM files.",
            hint="Give the folder of one or the other, or move what is not meant.",
        )
    if holds_dicom:
        found = [find_dicom_cases(folder, _wanted(modality, series)) for modality in modalities]
        hint = "Give the folder of each image's series: --input FIRST SECOND."
    elif plain is None or not plain.cases:
        raise InputFileError(
            f"{folder} holds no volumes that can be read.",
            hint=f"Expected {EXPECTED}, or DICOM files.",
        )
    else:
        others = [find_folder(folder, modality.name) for modality in modalities[1:]]
        found = [plain, *(other for other in others if other is not None)]
        hint = ""
    if len(modalities) == 1:
        return list(found[0].cases)
    joined = join_modalities(found, [modality.name for modality in modalities])
    texts = [f"{problem.case}: {problem.problem}" for problem in joined.problems]
    hints = [problem.hint for problem in joined.problems]
    require_no_problems(texts, folder, hint or next(iter(hints), ""))
    return list(joined.cases)


def _image(path: Path, wanted: Wanted) -> CaseFiles:
    """Return a volume file or the one DICOM series of a folder or file as an image."""
    if path.is_dir() and not has_dicom(path):
        raise ConfigError(
            f"{path} is a folder, given beside other inputs.",
            hint="Give one folder of cases, or any number of files and of folders of one DICOM "
            "series each.",
        )
    if path.is_dir() or is_dicom(path):
        return series_case(path, wanted)
    return CaseFiles(id=_name_of(path), subject=_name_of(path), image=path)


def _joined(places: Sequence[CaseFiles], modalities: Sequence[Modality]) -> CaseFiles:
    listed = ", ".join(modality.label for modality in modalities)
    if len(places) != len(modalities):
        raise InputFileError(
            f"{len(places)} {'image was' if len(places) == 1 else 'images were'} given, expected "
            f"{len(modalities)}: the model takes {listed}.",
            hint=f"Give the images of one case, in this order: {listed}; or a folder of cases, "
            f"each with {', '.join(f'image_{modality.name}.nii.gz' for modality in modalities)}.",
        )
    files = [frozenset(place.files()) for place in places]
    if len(set(files)) < len(files):
        raise ConfigError(
            "One image was given for two of the images that the model takes.",
            hint=f"Give the images of one case, in this order: {listed}.",
        )
    return replace(places[0], further=tuple(places[1:]))


def _wanted(modality: Modality, series: str) -> Wanted:
    """Return which series is meant; DICOM itself tells CT from MR alone."""
    return Wanted(modality="ct" if modality.is_ct else modality.name, series=series)


def _name_of(path: Path) -> str:
    """Return the name of the case: the file's, or its folder's for `<case>/image.*`."""
    name = case_name(path)
    is_generic = name == "image" or name.startswith("image_")
    return path.absolute().parent.name if is_generic else name


def _doubles(cases: Iterable[CaseFiles]) -> list[str]:
    seen: dict[str, Path] = {}
    doubles = []
    for case in cases:
        first = seen.setdefault(case.id.casefold(), case.image)
        if first is not case.image:
            doubles.append(f"{first} and {case.image} name the same case {case.id!r}")
    return doubles
