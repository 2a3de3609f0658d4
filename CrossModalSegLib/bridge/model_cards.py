"""What pages show of one model, usable or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.bridge.model_card_html import (
    adaptation_text,
    best_known_scores,
    card_html,
    mean_dice,
    measured_on,
    method_title,
    size_text,
)
from CrossModalSegLib.bundle.library import LibraryEntry
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import BundleError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task


@dataclass(frozen=True)
class ModelCard:
    """One model of the library, usable or not.

    What only a usable model has (task, modalities) raises `BundleError` with the reason otherwise.
    """

    entry: LibraryEntry

    @property
    def name(self) -> str:
        """Unique name in the library, by which the worker and scripts know it."""
        return self.entry.name

    @property
    def problem(self) -> str:
        """Why it cannot be used, or ""."""
        return self.entry.problem

    @property
    def is_usable(self) -> bool:
        """Whether it can segment."""
        return self.entry.config is not None

    @property
    def is_shipped(self) -> bool:
        """Whether it came with the program and cannot be deleted."""
        return self.entry.origin == "shipped"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.entry.path

    @property
    def size_bytes(self) -> int:
        """Size on the disk."""
        return self.entry.num_bytes

    @property
    def config(self) -> BundleConfig:
        """What the bundle says.

        Raises:
            BundleError: It cannot be used.
        """
        if self.entry.config is None:
            raise BundleError(f"The model {self.name!r} cannot be used: {self.problem}")
        return self.entry.config

    @property
    def title(self) -> str:
        """Name for people."""
        return self.config.title if self.is_usable else self.name

    @property
    def task(self) -> Task:
        """What it segments."""
        return self.config.task

    @property
    def source_modality(self) -> Modality:
        """Where the labels came from."""
        return self.config.modalities.source

    @property
    def target_modality(self) -> Modality:
        """What it is for; where it takes several images of one case, the first of them."""
        return self.config.modalities.target

    @property
    def input_modalities(self) -> tuple[str, ...]:
        """Labels of the volumes that it needs, in order."""
        return tuple(modality.label for modality in self.config.modalities.images)

    @property
    def structures(self) -> tuple[str, ...]:
        """Labels of what it segments; none if it cannot be used."""
        return tuple(r.label for r in self.task.regions) if self.is_usable else ()

    @property
    def task_text(self) -> str:
        """Label of the task, or that it cannot be used."""
        return self.task.label if self.is_usable else "cannot be used"

    @property
    def adaptation(self) -> str:
        """From which modality to which, e.g. "CT → bSSFP MR"; "" if it cannot be used."""
        return adaptation_text(self.config) if self.is_usable else ""

    @property
    def method(self) -> str:
        """Name of its method for people; "" if it cannot be used."""
        return method_title(self.config.method) if self.is_usable else ""

    @property
    def licence(self) -> str:
        """SPDX identifier of the weights' licence; "" if it cannot be used."""
        return self.config.licence if self.is_usable else ""

    @property
    def intended_use(self) -> str:
        """What it may be used for; "" if it cannot be used."""
        return self.config.intended_use if self.is_usable else ""

    @property
    def size_text(self) -> str:
        """Size on the disk as people write it."""
        return size_text(self.size_bytes)

    @property
    def short_score(self) -> str:
        """Mean Dice in a few characters; "-" where none is known."""
        scores = best_known_scores(self.config) if self.is_usable else None
        return "-" if scores is None else f"{100 * mean_dice(scores):.1f} %"

    @property
    def scores_text(self) -> str:
        """Mean Dice and on what it was measured; "" if it cannot be used."""
        if not self.is_usable:
            return ""
        scores = best_known_scores(self.config)
        if scores is None:
            return "scores not measured"
        return f"Dice {self.short_score} over {measured_on(scores)}"

    def html(self) -> str:
        """Return its card."""
        return card_html(self.entry)

    def mentions(self, text: str) -> bool:
        """Tell whether each word of a search is somewhere in what the card says."""
        said = " ".join(
            (
                *(self.name, self.title, self.task_text, self.adaptation, self.method),
                *self.structures,
            )
        ).casefold()
        return all(word in said for word in text.casefold().split())
