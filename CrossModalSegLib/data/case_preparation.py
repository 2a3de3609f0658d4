"""One case: read, checked, cut into slices and written. Runs in any process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import InputFileError, storage_errors
from CrossModalSegLib.core.geometry import require_same_grid
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles, Split
from CrossModalSegLib.data.checks import Finding, check_case
from CrossModalSegLib.data.cohort_record import (
    CASES_FOLDER,
    IMAGE_FILE,
    LABEL_FILE,
    SLICE_CLASSES_FILE,
    CohortCase,
    SourceFiles,
)
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.foreground import same_part
from CrossModalSegLib.data.preprocessing import (
    crop_volume,
    prepare_image,
    prepare_labels,
    prepared_affine,
)
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.statistics import (
    IntensitySample,
    count_slice_classes,
    sample_intensities,
)
from CrossModalSegLib.data.volume_files import map_label_values, read_image, read_label_values


@dataclass(frozen=True)
class PreparedCase:
    """One written case, and what the statistics and the user need of it."""

    case: CohortCase
    raw: IntensitySample
    slices: IntensitySample
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ReadCase:
    """A case in memory: the labels are on the image's grid, with the task's values."""

    image: Volume
    labels: Volume | None
    findings: tuple[Finding, ...]


def read_case(files: CaseFiles, settings: CohortSettings) -> ReadCase:
    """Read a case, and check it.

    Raises:
        InputFileError: A file is missing, damaged or no such volume.
        GeometryError: The grids of image and labels differ, or cannot be used.
        LabelError: A label value is unknown to the dataset or the task.
    """
    findings = [
        Finding(case=files.id, kind="dataset_note", message=note, hint="") for note in files.notes
    ]
    image = files.reader.read_image(files) if files.reader else read_image(files.image)
    _require_usable(image, files.image)
    labels = None
    if files.label is not None:
        labels = _read_labels(files, files.label, image, settings, findings)
    is_ct = settings.modality.is_ct and settings.preprocessing.intensity.kind == "window_hu"
    findings += check_case(files.id, image, labels, settings.task, is_ct=is_ct)
    return ReadCase(image, labels, tuple(findings))


def prepare_case(
    files: CaseFiles, split: Split, settings: CohortSettings, folder: Path
) -> PreparedCase:
    """Read a case and write its arrays to a folder of a cohort.

    Raises:
        CrossModalSegError: As `read_case`; or the disk is full.
    """
    read = read_case(files, settings)
    preprocessing = settings.preprocessing
    image = crop_volume(read.image, preprocessing)
    slices = prepare_image(image, preprocessing)
    arrays: dict[str, NDArray[Any]] = {IMAGE_FILE: slices.astype(settings.image_type)}
    class_voxels = None
    if read.labels is not None:
        labels = same_part(read.labels, image)
        arrays[LABEL_FILE] = prepare_labels(labels, preprocessing)
        counts = count_slice_classes(arrays[LABEL_FILE], settings.task.num_classes)
        arrays[SLICE_CLASSES_FILE] = counts
        class_voxels = tuple(int(n) for n in counts.sum(axis=0, dtype=np.int64))
    case_folder = folder / CASES_FOLDER / files.id
    with storage_errors(case_folder):
        case_folder.mkdir(parents=True, exist_ok=True)
        checksums = {name: _write_array(case_folder / name, a) for name, a in arrays.items()}
    depth, height, width = slices.shape
    grid = Volume(slices, prepared_affine(image, preprocessing))
    case = CohortCase(
        id=files.id,
        subject=files.subject,
        split=split,
        sources=SourceFiles(
            image=str(files.image.absolute()),
            label=str(files.label.absolute()) if files.label else None,
        ),
        content_hash=_content_hash(read.image),
        shape=(depth, height, width),
        spacing_mm=grid.spacing_mm,
        affine_ras=tuple(tuple(row) for row in grid.affine_ras.tolist()),
        class_voxels=class_voxels,
        checksums=checksums,
    )
    raw = sample_intensities(read.image.array_kji)
    return PreparedCase(case, raw, sample_intensities(slices), read.findings)


def _read_labels(
    files: CaseFiles, label: Path, image: Volume, settings: CohortSettings, findings: list[Finding]
) -> Volume:
    if files.reader is None and volume_suffix(label) == ".seg.nrrd":  # Slicer crops what it saves
        return read_segmentation(label, settings.task, grid=image)
    own = files.reader.read_label_values(files) if files.reader else read_label_values(label)
    value_map = settings.value_map
    if value_map is None and files.scheme is not None:
        value_map = files.scheme.value_map(settings.task)
        findings += _strays(files, own)
    labels = map_label_values(own, label, task=settings.task, value_map=value_map)
    require_same_grid(image, labels, str(files.image), str(label))
    return image.with_array(labels.array_kji)  # not even a rounding error apart


def _strays(files: CaseFiles, own: Volume) -> list[Finding]:
    """Return a finding for each value that occurs by mistake."""
    strays = files.scheme.strays if files.scheme else {}
    counts = {value: int(np.count_nonzero(own.array_kji == value)) for value in strays}
    return [
        Finding(
            case=files.id,
            kind="stray_label",
            message=f"its label map holds the stray value {value} ({count} voxels), which is read "
            f"as {strays[value]}",
            hint="",
        )
        for value, count in counts.items()
        if count
    ]


def _require_usable(image: Volume, path: Path) -> None:
    """Refuse what `read_image` refuses, whoever read it."""
    low, high = float(image.array_kji.min()), float(image.array_kji.max())
    if not np.isfinite([low, high]).all() or low == high:
        what = f"is constant: every voxel is {low:g}" if low == high else "holds NaN or infinity"
        raise InputFileError(f"{path} {what}.", hint="Export or download the image again.")


def _write_array(path: Path, array: NDArray[Any]) -> str:
    """Write a .npy file and return its SHA-256.

    Written by Python's own stream: numpy's `tofile` hides that a disk is full.
    """
    contiguous = np.ascontiguousarray(array)
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(
            stream, np.lib.format.header_data_from_array_1_0(contiguous)
        )
        stream.write(contiguous.data.cast("B"))
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _content_hash(image: Volume) -> str:
    digest = hashlib.sha256(str(image.shape_kji).encode())
    digest.update(np.ascontiguousarray(image.array_kji, dtype="<f4").data.cast("B"))
    return digest.hexdigest()
