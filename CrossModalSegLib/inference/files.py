"""Segmenting files: a file in, a file out; a folder in, a folder out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.config import to_dict, write_json
from CrossModalSegLib.core.errors import CrossModalSegError, GeometryError, InputFileError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.inference.file_plan import SegmentedCase, SegmentOptions, plan_cases
from CrossModalSegLib.inference.outputs import write_labels, write_map
from CrossModalSegLib.inference.predictor import Predictor, require_match
from CrossModalSegLib.inference.result import SegmentationResult
from CrossModalSegLib.inference.structures import choose_structures

__all__ = ["SegmentOptions", "SegmentedCase", "plan_cases", "segment_files"]

SIDECAR_VERSION = 1


def segment_files(
    bundle: Bundle,
    inputs: Sequence[Path],
    output: Path,
    options: SegmentOptions,
    reporter: Reporter,
) -> list[SegmentedCase]:
    """Segment volume files with one model and write each result with a JSON file beside it.

    Nothing is computed before all inputs and outputs are known to be in order. In a folder a case
    that cannot be read does not stop the others.

    Args:
        bundle: The model.
        inputs: Volume files, or one folder in a layout of `data.adapters.folder`.
        output: For one file: a file (its ending is the format) or a folder; else a folder.
        options: What else was asked for.
        reporter: Gets stages "cases" and "slices" and all warnings; cancels between batches.

    Returns:
        The cases in order.

    Raises:
        MismatchError: The bundle is for another task or modality.
        UnknownNameError: The task has no such structure.
        InputFileError: An input is missing or unusable; of several, the others were segmented.
        OutputExistsError: An output is there and `options.overwrite` is False.
        BundleError: The bundle's weights cannot be used.
        Cancelled: The user stopped it; results that are there are whole.
    """
    require_match(bundle.config, task=options.task, modality=options.modality)
    choose_structures(bundle.config.task, options.structures)
    cases = plan_cases(bundle, inputs, output, options)
    predictor = Predictor.from_bundle(
        bundle,
        device=options.device,
        precision=options.precision,
        batch_size=options.batch_size,
    )
    failures: dict[str, CrossModalSegError] = {}
    for case in reporter.track(cases, "cases"):
        try:
            _segment_case(case, bundle, predictor, options, reporter)
        except (InputFileError, GeometryError) as error:
            if len(cases) == 1:
                raise
            failures[case.case] = error
            reporter.warning(error.kind, f"{case.case}: {error.message}", error.hint)
    if failures:
        listed = "; ".join(f"{case}: {error.message}" for case, error in failures.items())
        raise InputFileError(
            f"{len(failures)} of {len(cases)} cases could not be segmented: {listed}",
            hint="The others were. Correct these and segment them again.",
        )
    return cases


def _segment_case(
    case: SegmentedCase,
    bundle: Bundle,
    predictor: Predictor,
    options: SegmentOptions,
    reporter: Reporter,
) -> None:
    volume = read_image(case.image)
    result = predictor.segment(
        volume,
        reporter,
        with_uncertainty=case.uncertainty is not None,
        structures=options.structures,
    )
    if result.uncertainty is not None and case.uncertainty is not None:
        write_map(result.uncertainty, case.uncertainty, overwrite=options.overwrite)
    write_labels(
        result.labels,
        bundle.config.task,
        case.output,
        structures=options.structures,
        overwrite=options.overwrite,
    )
    write_json(case.sidecar, _sidecar(case, bundle, result))


def _sidecar(case: SegmentedCase, bundle: Bundle, result: SegmentationResult) -> dict[str, Any]:
    config = bundle.config
    return {
        "v": SIDECAR_VERSION,
        "case": case.case,
        "input": str(case.image),
        "output": case.output.name,
        "model": {
            "name": config.name,
            "method": config.method,
            "content_hash": bundle.content_hash,
        },
        "task": config.task.name,
        "modality": config.modalities.target.name,
        "volumes_ml": dict(result.volumes_ml),
        "seconds": result.seconds,
        "device": result.device,
        "precision": result.precision,
        "warnings": to_dict(result.warnings),
        "intended_use": config.intended_use,
        "version": __version__,
    }
