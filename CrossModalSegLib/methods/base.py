"""What every adaptation method provides, and the one thing the engine provides to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tensors import (
    Images,
    Logits,
    Losses,
    Probabilities,
    Scalar,
    UnpairedBatch,
)


@runtime_checkable
class Update(Protocol):
    """Step one optimizer on one loss: zero its gradients, backward, clip, step.

    Owned by the engine, which alone knows about precision, devices and clipping.
    """

    def __call__(self, optimizer: str, loss: Scalar) -> None:
        """Step the optimizer of that name on `loss`."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One phase of an algorithm: how long, who learns, at which rates, and one iteration of it.

    Attributes:
        name: Verb for people and for the journal, e.g. "adapt".
        iterations: Number of calls of `step`.
        optimizers: By name, in the order in which a step uses them.
        step: One iteration; calls `update` for each optimizer it moves and returns every
            unweighted loss term by name, detached.
        schedules: Learning-rate schedules by optimizer name, stepped after each iteration.
        begin: Called once before the first iteration (not when a run is resumed inside).
    """

    name: str
    iterations: int
    optimizers: Mapping[str, Optimizer]
    step: Callable[[UnpairedBatch, Update], Losses]
    schedules: Mapping[str, LRScheduler] = field(default_factory=dict)
    begin: Callable[[], None] | None = None


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Settings that every method has.

    `ranges` tells forms what is accepted, where that is more than the type says: least and largest
    value by field, None for no limit (`core.setting_help`).
    """

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {
        "num_classes": (2, None),
        "iterations": (1, None),
    }

    num_classes: int = 5
    """Number of classes, background included; set by the task."""

    iterations: int = 20_000
    """Length of the method's own training, in iterations."""

    def __post_init__(self) -> None:
        """Refuse numbers that no training can use.

        Raises:
            ConfigError: Fewer than two classes, or no iterations.
        """
        if self.num_classes < 2 or self.iterations < 1:
            raise ConfigError(
                f"num_classes is {self.num_classes} and iterations is {self.iterations}, "
                "expected at least 2 classes (with background) and 1 iteration."
            )


class Method(nn.Module, ABC):
    """Networks and training stages of an adaptation algorithm.

    Class attributes: `title` and `reference` for people, `config_class` for the registry,
    `uses_target` tells whether training looks at target images at all, `takes_several_images`
    whether a case may have several images, which enter as channels (`backbone.in_channels`).
    """

    title: ClassVar[str]
    reference: ClassVar[str] = ""
    config_class: ClassVar[type[MethodConfig]]
    uses_target: ClassVar[bool] = True
    takes_several_images: ClassVar[bool] = False
    config: MethodConfig

    @property
    @abstractmethod
    def deployed(self) -> tuple[str, ...]:
        """Names of the networks that `predict` needs; only these go into a model bundle."""

    @abstractmethod
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages in order, with fresh optimizers over the present networks."""

    @abstractmethod
    def logits(self, x_t: Images) -> Logits:
        """Return class scores of slices of the modality the method was trained for."""

    def predict(self, x_t: Images) -> Probabilities:
        """Segment slices of the modality the method was trained for."""
        return self.logits(x_t).float().softmax(dim=1)

    def learned_view(self, x_s: Images) -> Images:
        """Return source slices in the style in which the segmenter learns them.

        The model that is kept is chosen by its Dice on these (see `training.selection`).
        """
        return x_s

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:  # noqa: ARG002
        """Return translated slices by glossary name (`x_st`, `x_ts`), for previews; {} if none."""
        return {}

    def maps(self, x_t: Images) -> dict[str, Images]:  # noqa: ARG002
        """Return maps of what the method attends to, by name, of the slices' size; {} if none.

        They use the deployed networks alone, so that a bundle can draw them.
        """
        return {}


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Let gradients flow through `networks` without reaching their weights."""
    weights = [p for network in networks for p in network.parameters() if p.requires_grad]
    for weight in weights:
        weight.requires_grad = False
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad = True


def detached(**losses: Scalar) -> Losses:
    """Return the losses for logging, free of their graphs."""
    return {name: loss.detach() for name, loss in losses.items()}


def polynomial_decay(
    optimizer: Optimizer, iterations: int, *, power: float, hold_fraction: float = 0.0
) -> LambdaLR:
    """Scale the rates by (1 - progress)^power after holding them for a share of the iterations.

    Chen et al. 2017 (DeepLab), https://arxiv.org/abs/1606.00915, Sec. 4.1: the "poly" policy.
    """
    held = hold_fraction * iterations

    def factor(iteration: int) -> float:
        progress = max(0.0, iteration - held) / max(1.0, iterations - held)
        return float(max(0.0, 1.0 - progress) ** power)

    return LambdaLR(optimizer, factor)
