"""What every dataset adapter finds: the files of each case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.paths import volume_suffix

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""The parts of a cohort (CONTRACTS: Identifiers)."""

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Endings of image files."""

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".seg.nrrd")
"""Endings of label files; the last is Slicer's segmentation."""

LISTED_PROBLEMS = 20
"""Messages about a whole dataset name at most this many problems."""


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """The files of one case, before anything was read.

    Attributes:
        id: Name of the case, unique in its dataset.
        subject: Person, animal or phantom; all cases of one subject share a split.
        image: Volume file.
        label: Label map on the same grid, or None.
        split: Part of the cohort that the dataset prescribes, or None.
    """

    id: str
    subject: str
    image: Path
    label: Path | None = None
    split: Split | None = None


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What an adapter found.

    Attributes:
        dataset: Name of the adapter.
        layout: What was recognised, in words.
        cases: Sorted by id.
    """

    dataset: str
    layout: str
    cases: tuple[CaseFiles, ...]


def is_image_file(path: Path) -> bool:
    """Tell whether a file has the ending of an image and is not hidden."""
    return _is_visible_file(path) and volume_suffix(path) in IMAGE_SUFFIXES


def is_label_file(path: Path) -> bool:
    """Tell whether a file has the ending of a label map and is not hidden."""
    return _is_visible_file(path) and volume_suffix(path) in LABEL_SUFFIXES


def require_no_problems(problems: Iterable[str], where: Path, hint: str) -> None:
    """Report all problems of a dataset in one error.

    Raises:
        CohortError: There is at least one.
    """
    found = list(problems)
    if not found:
        return
    more = len(found) - LISTED_PROBLEMS
    listed = "; ".join(found[:LISTED_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
    raise CohortError(f"{where}: {listed}.", hint=hint)


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
