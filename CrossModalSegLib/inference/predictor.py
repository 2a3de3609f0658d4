"""From a volume to its segmentation with one model that stays loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import MismatchError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.tasks import Region
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.foreground import paste
from CrossModalSegLib.data.preprocessing import (
    crop_volume,
    prepare_image,
    restore_map,
    restore_probabilities,
    slices_that_meet,
)
from CrossModalSegLib.inference.batches import BatchRunner
from CrossModalSegLib.inference.modality_check import check_modality
from CrossModalSegLib.inference.post_processing import post_process
from CrossModalSegLib.inference.region import RegionOfInterest
from CrossModalSegLib.inference.result import Notice, SegmentationResult
from CrossModalSegLib.inference.structures import choose_structures, count_voxels, keep_structures
from CrossModalSegLib.inference.uncertainty import restore_with_uncertainty
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
        with_uncertainty: bool = False,
        structures: Sequence[str] = (),
        region: RegionOfInterest | None = None,
    ) -> SegmentationResult:
        """Segment one volume of the bundle's target modality.

        Args:
            volume: Any orientation, spacing and size.
            reporter: Gets progress and warnings, and is asked between batches whether to stop.
            with_probabilities: Also return the probabilities on the volume's grid.
            with_uncertainty: Also return where the model is unsure.
            structures: Names of regions or classes of the task; what they do not need becomes
                background. None given: all.
            region: What lies outside is background, and slices that do not meet it are not
                computed. Intensities are scaled by the whole volume all the same, so that what
                lies inside does not depend on it; rules that clean labels see the inside alone.

        Raises:
            InputFileError: The image is constant or has NaN or infinite voxels.
            GeometryError: The region of interest does not meet the volume.
            UnknownNameError: The task has no such structure.
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        began = time.perf_counter()
        log = _NoticeLog(reporter or silent_reporter())
        wanted = choose_structures(self.config.task, structures)
        part = crop_volume(volume, self.config.preprocessing)
        mask = None if region is None else region.mask(part)
        log.reporter.check_cancelled()
        slices, met = self._prepare(part, mask, log)
        predicted = self._predict(slices, log)
        probabilities = None
        if with_probabilities:
            stack = np.stack(list(predicted))
            probabilities = self._restore_each_class(stack, part, met, volume)
            predicted = iter(stack)
        labels, uncertainty = self._restore(predicted, part, met, with_uncertainty=with_uncertainty)
        labels = paste(_within(mask, labels), volume)
        if uncertainty is not None:
            uncertainty = paste(_within(mask, uncertainty), volume)
        if structures:
            labels = keep_structures(labels, wanted)
        labels = post_process(labels, self.config.post_processing)
        if not labels.array_kji.any():
            log.add(self._nothing_found(wanted))
        return SegmentationResult(
            labels=labels,
            voxels=count_voxels(labels, wanted),
            seconds=time.perf_counter() - began,
            device=self.device,
            precision=self._runner.precision,
            warnings=tuple(log.notices),
            probabilities=probabilities,
            uncertainty=uncertainty,
        )

    def _prepare(
        self, volume: Volume, mask: Volume | None, log: _NoticeLog
    ) -> tuple[NDArray[np.float32], range | None]:
        """Return the slices to predict, and which of all they are; None: all."""
        slices = prepare_image(volume, self.config.preprocessing)
        unusual = check_modality(slices, self.config)
        if unusual is not None:
            log.add(unusual)
        if mask is None:
            return slices, None
        part = slices_that_meet(mask, self.config.preprocessing)
        return slices[part.start : part.stop], part

    def _restore(
        self,
        predicted: Iterator[NDArray[np.float32]],
        volume: Volume,
        part: range | None,
        *,
        with_uncertainty: bool,
    ) -> tuple[Volume, Volume | None]:
        """Return labels and uncertainty on the volume's grid."""
        settings = self.config.preprocessing
        if with_uncertainty:
            return restore_with_uncertainty(predicted, volume, settings, slices=part)
        return restore_probabilities(predicted, volume, settings, slices=part), None

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

    def _restore_each_class(
        self, stack: NDArray[np.float32], part: Volume, met: range | None, volume: Volume
    ) -> dict[str, Volume]:
        """Bring probabilities (slice, class, row, column) of a part to the volume's grid."""
        settings = self.config.preprocessing
        restored = {}
        for index, name in enumerate(("background", *self.config.task.class_names)):
            outside = float(index == 0)
            values = restore_map(stack[:, index], part, settings, outside=outside, slices=met)
            restored[name] = paste(values, volume, outside)
        return restored

    def _nothing_found(self, wanted: Sequence[Region]) -> Notice:
        structures = ", ".join(entry.label for entry in wanted)
        return Notice(
            kind="nothing_found",
            message="The model found none of its structures in this image.",
            hint=f"It looked for {structures} in {self.config.modalities.target.label} images.",
        )


def _within(mask: Volume | None, volume: Volume) -> Volume:
    """Return a volume that is 0 outside a mask."""
    if mask is None:
        return volume
    inside: NDArray[Any] = mask.array_kji
    return volume.with_array(np.where(inside, volume.array_kji, volume.array_kji.dtype.type(0)))


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
