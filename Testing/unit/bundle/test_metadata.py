"""The description in MONAI's words."""

from __future__ import annotations

from dataclasses import replace

from CrossModalSegLib.bundle.metadata import BundleMetadata, describe_for_monai
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.preprocessing import default_preprocessing

REQUIRED_BY_MONAI = {
    "schema",
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "optional_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
"""By the schema of 2024-07-25 and by the text of the specification."""

REQUIRED_OF_TENSORS = {
    "type",
    "format",
    "modality",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
}


def test_every_key_that_monai_requires_is_there(config: BundleConfig) -> None:
    metadata = to_dict(describe_for_monai(config))
    assert set(metadata) >= REQUIRED_BY_MONAI
    formats = metadata["network_data_format"]
    assert set(formats["inputs"]["image"]) >= REQUIRED_OF_TENSORS
    assert set(formats["outputs"]["pred"]) >= REQUIRED_OF_TENSORS


def test_channels_shapes_and_ranges_are_the_models(config: BundleConfig) -> None:
    data_format = describe_for_monai(config).network_data_format
    image, prediction = data_format.inputs["image"], data_format.outputs["pred"]
    assert (image.modality, image.num_channels, image.value_range) == ("MR", 1, (-1.0, 1.0))
    assert image.spatial_shape == prediction.spatial_shape == (16, 16)
    assert prediction.num_channels == 5
    assert prediction.channel_def["0"] == "background"
    assert prediction.channel_def["4"] == "Ascending aorta"


def test_each_image_of_a_case_is_a_channel(config: BundleConfig) -> None:
    metadata = describe_for_monai(with_images(config, "t1", "t1ce", "flair"))
    image = metadata.network_data_format.inputs["image"]
    assert (image.modality, image.num_channels) == ("MR", 3)
    assert image.channel_def == {"0": "T1 MR", "1": "contrast-enhanced T1 MR", "2": "FLAIR MR"}
    assert "T1 MR + contrast-enhanced T1 MR + FLAIR MR" in metadata.image_classes


def with_images(config: BundleConfig, *names: str) -> BundleConfig:
    images = tuple(MODALITIES[name] for name in names)
    each = [default_preprocessing(config.task, entry, matrix=(16, 16)) for entry in images]
    return replace(
        config,
        modalities=Modalities(source=images[0], target=images[0], inputs=images),
        preprocessing=combine_preprocessing(each),
    )


def test_scores_say_what_they_were_measured_on(config: BundleConfig) -> None:
    metrics = describe_for_monai(config).eval_metrics
    assert metrics == {"target_test_dice_MYO": 0.5, "target_test_dice_AA": 0.25}


def test_versions_are_those_of_the_training(config: BundleConfig) -> None:
    assert describe_for_monai(config).pytorch_version == "2.9.9"


def test_it_survives_the_strict_reader(config: BundleConfig) -> None:
    metadata = describe_for_monai(config)
    assert from_dict(BundleMetadata, to_dict(metadata), "test") == metadata
