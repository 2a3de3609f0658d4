"""Preparing a cohort: all of it appears at once, or nothing does."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.config import to_dict, write_json
from CrossModalSegLib.core.errors import (
    CohortError,
    CrossModalSegError,
    GeometryError,
    InputFileError,
    LabelError,
    storage_errors,
)
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.geometry import require_same_grid
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles, Split
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_problems import (
    combine_problems,
    find_double_images,
    warn_of_missing_classes,
)
from CrossModalSegLib.data.cohort_record import (
    CASES_FOLDER,
    COHORT_FILE,
    COHORT_VERSION,
    IMAGE_FILE,
    LABEL_FILE,
    SLICE_CLASSES_FILE,
    CohortCase,
    CohortRecord,
    ImageType,
    SourceFiles,
    listed,
)
from CrossModalSegLib.data.output_folders import replacing_folder, require_free
from CrossModalSegLib.data.preprocessing import (
    Preprocessing,
    prepare_image,
    prepare_labels,
    prepared_affine,
)
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.splits import SplitRule, split_cases
from CrossModalSegLib.data.statistics import (
    IntensitySample,
    count_slice_classes,
    describe_cohort,
    sample_intensities,
)
from CrossModalSegLib.data.volume_files import read_image, read_labels

LabelUse = Literal["required", "optional", "ignored"]

_CaseProblem = (InputFileError, GeometryError, LabelError)
"""What can be wrong with the files of one case."""


@dataclass(frozen=True, kw_only=True)
class CohortSettings:
    """How a cohort is prepared.

    Attributes:
        task: What the labels mean.
        modality: Of all images.
        preprocessing: How slices are made of volumes.
        dataset: Name of the adapter that found the cases.
        labels: "required": every case needs a label map. "optional": all cases have one, or none.
            "ignored": no label map is opened, so that no target label can leak.
        split: How subjects are dealt out where the dataset does not say.
        value_map: From the dataset's label values to the task's.
        image_type: Number type of the stored images; float16 is finer than 0.001 in [-1, 1].
    """

    task: Task
    modality: Modality
    preprocessing: Preprocessing
    dataset: str
    labels: LabelUse = "required"
    split: SplitRule = field(default_factory=SplitRule)
    value_map: Mapping[int, int] | None = None
    image_type: ImageType = "float16"


@dataclass(frozen=True)
class _Prepared:
    """One written case and what the statistics need of it."""

    case: CohortCase
    raw: IntensitySample
    slices: IntensitySample


def prepare_cohort(
    cases: Sequence[CaseFiles],
    settings: CohortSettings,
    output: Path,
    *,
    reporter: Reporter | None = None,
    overwrite: bool = False,
) -> Cohort:
    """Prepare volumes as a cohort folder, one volume in memory at a time.

    Everything is written to a folder beside `output` that takes its name at the end; on an error
    or when cancelled it is removed, and what was at `output` stays. All cases are read before
    problems are reported, so that one run names them all.

    Args:
        cases: As an adapter found them.
        settings: How to prepare them.
        output: The cohort's folder.
        reporter: Hears of progress; may cancel between two cases.
        overwrite: Replace a cohort that is there.

    Raises:
        OutputExistsError: `output` exists and `overwrite` was not asked for.
        CohortError: There are no cases, names are double, labels are missing, one image is given
            under two subjects, or several cases have problems of different kinds.
        InputFileError: A file is missing, damaged or no such volume.
        GeometryError: An image and its label map have different grids.
        LabelError: A label map holds values that the task does not know.
        LeakageError: The dataset puts one subject into two splits.
        StorageError: The disk is full or not writable, or `output` is something else than a cohort.
        Cancelled: The job was cancelled.
    """
    reporter = reporter or silent_reporter()
    require_free(output, COHORT_FILE, overwrite=overwrite)
    chosen = _use_labels(_safely_named(cases, reporter), settings.labels)
    splits, split_rule = split_cases(chosen, settings.split)
    with replacing_folder(output) as folder:
        prepared = _prepare_cases(chosen, splits, settings, folder, reporter)
        record = CohortRecord(
            v=COHORT_VERSION,
            task=settings.task,
            modality=settings.modality,
            dataset=settings.dataset,
            preprocessing=settings.preprocessing,
            split_rule=split_rule,
            image_type=settings.image_type,
            statistics=_describe(prepared),
            cases=tuple(item.case for item in prepared),
        )
        warn_of_missing_classes(record, reporter)
        write_json(folder / COHORT_FILE, to_dict(record))
    return Cohort.open(output)


def _safely_named(cases: Sequence[CaseFiles], reporter: Reporter) -> list[CaseFiles]:
    """Return the cases sorted, with ids that are safe as file names and differ in any case."""
    if not cases:
        raise CohortError("There are no cases to prepare.", hint="Check the dataset's folder.")
    named = [replace(case, id=safe_case_id(case.id)) for case in cases]
    for old, new in zip(cases, named, strict=True):
        if old.id != new.id:
            reporter.warning("case_name", f"Case {old.id!r} is stored under the name {new.id!r}.")
    counts = Counter(case.id.casefold() for case in named)
    double = sorted(case.id for case in named if counts[case.id.casefold()] > 1)
    if double:
        raise CohortError(
            f"Several cases have the same name: {listed(double)}.",
            hint="Give each case a name of its own; capitals do not tell names apart.",
        )
    return sorted(named, key=lambda case: case.id)


def _use_labels(cases: list[CaseFiles], use: LabelUse) -> list[CaseFiles]:
    if use == "ignored":
        return [replace(case, label=None) for case in cases]
    missing = [case.id for case in cases if case.label is None]
    is_complete = not missing or (use == "optional" and len(missing) == len(cases))
    if not is_complete:
        raise CohortError(
            f"{len(missing)} of {len(cases)} cases have no label map: {listed(missing)}.",
            hint="Add the label maps, leave these cases out, or prepare without labels.",
        )
    return cases


def _prepare_cases(
    cases: Sequence[CaseFiles],
    splits: Mapping[str, Split],
    settings: CohortSettings,
    folder: Path,
    reporter: Reporter,
) -> list[_Prepared]:
    prepared: list[_Prepared] = []
    problems: list[CrossModalSegError] = []
    for case in reporter.track(cases, "prepare"):
        try:
            prepared.append(_prepare_case(case, splits[case.id], settings, folder))
        except _CaseProblem as error:
            named = f"Case {case.id!r}: {error.message}"
            problems.append(type(error)(named, hint=error.hint))
    problems += find_double_images([item.case for item in prepared], reporter)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise combine_problems(problems, len(cases))
    return prepared


def _prepare_case(
    files: CaseFiles, split: Split, settings: CohortSettings, folder: Path
) -> _Prepared:
    image, labels = _read(files, settings)
    preprocessing = settings.preprocessing
    slices = prepare_image(image, preprocessing)
    arrays: dict[str, NDArray[Any]] = {IMAGE_FILE: slices.astype(settings.image_type)}
    class_voxels = None
    if labels is not None:
        arrays[LABEL_FILE] = prepare_labels(labels, preprocessing)
        counts = count_slice_classes(arrays[LABEL_FILE], settings.task.num_classes)
        arrays[SLICE_CLASSES_FILE] = counts
        class_voxels = tuple(int(n) for n in counts.sum(axis=0, dtype=np.int64))
    affine = prepared_affine(image, preprocessing)
    case_folder = folder / CASES_FOLDER / files.id
    with storage_errors(case_folder):
        case_folder.mkdir(parents=True)
        checksums = {name: _write_array(case_folder / name, a) for name, a in arrays.items()}
    depth, height, width = slices.shape
    grid = Volume(slices, affine)
    case = CohortCase(
        id=files.id,
        subject=files.subject,
        split=split,
        sources=SourceFiles(
            image=str(files.image.absolute()),
            label=str(files.label.absolute()) if files.label else None,
        ),
        content_hash=_content_hash(image),
        shape=(depth, height, width),
        spacing_mm=grid.spacing_mm,
        affine_ras=tuple(tuple(row) for row in grid.affine_ras.tolist()),
        class_voxels=class_voxels,
        checksums=checksums,
    )
    return _Prepared(case, sample_intensities(image.array_kji), sample_intensities(slices))


def _read(files: CaseFiles, settings: CohortSettings) -> tuple[Volume, Volume | None]:
    image = read_image(files.image)
    if files.label is None:
        return image, None
    if volume_suffix(files.label) == ".seg.nrrd":  # Slicer crops what it saves
        return image, read_segmentation(files.label, settings.task, grid=image)
    labels = read_labels(files.label, task=settings.task, value_map=settings.value_map)
    require_same_grid(image, labels, str(files.image), str(files.label))
    return image, image.with_array(labels.array_kji)  # not even a rounding error apart


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


def _describe(prepared: Sequence[_Prepared]) -> Any:
    counts = [item.case.class_voxels for item in prepared if item.case.class_voxels is not None]
    return describe_cohort(
        [item.raw for item in prepared],
        [item.slices for item in prepared],
        sum(item.case.shape[0] for item in prepared),
        counts or None,
    )
