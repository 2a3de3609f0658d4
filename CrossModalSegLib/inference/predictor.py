"""Segmenting volumes with a method's deployed networks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import DeviceError, MismatchError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import (
    prepare_image,
    restore_map,
    restore_probabilities,
)
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.networks.devices import choose_precision, resolve_device

Precision = Literal["auto", "32-true", "bf16-mixed"]

SLICES_OF_65536_PIXELS = 16
"""Slices of 256x256 in one batch to begin with; smaller slices go in larger batches."""

MAX_BATCH = 128


@dataclass(frozen=True)
class SegmentationResult:
    """What a prediction gives.

    Attributes:
        labels: Class values, uint8, on the input's own grid.
        volumes_ml: Of each region of the task.
        seconds: From the volume in memory to the labels.
        device: Where the networks ran, and in which precision.
        warnings: What the user should know.
        probabilities: By class name, float32 on the input's own grid; empty unless asked for.
    """

    labels: Volume
    volumes_ml: dict[str, float]
    seconds: float
    device: str
    warnings: tuple[str, ...] = ()
    probabilities: Mapping[str, Volume] = field(default_factory=dict)


class Predictor:
    """Keeps a model warm and segments one volume after the other.

    Args:
        method: In evaluation mode, on its device.
        config: The bundle's: preprocessing, task, post-processing.
        device: Where `method` is.
        precision: "auto": bfloat16 where the processor or GPU is fast at it.
        batch_size: Slices at a time; None: by their size. Halved when memory runs out.
    """

    def __init__(
        self,
        method: Method,
        config: BundleConfig,
        *,
        device: torch.device | None = None,
        precision: Precision = "auto",
        batch_size: int | None = None,
    ) -> None:
        self.method, self.config = method, config
        self.device = device or torch.device("cpu")
        self.precision = choose_precision(self.device.type) if precision == "auto" else precision
        rows, columns = config.preprocessing.matrix
        fitting = max(1, SLICES_OF_65536_PIXELS * 65536 // (rows * columns))
        self.batch_size = batch_size or min(MAX_BATCH, fitting)

    @classmethod
    def from_bundle(
        cls,
        bundle: Bundle,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        batch_size: int | None = None,
    ) -> Predictor:
        """Load a bundle's networks onto a device.

        Raises:
            BundleError: The bundle is damaged.
            DeviceError: The device is not there.
        """
        chosen = resolve_device(device)
        method = load_method(bundle, chosen)
        return cls(method, bundle.config, device=chosen, precision=precision, batch_size=batch_size)

    def segment(
        self,
        volume: Volume,
        reporter: Reporter | None = None,
        *,
        with_probabilities: bool = False,
    ) -> SegmentationResult:
        """Segment one volume.

        Args:
            volume: Of the modality that the model was made for, any grid.
            reporter: Hears of each batch; may cancel between two.
            with_probabilities: Return the probability of each class too.

        Raises:
            InputFileError: Voxels are NaN or infinite, or the image is constant.
            DeviceError: Memory ran out even for one slice on the CPU.
            Cancelled: The job was cancelled.
        """
        began = time.perf_counter()
        reporter = reporter or silent_reporter()
        warnings: list[str] = []
        slices = prepare_image(volume, self.config.preprocessing)
        probabilities = self._predict(slices, reporter, warnings)
        labels = restore_probabilities(probabilities, volume, self.config.preprocessing)
        labels = self._postprocess(labels)
        maps = self._restore_maps(probabilities, volume) if with_probabilities else {}
        return SegmentationResult(
            labels=labels,
            volumes_ml=self._volumes_ml(labels),
            seconds=time.perf_counter() - began,
            device=f"{self.device.type}, {self.precision}",
            warnings=tuple(warnings),
            probabilities=maps,
        )

    def _predict(
        self, slices: NDArray[np.float32], reporter: Reporter, warnings: list[str]
    ) -> NDArray[np.float16]:
        """Return probabilities (slice, class, row, column); every slice is predicted once."""
        depth, rows, columns = slices.shape
        result = np.empty((depth, self.config.task.num_classes, rows, columns), np.float16)
        reporter.stage("segment", depth)
        start = 0
        while start < depth:
            reporter.check_cancelled()
            stop = min(depth, start + self.batch_size)
            try:
                result[start:stop] = self._predict_batch(slices[start:stop])
            except torch.OutOfMemoryError as error:
                warnings.append(self._use_less_memory(error))
                reporter.warning("memory", warnings[-1])
                continue
            start = stop
            reporter.progress("segment", start, depth)
        return result

    @torch.inference_mode()
    def _predict_batch(self, slices: NDArray[np.float32]) -> NDArray[np.float16]:
        images = torch.from_numpy(slices)[:, None].to(self.device)
        images = images.to(memory_format=torch.channels_last)
        is_mixed = self.precision != "32-true"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_mixed):
            probabilities = self.method.predict(images)
        return probabilities.to(torch.float16).cpu().numpy()

    def _use_less_memory(self, error: BaseException) -> str:
        """Halve the batch, then leave the GPU; return what was done.

        Raises:
            DeviceError: One slice on the CPU is too much already.
        """
        if self.batch_size > 1:
            self.batch_size //= 2
            return f"Memory ran out; going on with {self.batch_size} slices at a time."
        if self.device.type == "cpu":
            raise DeviceError(
                "Memory ran out for a single slice on the CPU.",
                hint="Close other programs, or choose a smaller model.",
            ) from error
        self.device = torch.device("cpu")
        self.precision = choose_precision("cpu")
        self.method.to(self.device)
        return "The GPU's memory ran out for a single slice; going on with the CPU."

    def _postprocess(self, labels: Volume) -> Volume:
        array = labels.array_kji
        for value in self.config.postprocessing.largest_component:
            parts, count = ndimage.label(array == value)
            if count > 1:
                sizes = np.bincount(parts.ravel())[1:]
                array = np.where((parts > 0) & (parts != 1 + sizes.argmax()), 0, array)
        return labels.with_array(array.astype(np.uint8))

    def _restore_maps(
        self, probabilities: NDArray[np.float16], volume: Volume
    ) -> dict[str, Volume]:
        names = ("background", *self.config.task.class_names)
        return {
            name: restore_map(
                _slices_of(probabilities, value),
                volume,
                self.config.preprocessing,
                outside=1.0 if value == 0 else 0.0,
            )
            for value, name in enumerate(names)
        }

    def _volumes_ml(self, labels: Volume) -> dict[str, float]:
        counts = np.bincount(labels.array_kji.ravel(), minlength=self.config.task.num_classes)
        return {
            region.name: float(sum(counts[value] for value in region.values)) * labels.voxel_ml
            for region in self.config.task.regions
        }


def require_match(config: BundleConfig, *, modality: str = "", task: str = "") -> None:
    """Refuse a model that was made for something else than the user says.

    Args:
        config: The bundle's.
        modality: Name of the input's modality; "": not said.
        task: Name of the task; "": not said.

    Raises:
        MismatchError: The model was made for another modality or task.
    """
    if modality and modality != config.target.name:
        raise MismatchError(
            f"The input is {modality}, and the model {config.name!r} segments "
            f"{config.target.name} ({config.target.label}).",
            hint="Choose a model that was adapted to that modality.",
        )
    if task and task != config.task.name:
        raise MismatchError(
            f"The task is {task}, and the model {config.name!r} is for {config.task.name}.",
            hint="Choose a model for that task.",
        )


def _slices_of(probabilities: NDArray[np.float16], value: int) -> Iterator[NDArray[np.float32]]:
    for classes in probabilities:
        yield classes[value].astype(np.float32)
