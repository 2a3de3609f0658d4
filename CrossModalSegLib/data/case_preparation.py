"""One case: read, checked, cut into slices and written. Runs in any process."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import InputFileError, storage_errors
from CrossModalSegLib.core.geometry import describe_grid, is_same_grid, require_same_grid
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.channels import crop_images, on_grid_of_first, prepare_images
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
from CrossModalSegLib.data.label_objects import read_label_objects
from CrossModalSegLib.data.preprocessing import prepare_labels, prepared_affine
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.statistics import (
    IntensitySample,
    count_slice_classes,
    sample_intensities,
)
from CrossModalSegLib.data.structures import StructureNames
from CrossModalSegLib.data.volume_files import map_label_values, read_image, read_label_values


@dataclass(frozen=True)
class ChannelSamples:
    """The intensities of one image of a case: as they were, and as they were prepared."""

    raw: IntensitySample
    slices: IntensitySample


@dataclass(frozen=True)
class PreparedCase:
    """One written case, and what the statistics and the user need of it."""

    case: CohortCase
    channels: tuple[ChannelSamples, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class ReadCase:
    """A case in memory.

    Attributes:
        originals: The images as they are in their files.
        images: The same on the first one's grid.
        labels: On that grid, too, with the task's values.
        findings: What is suspicious.
    """

    originals: tuple[Volume, ...]
    images: tuple[Volume, ...]
    labels: Volume | None
    findings: tuple[Finding, ...]

    @property
    def image(self) -> Volume:
        """The first image."""
        return self.images[0]


def read_case(files: CaseFiles, settings: CohortSettings) -> ReadCase:
    """Read a case, and check it.

    Raises:
        InputFileError: A file is missing, damaged or no such volume.
        GeometryError: The grids of image and labels differ, or cannot be used, or two images
            have no place in common.
        LabelError: A label value is unknown to the dataset or the task.
    """
    findings = [
        Finding(case=files.id, kind="dataset_note", message=note, hint="") for note in files.notes
    ]
    originals = tuple(_read_image(place) for place in files.images)
    labels = None
    if files.label is not None:
        labels = _read_labels(files, files.label, originals[0], settings, findings)
    images = on_grid_of_first(originals)
    for channel, modality in enumerate(settings.modalities):
        rule = settings.preprocessing.of_channel(channel).intensity
        is_ct = modality.is_ct and rule.kind == "window_hu"
        found = check_case(files.id, images[channel], labels, settings.task, is_ct=is_ct)
        findings += found if len(images) == 1 else _named(found, modality)
        if not is_same_grid(originals[channel], originals[0]):
            findings.append(_resampled(files.id, originals[channel], modality))
    return ReadCase(originals, images, labels, tuple(findings))


def prepare_case(
    files: CaseFiles, split: Split, settings: CohortSettings, folder: Path
) -> PreparedCase:
    """Read a case and write its arrays to a folder of a cohort.

    Raises:
        CrossModalSegError: As `read_case`; or the disk is full.
    """
    read = read_case(files, settings)
    preprocessing = settings.preprocessing
    images = crop_images(read.images, preprocessing)
    slices, image = prepare_images(images, preprocessing), images[0]
    stored = slices if len(images) > 1 else slices[:, 0]
    arrays: dict[str, NDArray[Any]] = {IMAGE_FILE: stored.astype(settings.image_type)}
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
    depth, _, height, width = slices.shape
    grid = Volume(slices[:, 0], prepared_affine(image, preprocessing))
    first_hash, *further_hashes = (content_hash(original) for original in read.originals)
    case = CohortCase(
        id=files.id,
        subject=files.subject,
        split=split,
        sources=SourceFiles(
            image=str(files.image.absolute()),
            label=str(files.label.absolute()) if files.label else None,
            further_images=tuple(str(place.image.absolute()) for place in files.further),
        ),
        content_hash=first_hash,
        shape=(depth, height, width),
        spacing_mm=grid.spacing_mm,
        affine_ras=tuple(tuple(row) for row in grid.affine_ras.tolist()),
        class_voxels=class_voxels,
        checksums=checksums,
        further_hashes=tuple(further_hashes),
    )
    channels = tuple(
        ChannelSamples(
            sample_intensities(original.array_kji), sample_intensities(slices[:, channel])
        )
        for channel, original in enumerate(read.originals)
    )
    return PreparedCase(case, channels, read.findings)


def _read_image(files: CaseFiles) -> Volume:
    image = files.reader.read_image(files) if files.reader else read_image(files.image)
    _require_usable(image, files.image)
    return image


def _named(findings: list[Finding], modality: Modality) -> list[Finding]:
    """Say which image of a case is suspicious."""
    return [replace(entry, message=f"{modality.label}: {entry.message}") for entry in findings]


def _resampled(case: str, image: Volume, modality: Modality) -> Finding:
    return Finding(
        case=case,
        kind="resampled",
        message=f"its {modality.label} image has another grid than the first image "
        f"({describe_grid(image)}) and is resampled to that",
        hint="Check in a viewer that the images are registered.",
    )


def _read_labels(
    files: CaseFiles, label: Path, image: Volume, settings: CohortSettings, findings: list[Finding]
) -> Volume:
    if files.objects:
        return _read_objects(files, image, settings, findings)
    if files.reader is None and volume_suffix(label) == ".seg.nrrd":  # Slicer crops what it saves
        names = settings.label_names
        return read_segmentation(label, settings.task, grid=image, label_names=names)
    own = files.reader.read_label_values(files) if files.reader else read_label_values(label)
    value_map = settings.value_map
    if value_map is None and files.scheme is not None:
        value_map = files.scheme.value_map(settings.task, settings.label_names)
        findings += _strays(files, own)
    labels = map_label_values(own, label, task=settings.task, value_map=value_map)
    require_same_grid(image, labels, str(files.image), str(label))
    return image.with_array(labels.array_kji)  # not even a rounding error apart


def _read_objects(
    files: CaseFiles, image: Volume, settings: CohortSettings, findings: list[Finding]
) -> Volume:
    """Read the structures of DICOM objects, and note what is not taken from them."""
    names = StructureNames(settings.task, settings.label_names)
    read = read_label_objects(files.objects, image, names)
    findings += [
        Finding(case=files.id, kind="label_object", message=note, hint="") for note in read.notes
    ]
    if read.unknown:
        findings.append(
            Finding(
                case=files.id,
                kind="unknown_structures",
                message=f"its structures {', '.join(map(repr, read.unknown))} are none of the "
                f"task's, and background",
                hint="If one is meant, say so: --label-names 'LV=LVC'; 'LV=' leaves it out.",
            )
        )
    return read.labels


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


def content_hash(image: Volume) -> str:
    """Return the SHA-256 of an image's shape and voxels (`CohortCase.content_hash`)."""
    digest = hashlib.sha256(str(image.shape_kji).encode())
    digest.update(np.ascontiguousarray(image.array_kji, dtype="<f4").data.cast("B"))
    return digest.hexdigest()
