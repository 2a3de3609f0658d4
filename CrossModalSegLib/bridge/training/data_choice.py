"""What the data of a domain are: in files, in a cohort, in the scene, or in the DICOM database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.modalities import MODALITIES

Role = Literal["source", "target"]
ROLES: tuple[Role, ...] = ("source", "target")

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_MAX_NAME = 40


@dataclass(frozen=True)
class DatasetFolder:
    """A data set on the disk whose layout is to be recognised; also a CSV or dataset.json."""

    path: Path


@dataclass(frozen=True)
class CohortFolder:
    """A cohort that was prepared before."""

    path: Path


@dataclass(frozen=True)
class ScenePairs:
    """Volume nodes of the scene, each with a segmentation or a label map."""

    pairs: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True)
class SceneVolumes:
    """Volume nodes of the scene."""

    volumes: tuple[Any, ...]


@dataclass(frozen=True)
class DicomSeries:
    """Series of Slicer's DICOM database, by their instance UID."""

    uids: tuple[str, ...]


DataChoice = DatasetFolder | CohortFolder | ScenePairs | SceneVolumes | DicomSeries


@dataclass(frozen=True, kw_only=True)
class PreparationOptions:
    """How both domains are prepared.

    Attributes:
        recipe: Preprocessing by name.
        matrix: Rows and columns of a slice; None: the recipe's.
        spacing_mm: Of rows and of columns; None: the recipe's.
        split: "auto" or shares, as 70/10/20.
        divides_patients: Whether the same patients have both kinds of scan, so that half of them
            is given to each domain.
    """

    recipe: str = "robust"
    matrix: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    split: str = "auto"
    divides_patients: bool = False


@dataclass(frozen=True, kw_only=True)
class DomainRequest:
    """Data of one domain and what to make of them.

    Attributes:
        role: Source data need labels; labels of target data are not even opened.
        task: Name of a task.
        modality: Name of the modality of all images; "" if it was not said. Cohorts know theirs.
        data: What they are; None if nothing was chosen.
        meanings: What the data's label values or structures mean in the task, as "205=1" or
            "LV=LVC".
        options: How they are prepared.
    """

    role: Role
    task: str
    modality: str
    data: DataChoice | None
    meanings: tuple[str, ...] = ()
    options: PreparationOptions = PreparationOptions()


def reason_not_to_check(request: DomainRequest) -> str:
    """Return what is missing before data can be looked at; "" if nothing is."""
    if not request.task:
        return "Choose a task."
    if request.data is None:
        return f"Choose the {request.role}'s data."
    if isinstance(request.data, DatasetFolder | CohortFolder):
        if not request.data.path.exists():
            return f"{request.data.path} does not exist. Choose the {request.role}'s data again."
    elif reason := _reason_against_members(request.data, request.role):
        return reason
    if not isinstance(request.data, CohortFolder) and not request.modality:
        return f"Say what kind of scans the {request.role}'s are."
    return ""


def _reason_against_members(data: ScenePairs | SceneVolumes | DicomSeries, role: Role) -> str:
    if role == "source" and not isinstance(data, ScenePairs):
        return "The source needs labels: choose pairs of volume and segmentation, or a folder."
    return "" if _members(data) else f"Choose the {role}'s data: {_EMPTY[type(data)]}"


_EMPTY = {
    ScenePairs: "add pairs of volume and segmentation.",
    SceneVolumes: "check volumes of the scene.",
    DicomSeries: "check series of the DICOM database.",
}


def prepare_arguments(request: DomainRequest, root: Path, output: Path) -> list[str]:
    """Return the command line of `prepare`, without `--dry-run`.

    Args:
        request: For anything but a cohort.
        root: Where the data lie as files.
        output: The cohort's folder.
    """
    options = request.options
    arguments = ["prepare", "--root", str(root), "--output", str(output)]
    arguments += ["--task", request.task, "--modality", request.modality]
    arguments += ["--labels", "required" if request.role == "source" else "ignored"]
    arguments += ["--recipe", options.recipe, "--split", options.split]
    if options.matrix is not None:
        arguments += ["--matrix", *map(str, options.matrix)]
    if options.spacing_mm is not None:
        arguments += ["--spacing", *(f"{mm:g}" for mm in options.spacing_mm)]
    if options.divides_patients:
        arguments += ["--domain", request.role]
    if request.role == "source" and request.meanings:
        are_values = all(pair.partition("=")[0].strip().isdigit() for pair in request.meanings)
        arguments += ["--label-values" if are_values else "--label-names", *request.meanings]
    return arguments


def cohort_name(request: DomainRequest) -> str:
    """Return a name for the cohort of a domain that says what it is."""
    task = Path(request.task).stem
    modality = Path(request.modality).stem
    parts = (task, modality, request.role, _title(request.data))
    words = [_NOT_IN_NAMES.sub("_", part).strip("_") for part in parts]
    return "-".join(word[:_MAX_NAME] for word in words if word)


def modality_label(name: str) -> str:
    """Return what people call a modality."""
    return MODALITIES[name].label if name in MODALITIES else Path(name).stem


def read_meanings(text: str) -> tuple[str, ...]:
    """Return the parts of a text like "205=1, 420=2" or "LV=LVC, Couch=".

    Raises:
        ConfigError: A part has no sign of equality.
    """
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        if not part.partition("=")[0].strip() or "=" not in part:
            raise ConfigError(
                f"The labels' meaning has {part!r}, expected something like 205=1 or LV=LVC.",
                hint="Separate several by commas; 'Couch=' leaves a structure out.",
            )
    return parts


def read_numbers(text: str, what: str, *, whole: bool) -> tuple[float, float] | None:
    """Return two positive numbers of a text, or None if it is empty.

    Args:
        text: Like "256 256", "1.5 x 1.5" or, for twice the same, "256".
        what: Names the field in the error.
        whole: Whether they must be whole numbers.

    Raises:
        ConfigError: It is anything else.
    """
    parts = text.replace("x", " ").replace(",", " ").split()
    if not parts:
        return None
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    is_whole = all(number.is_integer() for number in numbers)
    is_usable = len(numbers) in {1, 2} and all(0 < number < 10_000 for number in numbers)
    if not is_usable or (whole and not is_whole):
        kind = "whole numbers like 256 256" if whole else "numbers in mm like 1.5 1.5"
        raise ConfigError(f"{what} is {text!r}, expected two {kind}.")
    return numbers[0], numbers[-1]


def _members(data: ScenePairs | SceneVolumes | DicomSeries) -> Sequence[Any]:
    if isinstance(data, ScenePairs):
        return data.pairs
    return data.volumes if isinstance(data, SceneVolumes) else data.uids


def _title(data: DataChoice | None) -> str:
    """Return a word or two about data, for a cohort's name."""
    if isinstance(data, DatasetFolder | CohortFolder):
        return data.path.stem
    if isinstance(data, DicomSeries):
        return "dicom"
    return "scene" if data is not None else ""
