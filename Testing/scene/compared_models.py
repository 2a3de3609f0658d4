"""Models that are only made up, for pages and runs that compare several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import numpy as np

from CrossModalSegLib.bridge.installation import InstallationState, Installer
from CrossModalSegLib.bridge.job_log import JobLog
from CrossModalSegLib.bridge.model_catalogue import ModelCard, ModelCatalogue
from CrossModalSegLib.bridge.segment_service import SegmentService
from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.core.modalities import MODALITIES, Modality
from CrossModalSegLib.core.tasks import TASKS, Task
from CrossModalSegLib.core.volume import Volume
from Testing.scene.fake_worker import FakeJobs


@dataclass(frozen=True)
class Card:
    """What the pages ask of a `ModelCard`."""

    name: str
    title: str
    task: Task = TASKS["cardiac"]
    target_modality: Modality = MODALITIES["mr_bssfp"]
    input_modalities: tuple[str, ...] = ("bSSFP MR",)
    is_usable: bool = True

    def as_card(self) -> ModelCard:
        """Return this as what it stands for."""
        return cast("ModelCard", self)


@dataclass
class Models:
    """A catalogue of made-up models, each of which moves what it sees by so many voxels.

    Attributes:
        shifts: By name.
        broken: Names of those that fail.
    """

    shifts: dict[str, int] = field(default_factory=lambda: {"bigl": 0, "dsan": 1, "glua": 2})
    broken: set[str] = field(default_factory=set)

    def entries(self) -> tuple[ModelCard, ...]:
        """Return the cards."""
        return tuple(self.card(name) for name in self.shifts)

    def card(self, name: str) -> ModelCard:
        """Return one card."""
        return Card(name, f"Hearts by {name.upper()}").as_card()


class Jobs(FakeJobs):
    """A worker within this process that runs these models."""

    def __init__(self, models: Models) -> None:
        super().__init__(segment=self._apply)
        self.log = JobLog()
        self.active_jobs: tuple[str, ...] = ()
        self._models = models

    def shutdown(self) -> None:
        """Nothing runs."""

    def _apply(self, images: list[Volume]) -> Volume:
        name = str(self.requests[-1]["model"])
        if name in self._models.broken:
            raise RunError(f"{name} is broken.", hint="Mend it.")
        labels = np.rint(images[0].array_kji / 100).astype(np.uint8)
        return images[0].with_array(np.roll(labels, self._models.shifts[name], axis=2))


class Ready:
    """An installer that finds everything."""

    def check(self) -> InstallationState:
        """Say so."""
        return InstallationState(ready=True, missing=(), torch="ready", explanation="")

    def shutdown(self) -> None:
        """Nothing runs."""


def make_service(models: Models) -> tuple[SegmentService, Jobs]:
    """Return a service over these models, and its worker."""
    jobs = Jobs(models)
    service = SegmentService(
        jobs=jobs.as_jobs(),
        catalogue=cast("ModelCatalogue", models),
        installer=cast("Installer", Ready()),
    )
    return service, jobs


def as_scan(labels: Volume) -> Volume:
    """Return a scan in which these models see the labels."""
    return labels.with_array(labels.array_kji.astype(np.float32) * 100)
