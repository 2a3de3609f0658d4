"""Segmentation without adaptation: the lower and the upper bound of every table.

`source_only` learns from the labelled source alone and is then asked about the target: the papers'
"no adaptation". `source_only_augmented` is the same with random changes of appearance, so that
nobody mistakes augmentation for adaptation. `supervised` learns from labelled target images: its
source cohort *is* the target's, and it is no adaptation method but the papers' upper bound.

By default the network, the loss and the rate are those of DSAN's segmentation sub-network
(Sec. III.B and III.D). No paper prints how its bounds were trained: the `paper` presets give them
the network and the schedule of the method that they bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch.optim import SGD, AdamW, Optimizer

from CrossModalSegLib.core.tensors import Images, Logits, Losses, UnpairedBatch
from CrossModalSegLib.data.augmentation import STRONG_APPEARANCE, AppearanceAugmentation
from CrossModalSegLib.losses.segmentation import (
    ClassWeights,
    cross_entropy_dice,
    cross_entropy_generalised_dice,
)
from CrossModalSegLib.methods.base import (
    Method,
    MethodConfig,
    Stage,
    Update,
    detached,
    polynomial_decay,
)
from CrossModalSegLib.networks.backbones import PAPER_BACKBONE, Backbone


@dataclass(frozen=True, kw_only=True)
class SourceOnlyConfig(MethodConfig):
    """Settings of a plain segmenter. The rates follow DSAN's segmenter where it has one."""

    backbone: Backbone = PAPER_BACKBONE
    """DSAN, Sec. III.D."""
    class_weights: ClassWeights = "inverse_frequency"
    """As DSAN's default."""
    generalised_dice: bool = False
    """Cross-entropy and generalised Dice (BiGL, Eq. 4), without class weights, in place of
    cross-entropy and the mean Dice of the structures."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW is Adam (DSAN, Sec. IV.A.2) where there is no weight decay."""
    learning_rate: float = 2e-4
    """DSAN, Sec. IV.A.2."""
    momentum: float = 0.9
    """Of SGD (GLUA, Sec. IV.A.1)."""
    weight_decay: float = 0.0
    """None is named in DSAN."""
    decay_power: float = 0.9
    """Power of the polynomial decay over the whole training (DeepLab); 0: none."""
    appearance: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Random change of the images that are segmented."""


@dataclass(frozen=True, kw_only=True)
class SourceOnlyAugmentedConfig(SourceOnlyConfig):
    """The same with the appearance augmentation of the adaptation methods' quick presets."""

    appearance: AppearanceAugmentation = STRONG_APPEARANCE


class SourceOnly(Method):
    """A segmenter of labelled slices, without any adaptation."""

    title = "Source only"
    config_class = SourceOnlyConfig
    uses_target = False
    takes_several_images = True
    config: SourceOnlyConfig

    def __init__(self, config: SourceOnlyConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.backbone.encoder()
        self.classifier = config.backbone.classifier(config.num_classes)

    @property
    def deployed(self) -> tuple[str, ...]:
        """Everything."""
        return ("encoder", "classifier")

    def stages(self) -> tuple[Stage, ...]:
        """Return the one stage."""
        config = self.config
        optimizer = self._optimizer()
        schedule = polynomial_decay(optimizer, config.iterations, power=config.decay_power)
        return (
            Stage(
                name="segment",
                iterations=config.iterations,
                optimizers={"segment": optimizer},
                schedules={"segment": schedule},
                step=self.step,
            ),
        )

    def _optimizer(self) -> Optimizer:
        config, weights = self.config, list(self.parameters())
        rate, decay = config.learning_rate, config.weight_decay
        if config.optimizer == "sgd":
            return SGD(weights, rate, config.momentum, weight_decay=decay)
        return AdamW(weights, rate, weight_decay=decay)

    def step(self, batch: UnpairedBatch, update: Update) -> Losses:
        """Learn from the labelled slices; the target slices are not looked at."""
        logits = self.logits(self.config.appearance(batch.x_s))
        if self.config.generalised_dice:
            seg = cross_entropy_generalised_dice(logits, batch.y_s)
        else:
            seg = cross_entropy_dice(logits, batch.y_s, class_weights=self.config.class_weights)
        update("segment", seg)
        return detached(seg=seg)

    def logits(self, x_t: Images) -> Logits:
        """Segment with the one network there is."""
        logits: Logits = self.classifier(self.encoder(x_t))
        return logits


class SourceOnlyAugmented(SourceOnly):
    """A segmenter of source slices whose appearance is changed at random."""

    title = "Source only, augmented"
    config_class = SourceOnlyAugmentedConfig


class Supervised(SourceOnly):
    """A segmenter of labelled target slices: the upper bound, not an adaptation method."""

    title = "Supervised on target"
