"""What a bundle says about its model (CONTRACTS: Bundle)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from CrossModalSegLib.core.modalities import Modality
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.preprocessing import Preprocessing
from CrossModalSegLib.data.statistics import CohortStatistics

BUNDLE_VERSION = 1

METADATA_FILE = "configs/metadata.json"
CONFIG_FILE = "configs/config.json"
WEIGHTS_FILE = "models/model.safetensors"
CARD_FILE = "docs/README.md"
LICENSE_FILE = "LICENSE"

REQUIRED_FILES = (METADATA_FILE, CONFIG_FILE, WEIGHTS_FILE)

RESEARCH_USE = "For research use only. Not a medical device; not for diagnosis or treatment."

METADATA_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)


@dataclass(frozen=True, kw_only=True)
class Postprocessing:
    """What happens to labels after the network.

    Attributes:
        largest_component: Class values of which only the largest connected part is kept.
    """

    largest_component: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """A score that was measured, and on what.

    Attributes:
        region: Region of the task, or "mean".
        metric: Name of the metric, e.g. "dice" (0 to 1).
        value: The mean over cases.
        split: Where the cases are from; never training subjects.
        cases: How many.
    """

    region: str
    metric: str
    value: float
    split: str
    cases: int


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How the model came about."""

    source_hash: str
    target_hash: str
    seed: int
    preset: str
    overrides: tuple[str, ...] = ()
    iterations: int = 0
    chosen_iteration: int = 0
    selection_rule: str = ""
    label_free_score: float | None = None
    saw_target_labels: bool = False
    """True for the supervised upper bound, and for studies that peeked."""
    created: str = ""
    """ISO 8601, UTC."""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """`configs/config.json`: all that prediction and the model card need.

    Attributes:
        v: Version of the format.
        name: Short name, the default file name.
        title: For people.
        description: One paragraph.
        method: Name in the registry of methods.
        method_settings: The method's settings.
        task: What is segmented.
        source: Modality that had labels.
        target: Modality that the model segments.
        preprocessing: From volume to slices, of the target.
        postprocessing: From labels to labels.
        target_statistics: Intensities of the target cohort in training.
        provenance: How the model came about.
        scores: Measured scores, if any.
        licence: SPDX identifier.
        intended_use: What it may be used for.
    """

    v: int = BUNDLE_VERSION
    name: str
    title: str
    description: str = ""
    method: str
    method_settings: Mapping[str, Any]
    task: Task
    source: Modality
    target: Modality
    preprocessing: Preprocessing
    postprocessing: Postprocessing = field(default_factory=Postprocessing)
    target_statistics: CohortStatistics | None = None
    provenance: Provenance
    scores: tuple[ScoreSummary, ...] = ()
    licence: str = "Apache-2.0"
    intended_use: str = RESEARCH_USE


def monai_metadata(config: BundleConfig, versions: Mapping[str, str]) -> dict[str, Any]:
    """Return `configs/metadata.json` with the keys of MONAI's bundle specification.

    Args:
        config: The bundle's.
        versions: Of crossmodalseg, monai, torch and numpy.
    """
    height, width = config.preprocessing.matrix
    classes = {"0": "background"} | {str(c.value): c.name for c in config.task.classes}
    image = {
        "type": "image",
        "format": "magnitude" if not config.target.is_ct else "hounsfield",
        "modality": "CT" if config.target.is_ct else "MR",
        "num_channels": 1,
        "spatial_shape": [height, width],
        "dtype": "float32",
        "value_range": [-1, 1],
        "is_patch_data": False,
        "channel_def": {"0": config.target.label},
    }
    prediction = {
        "type": "probabilities",
        "format": "segmentation",
        "num_channels": config.task.num_classes,
        "spatial_shape": [height, width],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": classes,
    }
    return {
        "schema": METADATA_SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "trained"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {"crossmodalseg": versions["crossmodalseg"]},
        "name": config.title,
        "task": f"{config.task.label}: {config.source.label} to {config.target.label}",
        "description": config.description or config.title,
        "authors": "CrossModalSeg contributors",
        "copyright": "CrossModalSeg contributors",
        "intended_use": config.intended_use,
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": prediction}},
    }
