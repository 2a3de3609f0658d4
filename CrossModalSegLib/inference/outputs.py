"""Results of a prediction as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.paths import VOLUME_SUFFIXES, case_name, volume_suffix
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_segmentation import (
    DICOM_SUFFIX,
    DicomOrigin,
    require_dicom_writer,
    write_dicom_segmentation,
)
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_encoding import write_nrrd
from CrossModalSegLib.data.volume_files import new_file, write_volume
from CrossModalSegLib.inference.structures import choose_structures

__all__ = [
    "DICOM_SUFFIX",
    "OUTPUT_SUFFIXES",
    "LabelWriter",
    "output_name",
    "output_suffix",
    "require_dicom_writer",
    "require_writable",
    "write_map",
]

NRRD = ".nrrd"
SEGMENTATION = ".seg.nrrd"

OUTPUT_SUFFIXES = (*VOLUME_SUFFIXES, DICOM_SUFFIX)
"""Endings of segmentations; maps may have those of volumes alone."""


@dataclass(frozen=True, kw_only=True)
class LabelWriter:
    """Writes labels by the ending of their file.

    Attributes:
        task: Gives `.seg.nrrd` and `.dcm` the names, colours and codes of their segments.
        structures: Names of those that become segments; none given: all.
        overwrite: Whether a file that is there may be replaced.
        compressed: Of `.nrrd`: whether to save space rather than time.
        origin: The DICOM series and the model; for `.dcm` alone.
    """

    task: Task
    structures: Sequence[str] = ()
    overwrite: bool = False
    compressed: bool = True
    origin: DicomOrigin | None = None

    def write(self, labels: Volume, path: Path) -> None:
        """Write labels, values of the task's classes.

        Raises:
            InputFileError: The ending is not known, or of DICOM without an origin.
            OutputExistsError: The file exists and may not be replaced.
            StorageError: The disk is full or not writable.
        """
        suffix, overwrite = output_suffix(path), self.overwrite
        segments = choose_structures(self.task, self.structures) if self.structures else None
        if suffix == NRRD and not self.compressed:
            _write_quickly(labels, path, overwrite=overwrite)
        elif suffix != DICOM_SUFFIX:
            write_segmentation(labels, self.task, path, structures=segments, overwrite=overwrite)
        elif self.origin is None:
            raise InputFileError(
                f"{path}: a DICOM segmentation refers to a DICOM series, but there is none.",
                hint="Use another ending, e.g. .seg.nrrd.",
            )
        else:
            write_dicom_segmentation(
                labels,
                self.task,
                path,
                origin=self.origin,
                structures=segments,
                overwrite=overwrite,
            )


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


def output_suffix(path: Path) -> str:
    """Return the ending of a segmentation in lower case, or "" if it is none that we know."""
    return DICOM_SUFFIX if path.name.lower().endswith(DICOM_SUFFIX) else volume_suffix(path)


def output_name(path: Path) -> str:
    """Return a segmentation's file name without its ending."""
    is_dicom = output_suffix(path) == DICOM_SUFFIX
    return path.name[: -len(DICOM_SUFFIX)] if is_dicom else case_name(path)


def require_writable(path: Path, *, is_map: bool = False) -> None:
    """Refuse names whose ending cannot be written.

    Args:
        path: Of labels or of a map.
        is_map: Whether numbers are to be written, which are no segmentation.

    Raises:
        InputFileError: See above.
    """
    segmentations = (SEGMENTATION, DICOM_SUFFIX)
    known = [suffix for suffix in OUTPUT_SUFFIXES if not (is_map and suffix in segmentations)]
    if output_suffix(path) not in known:
        raise InputFileError(
            f"{path} has an ending that cannot be written, expected one of {', '.join(known)}."
        )


def _write_quickly(volume: Volume, path: Path, *, overwrite: bool) -> None:
    with new_file(path, overwrite=overwrite) as temporary:
        write_nrrd(volume, temporary, compressed=False)
