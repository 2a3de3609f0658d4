"""Writing everything that came of one case, and saying how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_segmentation import DicomOrigin
from CrossModalSegLib.inference.case_inputs import dicom_series
from CrossModalSegLib.inference.file_plan import MAP_SUFFIX, SegmentedCase
from CrossModalSegLib.inference.outputs import LabelWriter, write_map
from CrossModalSegLib.inference.result import SegmentationResult
from CrossModalSegLib.inference.unlikeness import Unlikeness
from CrossModalSegLib.inference.wishes import Wishes

HASH_CHARACTERS = 16
"""Of a bundle's content hash, where it stands for the model's version in a DICOM object."""


def write_case(
    result: SegmentationResult,
    case: SegmentedCase,
    writer: LabelWriter,
    reporter: Reporter,
    stage: str,
) -> list[Path]:
    """Write labels and maps: all of them or none.

    Args:
        result: Of the case.
        case: Says what goes where.
        writer: Writes the labels; its `compressed` and `overwrite` are those of maps, too.
        reporter: Gets a stage with a step for each file.
        stage: Its name.

    Returns:
        The files, labels first.

    Raises:
        OutputExistsError: A file is there and may not be replaced.
        StorageError: The disk is full or not writable.
        Cancelled: The user stopped it.
    """
    tasks: dict[Path, Callable[[], None]] = {
        case.output: lambda: writer.write(result.labels, case.output)
    }
    for path, volume in _maps(result, case).items():
        tasks[path] = partial(
            write_map, volume, path, overwrite=writer.overwrite, compressed=writer.compressed
        )
    written: list[Path] = []
    try:
        for path, write in reporter.track(tasks.items(), stage, len(tasks)):
            write()
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def dicom_origin(case: SegmentedCase, bundles: Sequence[Bundle]) -> DicomOrigin | None:
    """Return what a DICOM segmentation says of its source; None if the case is no DICOM."""
    series = dicom_series(case.files)
    if not series:
        return None
    versions = "+".join(bundle.content_hash[:HASH_CHARACTERS] for bundle in bundles)
    return DicomOrigin(series=series, model=models_name(bundles), model_version=versions)


def models_name(bundles: Sequence[Bundle]) -> str:
    """Return the names of the models."""
    return " + ".join(bundle.config.name for bundle in bundles)


def describe_result(
    result: SegmentationResult, bundles: Sequence[Bundle], wishes: Wishes, rules: PostProcessing
) -> dict[str, Any]:
    """Return how a segmentation was made and what came of it, as plain values.

    Args:
        result: Of the case.
        bundles: The models.
        wishes: What was asked for.
        rules: By which labels were cleaned.
    """
    config = bundles[0].config
    models = [
        {
            "name": bundle.config.name,
            "method": bundle.config.method,
            "content_hash": bundle.content_hash,
        }
        for bundle in bundles
    ]
    several = {"name": models_name(bundles), "method": "ensemble", "content_hash": ""}
    return {
        "model": models[0] if len(models) == 1 else several,
        "models": models,
        "task": config.task.name,
        "modality": config.modalities.target.name,
        "modalities": [modality.name for modality in config.modalities.images],
        "volumes_ml": dict(result.volumes_ml),
        "voxels": dict(result.voxels),
        "seconds": result.seconds,
        "device": result.device,
        "precision": result.precision,
        "flips": list(wishes.flips),
        "post_processing": to_dict(rules),
        "has_region": wishes.region is not None,
        "unlikeness": _unlikeness(result),
        "predicted_dice": None if result.predicted_dice is None else dict(result.predicted_dice),
        "warnings": to_dict(result.warnings),
        "intended_use": config.intended_use,
    }


def _unlikeness(result: SegmentationResult) -> dict[str, float | None]:
    found = result.unlikeness or Unlikeness()
    return {
        "score": found.score,
        "intensities": found.intensities,
        "features": found.features,
    }


def _maps(result: SegmentationResult, case: SegmentedCase) -> dict[Path, Volume]:
    """Return every map that is wanted, by its file."""
    found: dict[Path, Volume] = {}
    if case.uncertainty is not None and result.uncertainty is not None:
        found[case.uncertainty] = result.uncertainty
    named: list[tuple[Path | None, Mapping[str, Volume] | None]]
    named = [(case.probabilities, result.probabilities), (case.maps, result.maps)]
    for folder, volumes in named:
        if folder is not None:
            found |= {folder / f"{name}{MAP_SUFFIX}": v for name, v in (volumes or {}).items()}
    return found
