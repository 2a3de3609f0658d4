"""What `configs/config.json` of a bundle says (CONTRACTS: Bundle)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from CrossModalSegLib.bundle.feature_statistics import FeatureStatistics
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.statistics import CohortStatistics

BUNDLE_VERSION = 1

Domain = Literal["source", "target"]

MAX_MATRIX = 8192
"""Rows or columns beyond this are no slice but a mistake or an attack on the memory."""

MAX_CLASSES = 256
"""Labels are written as uint8."""

FILE_SETTINGS = frozenset({"pretrained"})
"""Method settings that name a file to start training from; empty in a bundle."""

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis or treatment."

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True, kw_only=True)
class Modalities:
    """Where the labels came from, and what the model is for.

    Attributes:
        source: Of the labelled images.
        target: Of the images that the model segments; where it takes several of one case, of the
            first, on whose grid the result lies.
        inputs: All images that one case needs, in order, the target first; empty: the target alone.
    """

    source: Modality
    target: Modality
    inputs: tuple[Modality, ...] = ()

    def __post_init__(self) -> None:
        """Refuse inputs that do not begin with the target.

        Raises:
            ConfigError: See above.
        """
        if self.inputs and self.inputs[0] != self.target:
            raise ConfigError(
                f"The inputs {', '.join(m.name for m in self.inputs)} do not begin with the target "
                f"{self.target.name!r}."
            )

    @property
    def images(self) -> tuple[Modality, ...]:
        """All images that one case needs, in order; at least one."""
        return self.inputs or (self.target,)

    @property
    def images_label(self) -> str:
        """Labels of the images that one case needs, joined for people."""
        return " + ".join(modality.label for modality in self.images)


@dataclass(frozen=True, kw_only=True)
class PostProcessing:
    """What is done to predicted labels.

    Attributes:
        largest_component: Keep only the largest connected part of each class, or of each region
            where regions are nested.
        minimum_ml: Remove parts that are smaller.
    """

    largest_component: bool = False
    minimum_ml: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that are none.

        Raises:
            ConfigError: See above.
        """
        if not 0.0 <= self.minimum_ml < math.inf:
            raise ConfigError(f"minimum_ml is {self.minimum_ml}, expected 0 or more.")


@dataclass(frozen=True, kw_only=True)
class CohortReference:
    """A cohort that a model learned from; its location is nobody's business.

    Attributes:
        domain: Its role in training.
        dataset: Name of the adapter or of the data set.
        content_hash: `Cohort.content_hash`.
        num_cases: Number of cases.
        images: Labels of the images of a case, where there are several.
    """

    domain: Domain
    dataset: str
    content_hash: str
    num_cases: int
    images: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingProvenance:
    """How the weights came about.

    Attributes:
        preset: Name of the preset.
        overrides: Changes of the preset, as on the command line.
        settings: The training's settings, those of the method apart.
        seed: Of the run.
        iterations: Trained in all.
        chosen_iteration: From which the weights are.
        selection: How that one was chosen; says so if target labels were looked at.
        selection_score: Its value, if there is one.
        cohorts: What was learned from.
        versions: Of Python packages, by name.
        device: Kind of device.
        created: Date and time, ISO 8601; may be empty.
    """

    preset: str = ""
    overrides: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    iterations: int = 0
    chosen_iteration: int = 0
    selection: str = ""
    selection_score: float | None = None
    cohorts: tuple[CohortReference, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    created: str = ""


@dataclass(frozen=True, kw_only=True)
class MeasuredScores:
    """Scores and what they were measured on.

    Attributes:
        domain: Of the scored cases.
        split: Part of the cohort; "test" only if nothing was chosen by it.
        num_cases: Number of volumes.
        cohort_hash: Which cohort.
        policy: How empty masks were scored.
        means: Metric (a name of scores.json) -> region -> mean over the cases.
    """

    domain: Domain
    split: Split
    num_cases: int
    cohort_hash: str = ""
    policy: str = "brats"
    means: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """The content of `configs/config.json`.

    Attributes:
        v: Version of this format.
        name: Identifier, and the name of the bundle's folder in a library.
        title: Name for people.
        description: A sentence or two for people.
        method: Name in the registry of methods.
        method_settings: All settings of the method, its networks' included.
        task: The whole task, since tasks may be custom ones.
        modalities: The whole modalities, for the same reason.
        preprocessing: Of the target, as prediction repeats it.
        post_processing: What prediction does to its labels.
        target_statistics: Of the training target, for the modality check.
        further_statistics: Of the second and further images of the target's cases.
        target_features: What the model itself sees in the training target, for the same check.
        training: Provenance of the weights.
        scores: What was measured, and on what.
        references: Publications.
        licence: SPDX identifier of the weights' licence.
        intended_use: What the model may be used for.
    """

    v: int = BUNDLE_VERSION
    name: str
    title: str
    description: str = ""
    method: str
    method_settings: dict[str, Any]
    task: Task
    modalities: Modalities
    preprocessing: Preprocessing
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    target_statistics: CohortStatistics | None = None
    further_statistics: tuple[CohortStatistics, ...] = ()
    target_features: FeatureStatistics | None = None
    training: TrainingProvenance = field(default_factory=TrainingProvenance)
    scores: tuple[MeasuredScores, ...] = ()
    references: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    intended_use: str = RESEARCH_USE_ONLY

    def __post_init__(self) -> None:
        """Refuse what no model can be.

        Raises:
            ConfigError: The name is no file name, the classes do not fit the task, the images do
                not fit the preprocessing, the slices are too large, or a setting names a file
                outside the bundle.
        """
        require_bundle_name(self.name)
        classes = self.method_settings.get("num_classes")
        if classes != self.task.num_classes or self.task.num_classes > MAX_CLASSES:
            raise ConfigError(
                f"method_settings has num_classes {classes!r}, expected the task's "
                f"{self.task.num_classes} (at most {MAX_CLASSES}), background included."
            )
        self._check_channels()
        if max(self.preprocessing.matrix) > MAX_MATRIX:
            raise ConfigError(
                f"preprocessing has the matrix {self.preprocessing.matrix}, expected at most "
                f"{MAX_MATRIX} rows and columns."
            )
        named = _named_files(self.method_settings)
        if named:
            raise ConfigError(
                f"method_settings names files outside the bundle: {', '.join(named)}.",
                hint="A bundle holds all of its weights itself; leave these settings empty.",
            )

    def of_channel(self, channel: int) -> BundleConfig:
        """Return what is said of one of the images that a case needs, 0 being the first."""
        if len(self.modalities.images) == 1:
            return self
        statistics = (self.target_statistics, *self.further_statistics)
        return replace(
            self,
            modalities=Modalities(
                source=self.modalities.source, target=self.modalities.images[channel]
            ),
            preprocessing=self.preprocessing.of_channel(channel),
            target_statistics=statistics[channel] if channel < len(statistics) else None,
            further_statistics=(),
        )

    def _check_channels(self) -> None:
        images, channels = self.modalities.images, self.preprocessing.num_channels
        if len(images) != channels or not len(self.further_statistics) < channels:
            raise ConfigError(
                f"modalities names {len(images)} images a case, preprocessing has rules for "
                f"{channels}, and there are statistics of {1 + len(self.further_statistics)}; "
                "expected the same."
            )


def require_bundle_name(name: str) -> None:
    """Refuse names that are not safe as a folder on every system.

    Raises:
        ConfigError: See above.
    """
    if not _NAME.fullmatch(name) or safe_case_id(name) != name:
        raise ConfigError(
            f"{name!r} is not a name for a bundle.",
            hint="Use 1 to 80 lower-case letters a to z, digits, '_', '-' and '.', and let it "
            "begin with a letter or digit and not end in a dot.",
        )


def default_bundle_name(method: str, task: Task, modalities: Modalities) -> str:
    """Return a name like "cardiac_ct_to_mr_bssfp_dsan"."""
    source = modalities.source.name
    wanted = "_".join(modality.name for modality in modalities.images)
    domains = wanted if source == modalities.target.name else f"{source}_to_{wanted}"
    text = re.sub(r"[^a-z0-9._-]+", "-", f"{task.name}_{domains}_{method}".lower())
    return text.strip("-_.")[:80].rstrip("-_.") or "model"


def without_files(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return method settings with those emptied that name a file to start training from."""
    cleaned: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            cleaned[key] = without_files(value)
        else:
            cleaned[key] = "" if key in FILE_SETTINGS else value
    return cleaned


def _named_files(settings: Mapping[str, Any]) -> list[str]:
    pending: list[Any] = [settings]
    named = []
    while pending:  # no recursion: the depth of a foreign file is not ours to choose
        value = pending.pop()
        if isinstance(value, Mapping):
            named += [f"{k} = {v!r}" for k, v in value.items() if k in FILE_SETTINGS and v]
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return named
