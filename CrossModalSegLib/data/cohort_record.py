"""What `cohort.json` says, and its strict reader."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from CrossModalSegLib.core.config import from_dict, read_json
from CrossModalSegLib.core.errors import CohortError, ConfigError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.domains import Domain
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.statistics import CohortStatistics

COHORT_VERSION = 1
COHORT_FILE = "cohort.json"
CASES_FOLDER = "cases"
IMAGE_FILE, LABEL_FILE, SLICE_CLASSES_FILE = "image.npy", "label.npy", "slice_classes.npy"

ImageType = Literal["float16", "float32"]

LISTED_NAMES = 10
"""Messages name at most this many subjects or cases."""


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files that a case was prepared from."""

    image: str
    label: str | None
    further_images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CohortCase:
    """One prepared volume, or several images on one grid.

    Attributes:
        id: Name of its folder.
        subject: Person, animal or phantom.
        split: Part of the cohort.
        sources: The original files.
        content_hash: SHA-256 of the original image's shape and voxels, whatever the file's name
            and format: the same scan has the same hash in every cohort. Of several images that of
            the first.
        shape: Slices, rows, columns.
        spacing_mm: Along columns' index, rows' index and slices' index (i, j, k).
        affine_ras: From (column, row, slice) index to RAS in mm.
        class_voxels: Voxels of each class value, background first; None without labels.
        checksums: SHA-256 of each file in the case's folder, by file name.
        further_hashes: As `content_hash`, of the second and further images.
    """

    id: str
    subject: str
    split: Split
    sources: SourceFiles
    content_hash: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine_ras: tuple[tuple[float, float, float, float], ...]
    class_voxels: tuple[int, ...] | None
    checksums: dict[str, str]
    further_hashes: tuple[str, ...] = ()

    @property
    def image_hashes(self) -> tuple[str, ...]:
        """The hash of each image."""
        return (self.content_hash, *self.further_hashes)


@dataclass(frozen=True, kw_only=True)
class CohortRecord:
    """The content of `cohort.json`; fields with a default came later and may be absent.

    Where cases have several images, `modality` and `statistics` are those of the first, and the
    further ones follow in the order of the channels.
    """

    v: int
    task: Task
    modality: Modality
    dataset: str
    preprocessing: Preprocessing
    split_rule: str
    image_type: ImageType
    statistics: CohortStatistics
    cases: tuple[CohortCase, ...]
    domain: Domain = "all"
    further_modalities: tuple[Modality, ...] = ()
    further_statistics: tuple[CohortStatistics, ...] = ()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Of the images of each case, in order."""
        return (self.modality, *self.further_modalities)


def listed(names: Iterable[object]) -> str:
    """Join names for a message, not too many."""
    found = [str(name) for name in names]
    more = len(found) - LISTED_NAMES
    return ", ".join(found[:LISTED_NAMES]) + (f" and {more} more" if more > 0 else "")


def read_record(folder: Path) -> CohortRecord:
    """Read `cohort.json`.

    Raises:
        CohortError: There is none, or it is of another version, damaged or impossible.
    """
    path = folder / COHORT_FILE
    if not path.is_file():
        raise CohortError(
            f"{folder} is not a cohort: it has no {COHORT_FILE}.",
            hint="Make one with `crossmodalseg prepare`.",
        )
    try:
        content = read_json(path)
        version = content.get("v")
        if version != COHORT_VERSION:
            raise CohortError(
                f"{path} has version {version!r}, expected {COHORT_VERSION}.",
                hint="Prepare the cohort again with this version of the program.",
            )
        record = from_dict(CohortRecord, content, str(path))
    except ConfigError as error:
        hint = error.hint or "Prepare the cohort again."
        raise CohortError(error.message, hint=hint) from error
    _check_record(record, path)
    return record


def _check_record(record: CohortRecord, path: Path) -> None:
    """Refuse records that fit the format but cannot be right."""
    if not record.cases:
        raise unusable(path, "it lists no cases")
    ids = [case.id for case in record.cases]
    unsafe = [name for name in ids if safe_case_id(name) != name]
    if unsafe or len(set(ids)) != len(ids):
        raise unusable(path, f"its case ids are unsafe or double: {listed(unsafe or ids)}")
    has_labels = {case.class_voxels is not None for case in record.cases}
    if len(has_labels) > 1:
        raise unusable(path, "some cases have labels and some have none")
    _check_channels(record, path)
    for case in record.cases:
        is_affine = len(case.affine_ras) == 4 and all(
            math.isfinite(value) for row in case.affine_ras for value in row
        )
        if min(case.shape) < 1 or not is_affine:
            raise unusable(path, f"case {case.id!r} has an impossible shape or affine")
        if not set(case.checksums) <= {IMAGE_FILE, LABEL_FILE, SLICE_CLASSES_FILE}:
            raise unusable(path, f"case {case.id!r} names foreign files")


def _check_channels(record: CohortRecord, path: Path) -> None:
    counts = {
        len(record.modalities),
        record.preprocessing.num_channels,
        1 + len(record.further_statistics),
        *(len(case.image_hashes) for case in record.cases),
    }
    if len(counts) > 1:
        raise unusable(path, "modalities, rules, statistics and cases differ in number of images")


def unusable(path: Path, reason: str) -> CohortError:
    """Return the error for a file of a cohort that is not what it should be."""
    return CohortError(
        f"{path} is not usable: {reason}.", hint="Prepare the cohort again from the original files."
    )
