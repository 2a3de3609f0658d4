"""Phantom subjects as files on disk, one folder a case, as a user would have them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.output_folders import replacing_folder
from CrossModalSegLib.data.phantoms.cardiac import (
    CARDIAC_PHANTOM_VERSION,
    CardiacModality,
    make_cardiac_subject,
)
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.volume_files import write_volume

IMAGE_NAME, LABEL_NAME, FACTS_NAME = "image.nii.gz", "label.nii.gz", "phantom.json"


@dataclass(frozen=True, kw_only=True)
class PhantomOptions:
    """How subjects are written.

    Attributes:
        grid: Matrix, spacing and orientation; None: the modality's usual one.
        labelled: Whether to write the labels.
        resume: Keep cases that are there instead of refusing them.
    """

    grid: PhantomGrid | None = None
    labelled: bool = True
    resume: bool = False


def subject_seeds(seed: int, group: str, count: int) -> tuple[int, ...]:
    """Return the seeds of the subjects of one group; groups of one seed share no subject.

    Args:
        seed: The user's.
        group: Name of the group, e.g. "ct" or "mr_test".
        count: Number of subjects.
    """
    digests = (hashlib.sha256(f"{seed}:{group}:{n}".encode()).digest() for n in range(count))
    return tuple(int.from_bytes(digest[:6], "big") for digest in digests)


def case_name_of(modality: str, number: int, seed: int) -> str:
    """Return a name that no other subject has, whatever folder it is in: `ct_0001_5f3a9c`."""
    return f"{modality}_{number:04d}_{seed & 0xFFFFFF:06x}"


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
    if folder.exists() and any(folder.iterdir()) and not options.resume:
        raise OutputExistsError(folder)
    cases = []
    for number, seed in enumerate(reporter.track(seeds, f"phantom {modality}"), start=1):
        case = folder / case_name_of(modality, number, seed)
        cases.append(case)
        if not case.exists():
            _write_subject(case, modality, seed, options)
    return cases


def _write_subject(
    case: Path, modality: CardiacModality, seed: int, options: PhantomOptions
) -> None:
    subject = make_cardiac_subject(modality, seed, grid=options.grid)
    with replacing_folder(case) as partial:
        write_volume(subject.image, partial / IMAGE_NAME)
        if options.labelled:
            write_volume(subject.labels, partial / LABEL_NAME)
        facts = {"version": CARDIAC_PHANTOM_VERSION, "modality": modality, "seed": seed}
        write_json(partial / FACTS_NAME, {**facts, "drawn": subject.facts})
