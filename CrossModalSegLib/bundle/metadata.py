"""What `configs/metadata.json` says: MONAI's description of a model.

Keys: MONAI Bundle Specification, https://docs.monai.io/en/stable/mb_specification.html, and its
schema of 2024-07-25, which requires `required_packages_version`; the text of the specification
requires `optional_packages_version`. Both are there.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.schema import BundleConfig

SCHEMA_URL = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)

HOLDER = "CrossModalSeg contributors"


@dataclass(frozen=True, kw_only=True)
class TensorFormat:
    """What an input or output of a network is."""

    type: str
    format: str
    modality: str = "n/a"
    num_channels: int
    spatial_shape: tuple[int | str, ...]
    dtype: str
    value_range: tuple[float, ...]
    is_patch_data: bool
    channel_def: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class NetworkDataFormat:
    """The network's inputs and outputs by name."""

    inputs: dict[str, TensorFormat]
    outputs: dict[str, TensorFormat]


@dataclass(frozen=True, kw_only=True)
class BundleMetadata:
    """The content of `configs/metadata.json`, in MONAI's words."""

    schema: str = SCHEMA_URL
    version: str
    changelog: dict[str, str] = field(default_factory=dict)
    monai_version: str
    pytorch_version: str
    numpy_version: str
    required_packages_version: dict[str, str] = field(default_factory=dict)
    optional_packages_version: dict[str, str] = field(default_factory=dict)
    name: str
    task: str
    description: str
    authors: str
    copyright: str
    intended_use: str
    data_source: str = ""
    data_type: str = ""
    image_classes: str = ""
    label_classes: str = ""
    pred_classes: str = ""
    eval_metrics: dict[str, float] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    network_data_format: NetworkDataFormat


def describe_for_monai(config: BundleConfig) -> BundleMetadata:
    """Say what a bundle's configuration says in MONAI's words."""
    classes = {"0": "background"} | {str(c.value): c.label for c in config.task.classes}
    listed = ", ".join(f"{value} {label}" for value, label in classes.items())
    images = config.modalities.images_label
    return BundleMetadata(
        version="1.0.0",
        changelog={"1.0.0": "first version"},
        monai_version=_version(config, "monai"),
        pytorch_version=_version(config, "torch"),
        numpy_version=_version(config, "numpy"),
        required_packages_version={
            "crossmodalseg": config.training.versions.get("crossmodalseg", __version__),
            "safetensors": _version(config, "safetensors"),
        },
        name=config.title,
        task=f"{config.task.label}: segmentation of {images} volumes",
        description=config.description or config.title,
        authors=HOLDER,
        copyright=f"Copyright (c) {HOLDER}",
        intended_use=config.intended_use,
        data_source="; ".join(
            f"{cohort.domain}: {cohort.dataset}, {cohort.num_cases} cases"
            for cohort in config.training.cohorts
        ),
        data_type="NIfTI, NRRD or MHA volumes",
        image_classes=f"{images} slices, intensities scaled to [-1, 1]",
        label_classes=listed,
        pred_classes=f"one channel of probabilities a class: {listed}",
        eval_metrics=_evaluation(config),
        references=config.references,
        network_data_format=_data_format(config, classes),
    )


def _data_format(config: BundleConfig, classes: dict[str, str]) -> NetworkDataFormat:
    images, shape = config.modalities.images, config.preprocessing.matrix
    image = TensorFormat(
        type="image",
        format="magnitude",
        modality="CT" if images[0].is_ct else "MR",
        num_channels=len(images),
        spatial_shape=shape,
        dtype="float32",
        value_range=(-1.0, 1.0),
        is_patch_data=False,
        channel_def={str(n): modality.label for n, modality in enumerate(images)},
    )
    prediction = TensorFormat(
        type="image",
        format="labels",
        num_channels=len(classes),
        spatial_shape=shape,
        dtype="float32",
        value_range=(0.0, 1.0),
        is_patch_data=False,
        channel_def=classes,
    )
    return NetworkDataFormat(inputs={"image": image}, outputs={"pred": prediction})


def _evaluation(config: BundleConfig) -> dict[str, float]:
    """Name each mean by what it was measured on, e.g. "target_test_dice_MYO"."""
    return {
        f"{scores.domain}_{scores.split}_{metric}_{region}": value
        for scores in config.scores
        for metric, regions in scores.means.items()
        for region, value in regions.items()
    }


def _version(config: BundleConfig, package: str) -> str:
    """Return the version a model was trained with, else the installed one."""
    if package in config.training.versions:
        return config.training.versions[package]
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
