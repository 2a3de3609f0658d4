"""What a worker is to do for a request, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.errors import ConfigError, InputFileError
from CrossModalSegLib.inference.bundle_match import require_images, require_match
from CrossModalSegLib.inference.case_inputs import find_cases
from CrossModalSegLib.inference.case_results import describe_result
from CrossModalSegLib.inference.ensemble import require_alike
from CrossModalSegLib.inference.file_plan import SegmentedCase, SegmentOptions, require_outputs
from CrossModalSegLib.inference.files import rules_of, wishes_of
from CrossModalSegLib.inference.region import RegionOfInterest
from CrossModalSegLib.inference.result import SegmentationResult
from CrossModalSegLib.inference.wishes import Wishes
from CrossModalSegLib.inference.worker_requests import SegmentArguments


@dataclass(frozen=True, kw_only=True)
class PlannedWork:
    """One case, with which models and what else is wanted.

    Attributes:
        bundles: The models.
        case: The images and where results go.
        wishes: What is asked of the prediction.
        options: The same as the command line says it.
    """

    bundles: Sequence[Bundle]
    case: SegmentedCase
    wishes: Wishes
    options: SegmentOptions

    def describe(self, result: SegmentationResult) -> Mapping[str, Any]:
        """Return what the event `done` says of a segmentation."""
        rules = rules_of(self.options, [bundle.config for bundle in self.bundles])
        return describe_result(result, self.bundles, self.wishes, rules)


def plan_work(arguments: SegmentArguments, bundles: Sequence[Bundle]) -> PlannedWork:
    """Say what is to be done, and refuse what cannot succeed.

    Args:
        arguments: Of the request.
        bundles: Its models.

    Raises:
        MismatchError: The scan is of another modality than a model is for, or the models do not
            fit together.
        UnknownNameError: The task has no such structure, or there is no such flip.
        InputFileError: Not as many images as the model takes, or an output's ending is unknown.
        ConfigError: The region of interest is none, an option makes no sense for the models, or
            an output would replace an input.
        OutputExistsError: An output is there and must not be replaced.
    """
    configs = [bundle.config for bundle in bundles]
    require_alike(configs)
    for config in configs:
        require_match(config, modality=arguments.modality)
    options = _options(arguments)
    wishes = wishes_of(options, configs)
    if arguments.ras_to_box is not None:
        if arguments.region:
            raise ConfigError("Both 'ras_to_box' and 'region' were given, expected one of them.")
        area = RegionOfInterest.from_numbers(arguments.ras_to_box)
        wishes = replace(wishes, region=area)
    case = _case(arguments, bundles)
    require_outputs([case], sidecars=False, overwrite=arguments.overwrite)
    return PlannedWork(bundles=bundles, case=case, wishes=wishes, options=options)


def _options(arguments: SegmentArguments) -> SegmentOptions:
    return SegmentOptions(
        series=arguments.series,
        structures=arguments.structures,
        region=arguments.region,
        flips=arguments.flips,
        largest_component=arguments.largest_component,
        minimum_ml=arguments.minimum_ml,
        uncertainty=_path(arguments.uncertainty),
        probabilities=_path(arguments.probabilities),
        maps=_path(arguments.maps),
        quality=arguments.quality,
        overwrite=arguments.overwrite,
    )


def _case(arguments: SegmentArguments, bundles: Sequence[Bundle]) -> SegmentedCase:
    """Return the one case that is meant, with its outputs."""
    config = bundles[0].config
    images = config.modalities.images
    if len(images) == 1:
        require_images(config, len(arguments.inputs))
    cases = find_cases(arguments.inputs, images, arguments.series)
    if len(cases) != 1:
        raise InputFileError(
            f"{arguments.inputs[0]} holds {len(cases)} cases, expected one.",
            hint="Give the images of one case.",
        )
    return SegmentedCase(
        files=cases[0],
        output=arguments.output,
        uncertainty=_path(arguments.uncertainty),
        probabilities=_path(arguments.probabilities),
        maps=_path(arguments.maps),
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
