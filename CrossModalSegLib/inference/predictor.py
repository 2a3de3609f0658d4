"""From a volume to its segmentation with one model that stays loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.features import FeatureTap
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.agreement import (
    count_agreement,
    predicted_dice,
    warn_of_little,
)
from CrossModalSegLib.inference.batches import BatchRunner, Compute
from CrossModalSegLib.inference.bundle_match import require_images
from CrossModalSegLib.inference.conclusion import class_names, conclude
from CrossModalSegLib.inference.flips import with_flips
from CrossModalSegLib.inference.modality_check import (
    compare_features,
    compare_intensities,
    warn_of,
)
from CrossModalSegLib.inference.notices import NoticeLog, SliceCount
from CrossModalSegLib.inference.prepared import PreparedImages, prepare_case
from CrossModalSegLib.inference.repeats import Repeats
from CrossModalSegLib.inference.result import SegmentationResult
from CrossModalSegLib.inference.unlikeness import Unlikeness
from CrossModalSegLib.inference.wishes import NOTHING_SPECIAL, Wishes
from CrossModalSegLib.methods.base import Method
from CrossModalSegLib.networks.folding import fold_normalisation

MAPS, QUALITY = "maps", "quality"
"""Stages in which the method's maps are computed, and how good the result probably is."""


class Predictor:
    """Segments volumes with one model.

    Args:
        method: With its deployed networks loaded; moved to the device.
        config: Of the bundle that the method comes from.
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed"; "auto" is bfloat16 autocast
            where the processor or GPU is fast at it, else float32.
        batch_size: Slices at once; None: as many as fit into the free memory and are of use.

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
        method = load_method(bundle)
        fold_normalisation(method)
        return cls(
            method,
            bundle.config,
            device=device,
            precision=precision,
            batch_size=batch_size,
        )

    @property
    def device(self) -> str:
        """Kind of the device that is in use now."""
        return self._runner.device.type

    @property
    def precision(self) -> str:
        """Precision on that device."""
        return self._runner.precision

    def warm_up(self) -> None:
        """Predict one empty slice, so that the first volume does not wait for set-up work."""
        settings = self.config.preprocessing
        empty = np.zeros((1, settings.num_channels, *settings.matrix), np.float32)
        for _ in self._runner.run(empty, lambda _: None):
            pass

    def segment(
        self,
        images: Volume | Sequence[Volume],
        reporter: Reporter | None = None,
        wishes: Wishes = NOTHING_SPECIAL,
    ) -> SegmentationResult:
        """Segment one case: a volume of each modality that the bundle names, in its order.

        The result lies on the grid of the first one, to which the others are resampled.

        Args:
            images: One volume, or as many as the bundle names; any orientation, spacing and size.
            reporter: Gets progress and warnings, and is asked between batches whether to stop.
            wishes: What else is asked for.

        Raises:
            InputFileError: An image is constant or has NaN or infinite voxels, or the bundle takes
                another number of images.
            GeometryError: The region of interest, or an image, does not meet the first image.
            UnknownNameError: The task has no such structure, or there is no such flip.
            ConfigError: A flip makes no sense for this model.
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        began = time.perf_counter()
        log = NoticeLog(reporter or silent_reporter())
        wishes.regions(self.config)
        case = self.prepare(images, wishes, log)
        count, tap = SliceCount(log.reporter, len(case.slices)), self.tap(case)
        predicted = self.predict(case, wishes, log, count, tap)
        probabilities = None
        if wishes.probabilities:
            stack = np.stack(list(predicted))
            probabilities = {
                name: case.restore_values(stack[:, index], outside=float(index == 0))
                for index, name in enumerate(class_names(self.config.task))
            }
            predicted = iter(stack)
        rules = wishes.post_processing or self.config.post_processing
        labels, uncertainty = case.restore(predicted, with_uncertainty=wishes.uncertainty)
        unlikeness = self.check(case, tap, log)
        quality = self.predicted_dice(case, wishes, log) if wishes.quality else None
        return SegmentationResult(
            **conclude(labels, self.config, wishes, rules, log),
            seconds=time.perf_counter() - began,
            device=self.device,
            precision=self.precision,
            probabilities=probabilities,
            uncertainty=uncertainty,
            unlikeness=unlikeness,
            predicted_dice=quality,
            maps=self.maps(case, log) if wishes.maps else None,
        )

    def prepare(
        self, images: Volume | Sequence[Volume], wishes: Wishes, log: NoticeLog
    ) -> PreparedImages:
        """Cut a case into slices.

        Raises:
            InputFileError: As `segment`.
            GeometryError: As `segment`.
            Cancelled: The user stopped it.
        """
        volumes = (images,) if isinstance(images, Volume) else tuple(images)
        require_images(self.config, len(volumes))
        log.reporter.check_cancelled()
        return prepare_case(volumes, self.config.preprocessing, wishes.region)

    def tap(self, case: PreparedImages) -> FeatureTap | None:
        """Return what collects features while a case is predicted.

        None if nothing is known about what is usual, or only a part of the slices is predicted.
        """
        usual = self.config.target_features
        if usual is None or case.met is not None:
            return None
        return FeatureTap(self._runner.method, usual.layer)

    def check(self, case: PreparedImages, tap: FeatureTap | None, log: NoticeLog) -> Unlikeness:
        """Compare a case with the training target, and warn if it does not look like it.

        Args:
            case: The case.
            tap: Collected features while it was predicted.
            log: Gets the warning.
        """
        seen = None if tap is None else tap.description()
        unlikeness = Unlikeness(
            of_images=compare_intensities(case.all_slices, self.config),
            features=compare_features(seen, self.config),
        )
        notice = warn_of(unlikeness, self.config)
        if notice is not None:
            log.add(notice)
        return unlikeness

    def predict(
        self,
        case: PreparedImages,
        wishes: Wishes,
        log: NoticeLog,
        count: SliceCount,
        tap: FeatureTap | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the probabilities (class, row, column) of each slice.

        Args:
            case: The slices.
            wishes: Flips.
            log: Gets what happens when memory runs out.
            count: Gets the progress.
            tap: Collects features of the slices as they are.

        Raises:
            UnknownNameError: There is no such flip.
            ConfigError: A flip makes no sense for this model.
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        flips = wishes.flipped_dims(self.config)

        def compute(method: Method, slices: Tensor) -> Tensor:
            with nullcontext() if tap is None else tap.listening():
                plain = method.predict(slices)
            return with_flips(plain, method.predict, slices, flips)

        return self._compute(case.slices, compute, log, count, tap)

    def predicted_dice(
        self, case: PreparedImages, wishes: Wishes, log: NoticeLog
    ) -> dict[str, float | None]:
        """Return how much the labels agree with those of slightly changed slices, by structure.

        Raises:
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        regions = wishes.regions(self.config)
        count = SliceCount(log.reporter, len(case.slices), QUALITY)
        counts = self._compute(case.slices, count_agreement(regions), log, count)
        found = predicted_dice(counts, regions)
        notice = warn_of_little(found)
        if notice is not None:
            log.add(notice)
        return found

    def maps(self, case: PreparedImages, log: NoticeLog) -> dict[str, Volume]:
        """Return what the method has to show (`Method.maps`), on the grid of the case.

        Maps of several channels become several, numbered from 1.

        Raises:
            DeviceError: The memory is not enough.
            Cancelled: The user stopped it.
        """
        names: list[str] = []

        def compute(method: Method, slices: Tensor) -> Tensor:
            found = method.maps(slices)
            names[:] = [name for key, value in found.items() for name in _channel_names(key, value)]
            if not found:
                return slices.new_zeros((len(slices), 0, *slices.shape[-2:]))
            return torch.cat([value.float() for value in found.values()], dim=1)

        count = SliceCount(log.reporter, len(case.slices), MAPS)
        stack = np.stack(list(self._compute(case.slices, compute, log, count)))
        return {name: case.restore_values(stack[:, at]) for at, name in enumerate(names)}

    def _compute(
        self,
        slices: NDArray[np.float32],
        compute: Compute,
        log: NoticeLog,
        count: SliceCount,
        tap: FeatureTap | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield what is computed of each slice; of slices that repeat, once for all."""
        repeats = Repeats(slices)
        if tap is not None:
            tap.expect(repeats.source)

        def computed() -> Iterator[NDArray[np.float32]]:
            done = 0
            for batch in self._runner.run(repeats.without(slices), log.add, compute):
                if tap is not None:
                    tap.keep()
                count.check_cancelled()
                count.add(int(repeats.counts[done : done + len(batch)].sum()))
                done += len(batch)
                yield from batch

        yield from repeats.spread(computed())


def _channel_names(name: str, values: Tensor) -> list[str]:
    count = values.shape[1]
    return [name] if count == 1 else [f"{name}_{channel + 1}" for channel in range(count)]
