"""What every dataset adapter finds: the files of each case, and what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.label_schemes import LabelScheme
from CrossModalSegLib.data.split_names import Split

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Endings of image files."""

LABEL_SUFFIXES = (*IMAGE_SUFFIXES, ".seg.nrrd")
"""Endings of label files; the last is Slicer's segmentation."""

LISTED_PROBLEMS = 20
"""Messages about a whole dataset name at most this many problems."""


class CaseReader(Protocol):
    """Reads cases whose files are not one volume file and one label map on its grid.

    Implementations are frozen dataclasses at module level: they travel to other processes.
    """

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is read."""
        ...

    def read_image(self, case: CaseFiles) -> Volume:
        """Read the image as float32."""
        ...

    def read_label_values(self, case: CaseFiles) -> Volume:
        """Read the label map, with the dataset's own values; called only if there is one."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """The files of one case, before anything was read.

    Attributes:
        id: Name of the case, unique in its dataset.
        subject: Person, animal or phantom; all cases of one subject share a split.
        image: Volume file, or the folder of a series.
        label: Label map on the same grid, or None.
        split: Part of the cohort that the dataset prescribes, or None.
        reader: How the files are read; None for a volume file and a label map.
        scheme: What the label values mean; None if they are the task's.
        notes: What users should know of this case before they trust it.
        objects: DICOM files whose named structures are its labels (`data.label_objects`); `label`
            is the first of them.
        further: Where the second and further images of this case are, in order; their labels,
            splits and schemes do not count.
    """

    id: str
    subject: str
    image: Path
    label: Path | None = None
    split: Split | None = None
    reader: CaseReader | None = None
    scheme: LabelScheme | None = None
    notes: tuple[str, ...] = ()
    objects: tuple[Path, ...] = ()
    further: tuple[CaseFiles, ...] = ()

    @property
    def images(self) -> tuple[CaseFiles, ...]:
        """The places of all images, in order; at least one."""
        return (self, *self.further)

    def files(self) -> tuple[Path, ...]:
        """Return every file that is read."""
        if self.reader is not None:
            own = self.reader.files(self)
        else:
            own = (self.image,) if self.label is None else (self.image, self.label)
        return tuple(dict.fromkeys((*own, *(p for case in self.further for p in case.files()))))


@dataclass(frozen=True, kw_only=True)
class CaseProblem:
    """Why something that belongs to a dataset is not prepared.

    Attributes:
        case: Name of the case, or of the file.
        problem: What was got and what was expected.
        hint: What to do.
    """

    case: str
    problem: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedTest:
    """Test cases that papers agreed on.

    Attributes:
        subjects: Their subjects.
        source: Who uses them, in words.
    """

    subjects: tuple[str, ...]
    source: str


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What an adapter found.

    Attributes:
        dataset: Name of the adapter.
        layout: What was recognised, in words.
        cases: Sorted by id.
        problems: Cases and files of the dataset that cannot be used.
        ignored: What lies there and is not needed, in words.
        is_co_registered: Whether a subject's modalities are scans of one session on one grid:
            then two domains with the same subjects are paired.
        published_test: The usual test cases, if papers agreed on some.
        recipe: Preprocessing of the papers for what was found (`data.recipes`); "" for none.
    """

    dataset: str
    layout: str
    cases: tuple[CaseFiles, ...]
    problems: tuple[CaseProblem, ...] = ()
    ignored: tuple[str, ...] = ()
    is_co_registered: bool = False
    published_test: PublishedTest | None = None
    recipe: str = ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which images of a dataset are meant.

    Attributes:
        modality: Identifier (CONTRACTS).
        series: Part of a DICOM series' description, or of the name of a contrast; "" for any.
        is_strict: Whether one bad case of a plain folder or list is an error for all of it.
    """

    modality: str
    series: str = ""
    is_strict: bool = True


def is_image_file(path: Path) -> bool:
    """Tell whether a file has the ending of an image and is not hidden."""
    return _is_visible_file(path) and volume_suffix(path) in IMAGE_SUFFIXES


def is_label_file(path: Path) -> bool:
    """Tell whether a file has the ending of a label map and is not hidden."""
    return _is_visible_file(path) and volume_suffix(path) in LABEL_SUFFIXES


def walk_files(root: Path, depth: int) -> Iterator[Path]:
    """Yield the visible files at most `depth` folders below `root`, in the order of their names.

    Hidden ones are left out: archives that were packed on a Mac hold a `._` twin of each file.
    """
    for place, folders, names in os.walk(root):
        here = Path(place)
        is_deepest = len(here.relative_to(root).parts) >= depth
        folders[:] = [] if is_deepest else sorted(f for f in folders if not f.startswith("."))
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def sorted_cases(cases: Iterable[CaseFiles]) -> tuple[CaseFiles, ...]:
    """Return cases in the order of their ids."""
    return tuple(sorted(cases, key=lambda case: case.id))


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


def settle_problems(
    found: Sequence[CaseProblem], where: Path, hint: str, left_out: list[CaseProblem] | None
) -> None:
    """Add problems to `left_out`; without such a list, report them all in one error.

    Raises:
        CohortError: There is at least one, and no list.
    """
    if left_out is None:
        require_no_problems((problem.problem for problem in found), where, hint)
    else:
        left_out += [replace(problem, hint=problem.hint or hint) for problem in found]


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
