"""Results of a prediction as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.paths import VOLUME_SUFFIXES, volume_suffix
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_encoding import write_nrrd
from CrossModalSegLib.data.volume_files import new_file, write_volume
from CrossModalSegLib.inference.structures import choose_structures

NRRD = ".nrrd"
SEGMENTATION = ".seg.nrrd"


def write_labels(
    labels: Volume,
    task: Task,
    path: Path,
    *,
    structures: Sequence[str] = (),
    overwrite: bool = False,
    compressed: bool = True,
) -> None:
    """Write labels by the ending of `path`.

    Args:
        labels: Values of the task's classes.
        task: Gives `.seg.nrrd` the names, colours and codes of its segments.
        path: The file.
        structures: Names of those that `.seg.nrrd` holds; none given: all.
        overwrite: Whether a file that is there may be replaced.
        compressed: Of `.nrrd`: whether to save space rather than time.

    Raises:
        InputFileError: The ending is not known.
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    if volume_suffix(path) == NRRD and not compressed:
        _write_quickly(labels, path, overwrite=overwrite)
        return
    segments = choose_structures(task, structures) if structures else None
    write_segmentation(labels, task, path, structures=segments, overwrite=overwrite)


def write_map(
    numbers: Volume, path: Path, *, overwrite: bool = False, compressed: bool = True
) -> None:
    """Write a map of numbers, of uncertainty for example, by the ending of `path`.

    Raises:
        InputFileError: The ending is none of a volume.
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    if volume_suffix(path) == NRRD and not compressed:
        _write_quickly(numbers, path, overwrite=overwrite)
        return
    write_volume(numbers, path, overwrite=overwrite)


def require_writable(path: Path, *, is_map: bool = False) -> None:
    """Refuse names whose ending cannot be written.

    Args:
        path: Of labels or of a map.
        is_map: Whether numbers are to be written, which are no segmentation.

    Raises:
        InputFileError: See above.
    """
    known = [suffix for suffix in VOLUME_SUFFIXES if not (is_map and suffix == SEGMENTATION)]
    if volume_suffix(path) not in known:
        raise InputFileError(
            f"{path} has an ending that cannot be written, expected one of {', '.join(known)}."
        )


def _write_quickly(volume: Volume, path: Path, *, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite) as temporary:
        write_nrrd(volume, temporary, compressed=False)
