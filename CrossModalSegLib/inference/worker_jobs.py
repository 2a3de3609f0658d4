"""What a worker does for each command; torch is imported by the first one that needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import (
    ConfigError,
    CrossModalSegError,
    InputFileError,
    OutputExistsError,
)
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.inference.worker_requests import (
    NoArguments,
    Request,
    SegmentArguments,
    WarmUpArguments,
)

if TYPE_CHECKING:
    from CrossModalSegLib.bundle.library import ModelLibrary
    from CrossModalSegLib.bundle.reading import Bundle
    from CrossModalSegLib.bundle.schema import BundleConfig
    from CrossModalSegLib.inference.predictor import Predictor
    from CrossModalSegLib.inference.result import SegmentationResult
    from CrossModalSegLib.inference.worker_models import WarmModels

READ, RESTORE = "read", "restore"
"""Stages beside "load" and "slices": reading the volume, writing the results."""


class WorkerCommands:
    """Segments, warms models up, lists devices.

    Args:
        library: Where models are found by name; by default the user's.
    """

    def __init__(self, library: ModelLibrary | None = None) -> None:
        self._given_library = library

    def run(self, request: Request, reporter: Reporter) -> None:
        """Do what is asked for and report `done`.

        Raises:
            CrossModalSegError: It cannot be done.
            Cancelled: The user stopped it; there are no outputs.
        """
        arguments = request.arguments
        if isinstance(arguments, SegmentArguments):
            self._segment(arguments, reporter)
        elif isinstance(arguments, WarmUpArguments):
            self._warm_up(arguments, reporter)
        elif isinstance(arguments, NoArguments):
            from CrossModalSegLib.inference.worker_devices import describe_devices
            from CrossModalSegLib.inference.worker_models import leave_a_core

            leave_a_core()
            reporter.done([], describe_devices())

    @cached_property
    def _library(self) -> ModelLibrary:
        from CrossModalSegLib.bundle.library import ModelLibrary

        return self._given_library or ModelLibrary()

    @cached_property
    def _models(self) -> WarmModels:
        from CrossModalSegLib.inference.worker_models import WarmModels, leave_a_core

        leave_a_core()
        return WarmModels()

    def _warm_up(self, arguments: WarmUpArguments, reporter: Reporter) -> None:
        began = time.perf_counter()
        bundle = self._library.open(arguments.model)
        predictor = self._models.get(bundle, arguments.device, arguments.precision, reporter)
        reporter.done([], {"seconds": time.perf_counter() - began, "device": predictor.device})

    def _segment(self, arguments: SegmentArguments, reporter: Reporter) -> None:
        began = time.perf_counter()
        bundle = self._library.open(arguments.model)
        require_possible(arguments, bundle.config)
        predictor = self._models.get(bundle, arguments.device, arguments.precision, reporter)
        result = self._predict(predictor, arguments, reporter)
        reporter.check_cancelled()
        outputs = write_outputs(result, bundle.config, arguments, reporter)
        seconds = time.perf_counter() - began
        reporter.done(outputs, summarise(result, bundle, seconds))

    def _predict(
        self, predictor: Predictor, arguments: SegmentArguments, reporter: Reporter
    ) -> SegmentationResult:
        from CrossModalSegLib.data.volume_files import read_image
        from CrossModalSegLib.inference.worker_models import release_device_memory

        reporter.check_cancelled()
        reporter.stage(READ, 1)
        volume = read_image(arguments.inputs[0])
        reporter.progress(READ, 1, 1)
        try:
            return predictor.segment(
                volume,
                reporter,
                with_uncertainty=bool(arguments.uncertainty),
                structures=arguments.structures,
                region=_region(arguments),
            )
        except CrossModalSegError:
            raise
        except Exception:
            self._models.forget(predictor)  # who knows what state it is in
            raise
        finally:
            release_device_memory()


def require_possible(arguments: SegmentArguments, config: BundleConfig) -> None:
    """Refuse what cannot succeed, before anything is loaded.

    Raises:
        MismatchError: The scan is of another modality than the model is for.
        UnknownNameError: The task has no such structure.
        InputFileError: Not as many volumes as the model takes, or an output's ending is unknown.
        ConfigError: The region of interest is no box, or an output would replace an input.
        OutputExistsError: An output is there and must not be replaced.
    """
    from CrossModalSegLib.inference.outputs import require_writable
    from CrossModalSegLib.inference.predictor import require_match
    from CrossModalSegLib.inference.structures import choose_structures

    require_match(config, modality=arguments.modality)
    choose_structures(config.task, arguments.structures)
    _region(arguments)
    if len(arguments.inputs) != 1:
        raise InputFileError(
            f"{len(arguments.inputs)} volumes were given, expected 1: the model "
            f"{config.name!r} takes one {config.modalities.target.label} volume."
        )
    wanted = _outputs(arguments)
    for path in wanted:
        require_writable(path, is_map=path is not wanted[0])
        if path.resolve() == arguments.inputs[0].resolve() or wanted.count(path) > 1:
            raise ConfigError(
                f"The output {path} would replace an input or another output.",
                hint="Give each of them a name of its own.",
            )
        if path.exists() and not arguments.overwrite:
            raise OutputExistsError(path)


def write_outputs(
    result: SegmentationResult,
    config: BundleConfig,
    arguments: SegmentArguments,
    reporter: Reporter,
) -> list[Path]:
    """Write labels and, if asked for, the uncertainty map: both or neither.

    Raises:
        StorageError: The disk is full or not writable.
    """
    from CrossModalSegLib.inference.outputs import write_labels, write_map

    paths = _outputs(arguments)
    writers: list[Callable[[], None]] = [
        lambda: write_labels(
            result.labels,
            config.task,
            paths[0],
            structures=arguments.structures,
            overwrite=arguments.overwrite,
            compressed=False,
        )
    ]
    uncertainty = result.uncertainty
    if uncertainty is not None:
        writers.append(
            lambda: write_map(
                uncertainty, paths[1], overwrite=arguments.overwrite, compressed=False
            )
        )
    written: list[Path] = []
    try:
        for path, write in zip(paths, reporter.track(writers, RESTORE), strict=True):
            write()
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def summarise(result: SegmentationResult, bundle: Bundle, seconds: float) -> Mapping[str, Any]:
    """Return what the event `done` says of a segmentation."""
    config = bundle.config
    return {
        "volumes_ml": result.volumes_ml,
        "voxels": dict(result.voxels),
        "seconds": seconds,
        "device": result.device,
        "precision": result.precision,
        "task": config.task.name,
        "modality": config.modalities.target.name,
        "warnings": to_dict(result.warnings),
        "model": {"name": config.name, "content_hash": bundle.content_hash},
        "intended_use": config.intended_use,
    }


def _outputs(arguments: SegmentArguments) -> list[Path]:
    maps = [Path(arguments.uncertainty)] if arguments.uncertainty else []
    return [arguments.output, *maps]


def _region(arguments: SegmentArguments) -> Any:
    from CrossModalSegLib.inference.region import RegionOfInterest

    numbers = arguments.ras_to_box
    return None if numbers is None else RegionOfInterest.from_numbers(numbers)
