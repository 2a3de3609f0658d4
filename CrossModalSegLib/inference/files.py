"""Segmenting files: a file in, a file out; a folder in, a folder out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, PostProcessing
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import CrossModalSegError, GeometryError, InputFileError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.inference.bundle_match import require_match
from CrossModalSegLib.inference.case_inputs import read_images
from CrossModalSegLib.inference.case_results import describe_result, dicom_origin, write_case
from CrossModalSegLib.inference.ensemble import Ensemble, common_rules, require_alike
from CrossModalSegLib.inference.file_plan import SegmentedCase, SegmentOptions, plan_cases
from CrossModalSegLib.inference.outputs import LabelWriter
from CrossModalSegLib.inference.post_processing import changed_rules
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.region import read_area
from CrossModalSegLib.inference.wishes import Wishes

__all__ = ["SegmentOptions", "SegmentedCase", "plan_cases", "segment_files"]

SIDECAR_VERSION = 1

WRITE = "write"
"""Stage in which results are written."""


def segment_files(
    models: Bundle | Sequence[Bundle],
    inputs: Sequence[Path],
    output: Path,
    options: SegmentOptions,
    reporter: Reporter,
) -> list[SegmentedCase]:
    """Segment cases with one model, or with several as an ensemble.

    Writes each result with a JSON file beside it. Nothing is computed before all inputs and outputs
    are known to be in order. In a folder a case that cannot be read does not stop the others.

    Args:
        models: One, or several of one task and for the same images.
        inputs: As for `case_inputs.find_cases`.
        output: For one case: a file (its ending is the format) or a folder; else a folder.
        options: What else was asked for.
        reporter: Gets stages "cases", "slices" and "write" and all warnings; cancels between
            batches.

    Returns:
        The cases in order.

    Raises:
        MismatchError: A bundle is for another task or modality, or they do not fit together.
        UnknownNameError: The task has no such structure.
        ConfigError: An option makes no sense for these models.
        InputFileError: An input is missing or unusable; of several, the others were segmented.
        OutputExistsError: An output is there and `options.overwrite` is False.
        BundleError: The bundle's weights cannot be used.
        Cancelled: The user stopped it; results that are there are whole.
    """
    bundles = (models,) if isinstance(models, Bundle) else tuple(models)
    configs = [bundle.config for bundle in bundles]
    require_alike(configs)
    for config in configs:
        require_match(config, task=options.task, modality=options.modality)
    wishes = wishes_of(options, configs)
    cases = plan_cases(configs[0].modalities.images, inputs, output, options)
    work = _Work(bundles, load(bundles, options), wishes, options)
    failures: dict[str, CrossModalSegError] = {}
    for case in reporter.track(cases, "cases"):
        try:
            work.do(case, reporter)
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


def load(bundles: Sequence[Bundle], options: SegmentOptions) -> Predictor | Ensemble:
    """Return what predicts with one bundle, or with several.

    Raises:
        BundleError: The weights of one cannot be used.
        DeviceError: The device is not there.
    """
    predictors = [
        Predictor.from_bundle(
            bundle,
            device=options.device,
            precision=options.precision,
            batch_size=options.batch_size,
        )
        for bundle in bundles
    ]
    return predictors[0] if len(predictors) == 1 else Ensemble(predictors)


def wishes_of(options: SegmentOptions, configs: Sequence[BundleConfig]) -> Wishes:
    """Return what is asked of each prediction.

    Raises:
        UnknownNameError: The task has no such structure, or there is no such flip.
        ConfigError: An option makes no sense for these models.
        InputFileError: The mask of the region of interest cannot be read.
    """
    wishes = Wishes(
        structures=options.structures,
        region=read_area(options.region),
        flips=options.flips,
        post_processing=rules_of(options, configs),
        probabilities=options.probabilities is not None,
        uncertainty=options.uncertainty is not None,
        maps=options.maps is not None,
        quality=options.quality,
    )
    for config in configs:
        wishes.regions(config)
        wishes.flipped_dims(config)
    return wishes


def rules_of(options: SegmentOptions, configs: Sequence[BundleConfig]) -> PostProcessing:
    """Return the rules by which labels are cleaned: the models' with the user's changes."""
    return changed_rules(
        common_rules(configs),
        largest_component=options.largest_component,
        minimum_ml=options.minimum_ml,
    )


@dataclass(frozen=True)
class _Work:
    """What is done to each case."""

    bundles: Sequence[Bundle]
    predictor: Predictor | Ensemble
    wishes: Wishes
    options: SegmentOptions

    def do(self, case: SegmentedCase, reporter: Reporter) -> None:
        images = read_images(case.files)
        for note in case.files.notes:
            reporter.warning("dataset_note", f"{case.case}: {note}.")
        result = self.predictor.segment(images, reporter, self.wishes)
        configs = [bundle.config for bundle in self.bundles]
        writer = LabelWriter(
            task=configs[0].task,
            structures=self.options.structures,
            overwrite=self.options.overwrite,
            origin=dicom_origin(case, self.bundles),
        )
        write_case(result, case, writer, reporter, WRITE)
        rules = rules_of(self.options, configs)
        described = describe_result(result, self.bundles, self.wishes, rules)
        sidecar = {
            "v": SIDECAR_VERSION,
            "case": case.case,
            "input": str(case.files.image),
            "inputs": [str(place.image) for place in case.files.images],
            "output": case.output.name,
            **described,
            "version": __version__,
        }
        write_json(case.sidecar, sidecar)
