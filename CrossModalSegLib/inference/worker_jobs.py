"""What a worker does for each command; torch is imported by the first one that needs it."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.inference.worker_requests import (
    NoArguments,
    Request,
    SegmentArguments,
    WarmUpArguments,
)

if TYPE_CHECKING:
    from CrossModalSegLib.bundle.library import ModelLibrary
    from CrossModalSegLib.inference.ensemble import Ensemble
    from CrossModalSegLib.inference.predictor import Predictor
    from CrossModalSegLib.inference.result import SegmentationResult
    from CrossModalSegLib.inference.worker_models import WarmModels
    from CrossModalSegLib.inference.worker_plan import PlannedWork

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
        from CrossModalSegLib.inference.worker_plan import plan_work

        began = time.perf_counter()
        names = (arguments.model, *arguments.further_models)
        work = plan_work(arguments, [self._library.open(name) for name in names])
        predictor = self._ready(work, arguments, reporter)
        result = self._predict(predictor, work, reporter)
        reporter.check_cancelled()
        outputs = write_outputs(result, work, arguments, reporter)
        described = work.describe(result)
        reporter.done(outputs, {**described, "seconds": time.perf_counter() - began})

    def _ready(
        self, work: PlannedWork, arguments: SegmentArguments, reporter: Reporter
    ) -> Predictor | Ensemble:
        """Return what predicts: a model, or several as one."""
        from CrossModalSegLib.inference.ensemble import Ensemble

        predictors = [
            self._models.get(bundle, arguments.device, arguments.precision, reporter)
            for bundle in work.bundles
        ]
        return predictors[0] if len(predictors) == 1 else Ensemble(predictors)

    def _predict(
        self, predictor: Predictor | Ensemble, work: PlannedWork, reporter: Reporter
    ) -> SegmentationResult:
        from CrossModalSegLib.inference.case_inputs import read_images
        from CrossModalSegLib.inference.worker_models import release_device_memory

        reporter.check_cancelled()
        reporter.stage(READ, 1)
        images = read_images(work.case.files)
        reporter.progress(READ, 1, 1)
        try:
            return predictor.segment(images, reporter, work.wishes)
        except CrossModalSegError:
            raise
        except Exception:
            for bundle in work.bundles:  # who knows what state they are in
                self._models.forget(bundle)
            raise
        finally:
            release_device_memory()


def write_outputs(
    result: SegmentationResult, work: PlannedWork, arguments: SegmentArguments, reporter: Reporter
) -> list[Path]:
    """Write labels and maps, all of them or none.

    Raises:
        StorageError: The disk is full or not writable.
    """
    from CrossModalSegLib.inference.case_results import dicom_origin, write_case
    from CrossModalSegLib.inference.outputs import LabelWriter

    writer = LabelWriter(
        task=work.bundles[0].config.task,
        structures=arguments.structures,
        overwrite=arguments.overwrite,
        compressed=False,
        origin=dicom_origin(work.case, work.bundles),
    )
    return write_case(result, work.case, writer, reporter, RESTORE)
