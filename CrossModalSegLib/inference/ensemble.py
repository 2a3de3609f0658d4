"""Several models of one task as one: the mean of their probabilities."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bundle.features import FeatureTap
from CrossModalSegLib.bundle.schema import BundleConfig, PostProcessing
from CrossModalSegLib.core.errors import ConfigError, MismatchError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.conclusion import class_names, conclude
from CrossModalSegLib.inference.notices import NoticeLog, SliceCount
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.prepared import PreparedImages, within
from CrossModalSegLib.inference.result import SegmentationResult
from CrossModalSegLib.inference.stacks import Stack, stack_slices
from CrossModalSegLib.inference.uncertainty import add_entropy
from CrossModalSegLib.inference.wishes import NOTHING_SPECIAL, Wishes


class Ensemble:
    """Segments volumes with several models, each of which counts the same.

    Probabilities are averaged on the volume's own grid, class by class: models may cut slices in
    other planes, sizes and spacings. Beside each model's slices (`stacks`), a few arrays of the
    volume's size are in memory, however many classes and models there are.

    Args:
        predictors: At least one; a single one gives the results that it gives alone.

    Raises:
        ConfigError: There is none.
        MismatchError: They are for other tasks or images.
    """

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        require_alike([predictor.config for predictor in predictors])
        self._predictors = tuple(predictors)

    @property
    def device(self) -> str:
        """Kinds of the devices that are in use now."""
        return _joined(predictor.device for predictor in self._predictors)

    @property
    def precision(self) -> str:
        """Precisions on them."""
        return _joined(predictor.precision for predictor in self._predictors)

    @property
    def config(self) -> BundleConfig:
        """What the models have in common is what the first one says; rules are those of all."""
        return self._predictors[0].config

    def segment(
        self,
        images: Volume | Sequence[Volume],
        reporter: Reporter | None = None,
        wishes: Wishes = NOTHING_SPECIAL,
    ) -> SegmentationResult:
        """Segment one case; as `Predictor.segment`.

        Rules that clean labels are those that all models have, unless the user wants others.

        Raises:
            StorageError: The disk for temporary files is full.
            CrossModalSegError: As `Predictor.segment`.
        """
        if len(self._predictors) == 1:
            return self._predictors[0].segment(images, reporter, wishes)
        began = time.perf_counter()
        log = NoticeLog(reporter or silent_reporter())
        wishes.regions(self.config)
        for predictor in self._predictors:  # refuse what one of them cannot before any computes
            wishes.flipped_dims(predictor.config)
        cases = [predictor.prepare(images, wishes, log) for predictor in self._predictors]
        taps = [p.tap(case) for p, case in zip(self._predictors, cases, strict=True)]
        mean = self._mean(cases, wishes, log, taps)
        members = zip(self._predictors, cases, taps, strict=True)
        checks = [predictor.check(case, tap, log) for predictor, case, tap in members]
        rules = wishes.post_processing or common_rules([p.config for p in self._predictors])
        inside = None if wishes.region is None else wishes.region.mask(cases[0].grid)
        return SegmentationResult(
            **conclude(within(inside, mean.labels), self.config, wishes, rules, log),
            seconds=time.perf_counter() - began,
            device=self.device,
            precision=self.precision,
            probabilities=mean.probabilities if wishes.probabilities else None,
            uncertainty=None if mean.uncertainty is None else within(inside, mean.uncertainty),
            predicted_dice=self._quality(cases, wishes, log) if wishes.quality else None,
            unlikeness=max(checks, key=lambda check: check.score or 0.0),
            maps=self._maps(cases, log) if wishes.maps else None,
        )

    def _mean(
        self,
        cases: Sequence[PreparedImages],
        wishes: Wishes,
        log: NoticeLog,
        taps: Sequence[FeatureTap | None],
    ) -> _MeanOfModels:
        count = SliceCount(log.reporter, sum(len(case.slices) for case in cases))
        num_classes = self.config.task.num_classes
        stacks = [
            stack_slices(
                predictor.predict(case, wishes, log, count, tap),
                (len(case.slices), num_classes, *case.settings.matrix),
            )
            for predictor, case, tap in zip(self._predictors, cases, taps, strict=True)
        ]
        names = class_names(self.config.task)
        mean = _MeanOfModels(cases[0].grid, num_classes, with_uncertainty=wishes.uncertainty)
        for index, name in enumerate(names):
            log.reporter.check_cancelled()
            share = _share(stacks, cases, index)
            mean.add(index, share)
            if wishes.probabilities:
                mean.probabilities[name] = cases[0].grid.with_array(share)
        return mean

    def _quality(
        self, cases: Sequence[PreparedImages], wishes: Wishes, log: NoticeLog
    ) -> dict[str, float | None]:
        """Return the mean of what the models say of themselves."""
        members = zip(self._predictors, cases, strict=True)
        found = [predictor.predicted_dice(case, wishes, log) for predictor, case in members]
        known = {name: [each[name] for each in found] for name in found[0]}
        means = {name: [v for v in values if v is not None] for name, values in known.items()}
        return {name: fmean(values) if values else None for name, values in means.items()}

    def _maps(self, cases: Sequence[PreparedImages], log: NoticeLog) -> dict[str, Volume]:
        found: dict[str, Volume] = {}
        for predictor, case in zip(self._predictors, cases, strict=True):
            maps = predictor.maps(case, log)
            found |= {f"{predictor.config.name}_{name}": volume for name, volume in maps.items()}
        return found


def require_alike(configs: Sequence[BundleConfig]) -> None:
    """Refuse models that cannot be averaged.

    Raises:
        ConfigError: There is none.
        MismatchError: They are for other tasks or images.
    """
    if not configs:
        raise ConfigError("No model was given, expected at least one.")
    first = configs[0]
    for other in configs[1:]:
        if other.task != first.task:
            raise MismatchError(
                f"The model {first.name!r} is for the task {first.task.name!r}, {other.name!r} for "
                f"{other.task.name!r}; expected models of one task, with the same classes.",
                hint="Use them one by one.",
            )
        if other.modalities.images != first.modalities.images:
            raise MismatchError(
                f"The model {first.name!r} takes {first.modalities.images_label} images, "
                f"{other.name!r} takes {other.modalities.images_label}; expected the same.",
                hint="Use them one by one.",
            )


def common_rules(configs: Sequence[BundleConfig]) -> PostProcessing:
    """Return the rules that clean no more than those of each model do."""
    rules = [config.post_processing for config in configs]
    return PostProcessing(
        largest_component=all(rule.largest_component for rule in rules),
        minimum_ml=min(rule.minimum_ml for rule in rules),
    )


@dataclass
class _MeanOfModels:
    """Gathers the classes' probabilities: the most probable class so far, and the entropy.

    Attributes:
        probabilities: Those that were put in.
    """

    grid: Volume
    num_classes: int
    with_uncertainty: bool = field(kw_only=True)
    probabilities: dict[str, Volume] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._labels = np.zeros(self.grid.shape_kji, np.uint8)
        self._best: NDArray[np.float32] | None = None
        self._entropy: NDArray[np.float32] | None = None
        if self.with_uncertainty:
            self._entropy = np.zeros(self.grid.shape_kji, np.float32)

    def add(self, value: int, share: NDArray[np.float32]) -> None:
        """Add a class' mean probabilities (k, j, i); ties go to the lower value."""
        if self._entropy is not None:
            add_entropy(self._entropy, share)
        if self._best is None:
            self._best = share.copy()
            return
        wins = share > self._best
        self._labels[wins] = value
        np.copyto(self._best, share, where=wins)

    @property
    def labels(self) -> Volume:
        """The most probable classes."""
        return self.grid.with_array(self._labels)

    @property
    def uncertainty(self) -> Volume | None:
        """The normalised entropy, 0 to 1; None if it is not wanted."""
        if self._entropy is None:
            return None
        scaled = self._entropy / np.float32(np.log(self.num_classes))
        return self.grid.with_array(np.clip(scaled, 0.0, 1.0))


def _joined(names: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(names))


def _share(
    stacks: Sequence[Stack], cases: Sequence[PreparedImages], index: int
) -> NDArray[np.float32]:
    """Return the models' mean probability of a class on the grid of the volume."""
    total = np.zeros(cases[0].grid.shape_kji, np.float32)
    for stack, case in zip(stacks, cases, strict=True):
        total += case.restore_values(stack[:, index], outside=float(index == 0)).array_kji
    total /= len(stacks)
    return total
