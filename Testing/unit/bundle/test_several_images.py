"""Bundles of models that take several images of a case; those of one image are as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from CrossModalSegLib.bundle.archive import CONFIG_FILE
from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.model_card import model_card
from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities, default_bundle_name
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import BundleError, ConfigError
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.methods.base import Method

T1, CT, FLAIR = (MODALITIES[name] for name in ("t1", "ct", "flair"))


def make_method(channels: int) -> Method:
    torch.manual_seed(0)
    backbone = {"name": "unet", "width": 2, "levels": 2, "in_channels": channels}
    return build_method("supervised", {"num_classes": 5, "backbone": backbone})


@pytest.fixture
def three(config: BundleConfig) -> BundleConfig:
    """Return the description of a supervised model of T1, CT and FLAIR."""
    images = (T1, CT, FLAIR)
    each = [default_preprocessing(config.task, entry, matrix=(16, 16)) for entry in images]
    statistics = []
    for seed in range(3):
        values = torch.rand(4, 8, 8, generator=torch.Generator().manual_seed(seed)).numpy()
        sample = sample_intensities(values)
        statistics.append(describe_cohort([sample], [sample], 4, None))
    return replace(
        config,
        method="supervised",
        method_settings=to_dict(make_method(3).config),
        modalities=Modalities(source=T1, target=T1, inputs=images),
        preprocessing=combine_preprocessing(each),
        target_statistics=statistics[0],
        further_statistics=tuple(statistics[1:]),
    )


def test_a_bundle_reads_back_as_it_was_written(tmp_path: Path, three: BundleConfig) -> None:
    method = make_method(3)
    bundle = write_bundle(tmp_path / "b", three, dict(method.state_dict()))
    assert read_bundle(bundle.path).config == three
    loaded = load_method(bundle)
    x_t = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(loaded.predict(x_t), method.eval().predict(x_t), rtol=0, atol=0)


def test_a_configuration_without_the_later_fields_means_one_image(config: BundleConfig) -> None:
    content = to_dict(config)
    del content["modalities"]["inputs"]
    del content["further_statistics"]
    del content["preprocessing"]["further_intensities"]
    for cohort in content["training"]["cohorts"]:
        del cohort["images"]
    assert from_dict(BundleConfig, content, "old") == config
    assert config.modalities.images == (MODALITIES["mr_bssfp"],)
    assert config.of_channel(0) is config


def test_each_channel_has_modality_rule_and_statistics_of_its_own(three: BundleConfig) -> None:
    for channel, modality in enumerate((T1, CT, FLAIR)):
        part = three.of_channel(channel)
        assert part.modalities.images == (modality,)
        expected = default_preprocessing(three.task, modality, matrix=(16, 16))
        assert part.preprocessing == expected
    second = three.of_channel(1)
    assert second.target_statistics == three.further_statistics[0] != three.target_statistics
    unknown = replace(three, target_statistics=None, further_statistics=())
    assert unknown.of_channel(2).target_statistics is None


def test_the_inputs_begin_with_the_target() -> None:
    with pytest.raises(ConfigError, match="inputs flair, t1 do not begin with the target 't1'"):
        Modalities(source=T1, target=T1, inputs=(FLAIR, T1))


def test_images_rules_and_statistics_are_as_many(three: BundleConfig) -> None:
    with pytest.raises(ConfigError, match="names 1 images a case, preprocessing has rules for 3"):
        replace(three, modalities=Modalities(source=T1, target=T1))
    with pytest.raises(ConfigError, match="statistics of 5"):
        replace(three, further_statistics=three.further_statistics * 2)


def test_a_network_for_another_number_of_images_is_refused(
    tmp_path: Path, three: BundleConfig
) -> None:
    method = make_method(2)
    wrong = replace(three, method_settings=to_dict(method.config))
    with pytest.raises(BundleError, match="takes 2 input channels, expected 3"):
        write_bundle(tmp_path / "b", wrong, dict(method.state_dict()))
    bundle = write_bundle(tmp_path / "c", three, dict(make_method(3).state_dict()))
    path = bundle.path / CONFIG_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["method_settings"]["backbone"]["in_channels"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleError, match="takes 1 input channels, expected 3"):
        load_method(read_bundle(bundle.path))


def test_a_translating_method_takes_one_image(config: BundleConfig, three: BundleConfig) -> None:
    fields = {"modalities": three.modalities, "preprocessing": three.preprocessing}
    wrong = replace(config, **fields)  # type: ignore[arg-type]
    method = build_method(config.method, config.method_settings)
    weights = {
        key: tensor
        for key, tensor in method.state_dict().items()
        if key.partition(".")[0] in method.deployed
    }
    with pytest.raises(BundleError, match="takes 1 input channels, expected 3"):
        write_bundle(Path("never"), wrong, weights)
    assert not Path("never").exists()


def test_name_and_card_list_all_images_in_order(three: BundleConfig) -> None:
    name = default_bundle_name("supervised", three.task, three.modalities)
    assert name == "cardiac_t1_ct_flair_supervised"
    assert "1 T1 MR, 2 CT, 3 FLAIR MR: images of one case, in this order" in model_card(three)
