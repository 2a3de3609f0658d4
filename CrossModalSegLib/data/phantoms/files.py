"""Phantom subjects as files on disk, one folder a case, as a user would have them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.output_folders import replacing_folder
from CrossModalSegLib.data.phantoms.brain import BRAIN_PHANTOM_VERSION, make_brain_subject
from CrossModalSegLib.data.phantoms.brain_signal import BrainModality
from CrossModalSegLib.data.phantoms.cardiac import (
    CARDIAC_PHANTOM_VERSION,
    CardiacModality,
    make_cardiac_subject,
)
from CrossModalSegLib.data.phantoms.drawing import Interval
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.volume_files import write_volume

IMAGE_NAME, LABEL_NAME, FACTS_NAME = "image.nii.gz", "label.nii.gz", "phantom.json"

BRAIN = "brain"
"""What the names of brain cases begin with, and the group of seeds: all modalities are of the same
people."""


@dataclass(frozen=True, kw_only=True)
class PhantomOptions:
    """How subjects are written.

    Attributes:
        grid: Matrix, spacing and orientation; None: the modality's usual one.
        labelled: Whether to write the labels.
        resume: Keep cases that are there instead of refusing them.
        fat_to_blood: See `make_cardiac_subject`; of its MR alone.
    """

    grid: PhantomGrid | None = None
    labelled: bool = True
    resume: bool = False
    fat_to_blood: Interval | None = None


def subject_seeds(seed: int, group: str, count: int) -> tuple[int, ...]:
    """Return the seeds of the subjects of one group; groups of one seed share no subject.

    Args:
        seed: The user's.
        group: Name of the group, e.g. "ct" or "mr_test".
        count: Number of subjects.
    """
    digests = (hashlib.sha256(f"{seed}:{group}:{n}".encode()).digest() for n in range(count))
    return tuple(int.from_bytes(digest[:6], "big") for digest in digests)


def case_name_of(group: str, number: int, seed: int) -> str:
    """Return a name that no other subject has, whatever folder it is in: `ct_0001_5f3a9c`."""
    return f"{group}_{number:04d}_{seed & 0xFFFFFF:06x}"


def image_name_of(modality: str) -> str:
    """Return the file of a modality where a case has several."""
    return f"image_{modality}.nii.gz"


def write_cardiac_subjects(
    folder: Path,
    modality: CardiacModality,
    seeds: Sequence[int],
    reporter: Reporter,
    options: PhantomOptions | None = None,
) -> list[Path]:
    """Write one folder a subject with its image, its labels and what was drawn at random.

    A case's folder appears with all its files or not at all.

    Args:
        folder: Gets one folder a subject, named by `case_name_of`.
        modality: "ct" or "mr_bssfp".
        seeds: One a subject.
        reporter: Hears of each subject; may cancel between two.
        options: Grid, labels, and what to do with cases that are there.

    Returns:
        The folders.

    Raises:
        OutputExistsError: `folder` holds something and resuming was not asked for.
        StorageError: The disk is full or not writable.
        Cancelled: The job was cancelled.
    """
    options = options or PhantomOptions()
    fat_to_blood = options.fat_to_blood if modality == "mr_bssfp" else None

    def make(seed: int) -> _Case:
        subject = make_cardiac_subject(modality, seed, grid=options.grid, fat_to_blood=fat_to_blood)
        facts = {"version": CARDIAC_PHANTOM_VERSION, "modality": modality, "seed": seed}
        images = {IMAGE_NAME: subject.image}
        return _Case(images, subject.labels, {**facts, "drawn": subject.facts})

    return _write_cases(folder, (modality, seeds), make, reporter, options)


def write_brain_subjects(
    folder: Path,
    modalities: Sequence[BrainModality],
    seeds: Sequence[int],
    reporter: Reporter,
    options: PhantomOptions | None = None,
) -> list[Path]:
    """Write one folder a subject with an image of each modality, on one grid, and its labels.

    Otherwise as `write_cardiac_subjects`. The same seed is the same person in every modality: give
    the two domains of a study other seeds, or other halves of the subjects (`data.domains`).

    Raises:
        ConfigError: A modality is missing or there twice.
        MissingDependencyError: nilearn, which carries the anatomy, is not installed.
        CrossModalSegError: See `write_cardiac_subjects`.
    """
    options = options or PhantomOptions()

    def make(seed: int) -> _Case:
        subject = make_brain_subject(modalities, seed, grid=options.grid)
        facts = {"version": BRAIN_PHANTOM_VERSION, "modalities": list(modalities), "seed": seed}
        images = {image_name_of(modality): image for modality, image in subject.images.items()}
        return _Case(images, subject.labels, {**facts, "drawn": subject.facts})

    return _write_cases(folder, (BRAIN, seeds), make, reporter, options)


@dataclass(frozen=True, eq=False)
class _Case:
    """The files of a case: images by name, labels, and what phantom.json says."""

    images: Mapping[str, Volume]
    labels: Volume
    facts: dict[str, Any]


def _write_cases(
    folder: Path,
    subjects: tuple[str, Sequence[int]],
    make: Callable[[int], _Case],
    reporter: Reporter,
    options: PhantomOptions,
) -> list[Path]:
    group, seeds = subjects
    if folder.exists() and any(folder.iterdir()) and not options.resume:
        raise OutputExistsError(folder)
    cases = []
    for number, seed in enumerate(reporter.track(seeds, f"phantom {group}"), start=1):
        case = folder / case_name_of(group, number, seed)
        cases.append(case)
        if not case.exists():
            _write_case(case, make(seed), options)
    return cases


def _write_case(folder: Path, case: _Case, options: PhantomOptions) -> None:
    with replacing_folder(folder) as partial:
        for name, image in case.images.items():
            write_volume(image, partial / name)
        if options.labelled:
            write_volume(case.labels, partial / LABEL_NAME)
        write_json(partial / FACTS_NAME, case.facts)
