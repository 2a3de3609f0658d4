"""Segmenting files and folders of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import InputFileError, OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.paths import case_name, volume_suffix
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import read_image, write_volume
from CrossModalSegLib.inference.predictor import Predictor, SegmentationResult


@dataclass(frozen=True, kw_only=True)
class SegmentFiles:
    """What to segment and what to write.

    Attributes:
        input: A volume file, or a folder: `<case>/image.*` or flat files.
        output: A file whose ending chooses the format, or a folder for a folder.
        suffix: Ending of the files in an output folder.
        with_probabilities: Write one map a class beside each segmentation.
        overwrite: Replace files that are there.
    """

    input: Path
    output: Path
    suffix: str = ".nii.gz"
    with_probabilities: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class _Job:
    source: Path
    target: Path


def segment_files(
    bundle: Bundle, predictor: Predictor, request: SegmentFiles, reporter: Reporter
) -> list[Path]:
    """Segment a file, or every case of a folder; a JSON file beside each says how.

    Outputs that exist are refused before any work. A case is written whole or not at all; cases
    that are done stay when a later one fails or the job is cancelled.

    Returns:
        The segmentations.

    Raises:
        InputFileError: An input is missing or not an image.
        OutputExistsError: An output exists and `overwrite` was not asked for.
        Cancelled: The job was cancelled.
    """
    jobs = _plan(bundle, request)
    reporter.stage("cases", len(jobs))
    for done, job in enumerate(jobs, start=1):
        reporter.check_cancelled()
        result = predictor.segment(
            read_image(job.source), reporter, with_probabilities=request.with_probabilities
        )
        _write(job, result, bundle, request)
        reporter.progress("cases", done, len(jobs))
    return [job.target for job in jobs]


def _plan(bundle: Bundle, request: SegmentFiles) -> list[_Job]:
    """Pair inputs with outputs and check them all."""
    if request.input.is_dir():
        cases = discover("folder", request.input, bundle.config.target.name).cases
        jobs = [_Job(case.image, request.output / f"{case.id}{request.suffix}") for case in cases]
    elif request.input.is_file():
        jobs = [_Job(request.input, request.output)]
    else:
        raise InputFileError(
            f"{request.input} does not exist.", hint="Give a volume file or a folder of them."
        )
    for job in jobs:
        if not volume_suffix(job.target):
            raise InputFileError(
                f"{job.target.name} has an ending that names no format.",
                hint="Use .nii.gz, .nii, .seg.nrrd, .nrrd or .mha.",
            )
        if job.target.exists() and not request.overwrite:
            raise OutputExistsError(job.target)
    return jobs


def _write(job: _Job, result: SegmentationResult, bundle: Bundle, request: SegmentFiles) -> None:
    task, target = bundle.config.task, job.target
    name = case_name(target)
    for class_name, volume in result.probabilities.items():
        path = target.with_name(f"{name}_probability_{class_name}.nii.gz")
        write_volume(volume, path, overwrite=request.overwrite)
    write_segmentation(result.labels, task, target, overwrite=request.overwrite)
    write_json(target.with_name(f"{name}.json"), _sidecar(job, result, bundle))


def _sidecar(job: _Job, result: SegmentationResult, bundle: Bundle) -> dict[str, Any]:
    return {
        "v": 1,
        "input": str(job.source),
        "model": bundle.config.name,
        "task": bundle.config.task.name,
        "modality": bundle.config.target.name,
        "intended_use": bundle.config.intended_use,
        "volumes_ml": result.volumes_ml,
        "seconds": result.seconds,
        "device": result.device,
        "warnings": list(result.warnings),
        "version": __version__,
    }
