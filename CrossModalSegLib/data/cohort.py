"""Prepared cohorts: slices on disk that training reads without loading volumes.

A cohort is a folder (CONTRACTS: Cohort folder)::

    cohort.json                  what was prepared, from what and how; the cases; statistics
    cases/<id>/image.npy         (slices, rows, columns) float16 or float32 in [-1, 1];
                                 (slices, channels, rows, columns) of cases with several images
    cases/<id>/label.npy         (slices, rows, columns) uint8; labelled cohorts only
    cases/<id>/slice_classes.npy (slices, classes) int32, voxels of each class in each slice;
                                 labelled cohorts only

`slice_classes.npy` lets samplers choose slices that hold a class without reading labels. Nothing
opens a file of labels unless labels are asked for.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import CohortError, LeakageError, MismatchError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.array_files import checked_offset, map_array
from CrossModalSegLib.data.cohort_record import (
    CASES_FOLDER,
    IMAGE_FILE,
    LABEL_FILE,
    SLICE_CLASSES_FILE,
    CohortCase,
    CohortRecord,
    listed,
    read_record,
    unusable,
)
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.statistics import CohortStatistics

__all__ = [
    "Cohort",
    "CohortCase",
    "require_disjoint_subjects",
    "require_labelled",
    "require_same_channels",
]


class Cohort:
    """A prepared cohort, read-only.

    Use `Cohort.open`. Arrays are memory maps that are closed when the last view of them is gone,
    so that a cohort of any size holds no files open and no volumes in memory.
    """

    def __init__(self, folder: Path, record: CohortRecord) -> None:
        self.folder = folder
        self.record = record
        self._places: dict[tuple[str, str], tuple[Path, int]] = {}

    @classmethod
    def open(cls, folder: Path) -> Cohort:
        """Open a cohort and check that its images are there and have the shapes it says.

        Labels are checked when they are asked for (`require_labelled`).

        Raises:
            CohortError: `folder` is no cohort, of another version, or incomplete.
        """
        cohort = cls(folder, read_record(folder))
        for case in cohort.cases:
            cohort.images(case)
        return cohort

    @property
    def task(self) -> Task:
        """What the labels mean, and the slicing axis."""
        return self.record.task

    @property
    def modality(self) -> Modality:
        """Modality of all cases; of the first image where cases have several."""
        return self.record.modality

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the images of each case, in the order of the channels."""
        return self.record.modalities

    @property
    def num_channels(self) -> int:
        """Number of images of each case."""
        return len(self.record.modalities)

    @property
    def preprocessing(self) -> Preprocessing:
        """How slices were made of volumes."""
        return self.record.preprocessing

    @property
    def cases(self) -> tuple[CohortCase, ...]:
        """All cases, sorted by id."""
        return self.record.cases

    @property
    def statistics(self) -> CohortStatistics:
        """Intensities and class sizes of all cases."""
        return self.record.statistics

    @property
    def is_labelled(self) -> bool:
        """Whether the cases have labels; all have, or none."""
        return self.cases[0].class_voxels is not None

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything but the places of the original files."""
        content = to_dict(self.record)
        _drop_later_defaults(content)
        for case in content["cases"]:
            del case["sources"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def in_split(self, split: Split) -> tuple[CohortCase, ...]:
        """Return the cases of one split, which may be none."""
        return tuple(case for case in self.cases if case.split == split)

    def images(self, case: CohortCase) -> NDArray[np.floating]:
        """Map the slices of a case, in [-1, 1].

        (slices, rows, columns), or (slices, channels, rows, columns) if there are several.

        Raises:
            CohortError: The file is missing, truncated, or not what the cohort says.
        """
        depth, height, width = case.shape
        shape = case.shape if self.num_channels == 1 else (depth, self.num_channels, height, width)
        images: NDArray[np.floating] = self._map(case, IMAGE_FILE, self.record.image_type, shape)
        return images

    def channels(self, case: CohortCase) -> NDArray[np.floating]:
        """Map the slices of a case, (slices, channels, rows, columns) in [-1, 1].

        Raises:
            CohortError: As `images`.
        """
        depth, height, width = case.shape
        return self.images(case).reshape(depth, self.num_channels, height, width)

    def labels(self, case: CohortCase) -> NDArray[np.uint8] | None:
        """Map the labels of a case, (slices, rows, columns); None in unlabelled cohorts.

        Raises:
            CohortError: The file is missing, truncated, or not what the cohort says.
        """
        if case.class_voxels is None:
            return None
        labels: NDArray[np.uint8] = self._map(case, LABEL_FILE, "uint8", case.shape)
        return labels

    def slice_classes(self, case: CohortCase) -> NDArray[np.int32] | None:
        """Read the voxels of each class in each slice, (slices, classes); None without labels.

        Raises:
            CohortError: The file is missing, truncated, or not what the cohort says.
        """
        if case.class_voxels is None:
            return None
        shape = (case.shape[0], self.task.num_classes)
        return np.array(self._map(case, SLICE_CLASSES_FILE, "int32", shape))

    def verify(self) -> None:
        """Read every file and compare it with its checksum.

        Raises:
            CohortError: A file is missing or has changed since the cohort was prepared.
        """
        for case in self.cases:
            for name, checksum in case.checksums.items():
                path = self.case_folder(case) / name
                try:
                    with path.open("rb") as stream:
                        found = hashlib.file_digest(stream, "sha256").hexdigest()
                except OSError as error:
                    raise unusable(path, f"it cannot be read: {error.strerror}") from error
                if found != checksum:
                    raise unusable(path, "its content has changed since the cohort was prepared")

    def case_folder(self, case: CohortCase) -> Path:
        """Return the folder of a case's arrays."""
        return self.folder / CASES_FOLDER / case.id

    def _map(self, case: CohortCase, name: str, dtype: str, shape: tuple[int, ...]) -> Any:
        """Map a file of a case; the header is checked the first time."""
        path, offset = self._places.get((case.id, name), (self.case_folder(case) / name, 0))
        try:
            if not offset:
                offset = checked_offset(path, np.dtype(dtype), shape)
                self._places[case.id, name] = path, offset
            return map_array(path, offset, dtype, shape)
        except OSError as error:
            raise unusable(path, f"it cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise unusable(path, f"it is damaged: {error}") from error


def require_labelled(cohort: Cohort) -> None:
    """Refuse a cohort whose labels are missing or damaged.

    Raises:
        CohortError: The cohort was prepared without labels, or a file of labels is not usable.
    """
    if not cohort.is_labelled:
        raise CohortError(
            f"{cohort.folder} has no labels, but labels are needed: it is used as source.",
            hint="Prepare it with label maps, or use it as target.",
        )
    for case in cohort.cases:
        cohort.labels(case)
        cohort.slice_classes(case)


def require_disjoint_subjects(source: Cohort, target: Cohort) -> None:
    """Refuse two domains that share a subject, by subject id or by the same image.

    Two cohorts that were both prepared for a paired study may share them.

    Raises:
        LeakageError: They do; the message names the subjects.
    """
    if source.record.domain == target.record.domain == "paired":
        return
    subjects = sorted({c.subject for c in source.cases} & {c.subject for c in target.cases})
    if subjects:
        raise LeakageError(
            f"{listed(subjects)} are subjects of both {source.folder} and {target.folder}; "
            "the domains must not share subjects.",
            hint="Divide the subjects between the domains (`prepare --domain source`, and target; "
            "or paired for both, if that is meant). If only the names are alike, give subject ids "
            "in a CSV and prepare again.",
        )
    by_content = {content: case for case in source.cases for content in case.image_hashes}
    same = [
        (by_content[content], case)
        for case in target.cases
        for content in case.image_hashes
        if content in by_content
    ]
    if same:
        pairs = listed(f"{first.subject}/{second.subject}" for first, second in same)
        raise LeakageError(
            f"{pairs}: the same images are in {source.folder} and {target.folder} under different "
            "subject ids; the domains must not share subjects.",
            hint="Divide the subjects between the domains.",
        )


def require_same_channels(source: Cohort, target: Cohort) -> None:
    """Refuse two domains whose cases have different numbers of images.

    Raises:
        MismatchError: They do; the message names the modalities.
    """
    if source.num_channels == target.num_channels:
        return
    named = [", ".join(m.name for m in cohort.modalities) for cohort in (source, target)]
    raise MismatchError(
        f"The cases of {source.folder} have {source.num_channels} images ({named[0]}), those of "
        f"{target.folder} {target.num_channels} ({named[1]}); expected as many.",
        hint="Prepare both with as many modalities (`prepare --modality`).",
    )


def _drop_later_defaults(content: dict[str, Any]) -> None:
    """Remove fields that came later and have their defaults, so that old hashes stay true."""
    settings = content["preprocessing"]
    places: tuple[tuple[dict[str, Any], str, Any], ...] = (
        (content, "domain", "all"),
        (content, "further_modalities", []),
        (content, "further_statistics", []),
        (settings, "interpolation", "linear"),
        (settings, "bias_correction", "none"),
        (settings, "crop", "none"),
        (settings, "further_intensities", []),
        (settings, "slice_spacing_mm", None),
        (settings["intensity"], "fixed_range", None),
        *((case, "further_hashes", []) for case in content["cases"]),
    )
    for mapping, name, default in places:
        if mapping[name] == default:
            del mapping[name]
