"""From a volume to its segmentation with one model that stays loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import MismatchError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import (
    prepare_image,
    restore_map,
    restore_probabilities,
)
from CrossModalSegLib.inference.batches import BatchRunner
from CrossModalSegLib.inference.post_processing import post_process
from CrossModalSegLib.inference.result import Notice, SegmentationResult, measure_volumes_ml
from CrossModalSegLib.methods.base import Method


class Predictor:
    """Segments volumes with one model.

    Args:
        method: With its deployed networks loaded; moved to the device.
        config: Of the bundle that the method comes from.
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed"; "auto" is bfloat16 autocast
            where the processor or GPU is fast at it, else float32.
        batch_size: Slices at once; None: by their size.

    Raises:
        DeviceError: The device is not there.
        UnknownNameError: No such device or precision.
        ConfigError: The batch size is not positive.
    """

    def __init__(
        self,
        method: Method,
        config: BundleConfig,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.config = config
        self._runner = BatchRunner(method, device, precision, batch_size)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle | Path | str,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
    ) -> Predictor:
        """Load a bundle, given as such or by its path; the rest as for the class.

        Raises:
            BundleError: It cannot be used.
        """
        if not isinstance(bundle, Bundle):
            bundle = read_bundle(bundle)
        return cls(
            load_method(bundle),
            bundle.config,
            device=device,
            precision=precision,
            batch_size=batch_size,
        )

    @property
    def device(self) -> str:
        """Kind of the device that is in use now."""
        return self._runner.device.type

    def warm_up(self) -> None:
        """Predict one empty slice, so that the first volume does not wait for set-up work."""
        empty = np.zeros((1, *self.config.preprocessing.matrix), np.float32)
        for _ in self._runner.run(empty, lambda _: None):
            pass

    def segment(
        self,
        volume: Volume,
        reporter: Reporter | None = None,
        *,
        with_probabilities: bool = False,
    ) -> SegmentationResult:
        """Segment one volume of the bundle's target modality.

        Args:
            volume: Any orientation, spacing and size.
            reporter: Gets progress and warnings, and is asked between batches whether to stop.
            with_probabilities: Also return the probabilities on the volume's grid.

        Raises:
            InputFileError: The image is constant or has NaN or infinite voxels.
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        began = time.perf_counter()
        log = _NoticeLog(reporter or silent_reporter())
        settings, task = self.config.preprocessing, self.config.task
        predicted = self._predict(prepare_image(volume, settings), log)
        probabilities = None
        if with_probabilities:
            stack = np.stack(list(predicted))
            probabilities = self._restore_each_class(stack, volume)
            predicted = iter(stack)
        labels = restore_probabilities(predicted, volume, settings)
        labels = post_process(labels, self.config.post_processing)
        if not labels.array_kji.any():
            log.add(self._nothing_found())
        return SegmentationResult(
            labels=labels,
            volumes_ml=measure_volumes_ml(labels, task),
            seconds=time.perf_counter() - began,
            device=self.device,
            precision=self._runner.precision,
            warnings=tuple(log.notices),
            probabilities=probabilities,
        )

    def _predict(
        self, slices: NDArray[np.float32], log: _NoticeLog
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the probabilities (class, row, column) of each slice."""
        reporter, done, depth = log.reporter, 0, len(slices)
        reporter.check_cancelled()
        reporter.stage("slices", depth)
        for batch in self._runner.run(slices, log.add):
            reporter.check_cancelled()
            yield from batch
            done += len(batch)
            reporter.progress("slices", done, depth)

    def _restore_each_class(self, stack: NDArray[np.float32], volume: Volume) -> dict[str, Volume]:
        """Bring probabilities (slice, class, row, column) to the volume's grid."""
        settings = self.config.preprocessing
        names = ("background", *self.config.task.class_names)
        return {
            name: restore_map(stack[:, index], volume, settings, outside=float(index == 0))
            for index, name in enumerate(names)
        }

    def _nothing_found(self) -> Notice:
        structures = ", ".join(entry.label for entry in self.config.task.classes)
        return Notice(
            kind="nothing_found",
            message="The model found none of its structures in this image.",
            hint=f"It looks for {structures} in {self.config.modalities.target.label} images.",
        )


class _NoticeLog:
    """Keeps the notices of one prediction and sends them as events."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.notices: list[Notice] = []

    def add(self, notice: Notice) -> None:
        self.notices.append(notice)
        self.reporter.warning(notice.kind, notice.message, notice.hint)


def require_match(config: BundleConfig, *, task: str = "", modality: str = "") -> None:
    """Refuse a bundle that was made for another task or modality than the caller says.

    Args:
        config: Of the bundle.
        task: Name of the task that is wanted; "": any.
        modality: Name of the modality of the images; "": any.

    Raises:
        MismatchError: See above.
    """
    target = config.modalities.target
    if task and task != config.task.name:
        raise MismatchError(
            f"The model {config.name!r} is for the task {config.task.name!r}, not for {task!r}.",
            hint="Choose a model for that task, or leave the task out.",
        )
    if modality and modality != target.name:
        raise MismatchError(
            f"The model {config.name!r} is for {target.label} images ({target.name!r}), not for "
            f"{modality!r}.",
            hint="Choose a model for that modality: on another one its results mean nothing.",
        )
