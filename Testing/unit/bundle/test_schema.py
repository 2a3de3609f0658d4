"""What a bundle may say of itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from CrossModalSegLib.bundle.schema import (
    BundleConfig,
    Modalities,
    default_bundle_name,
    require_bundle_name,
    without_files,
)
from CrossModalSegLib.core.config import from_dict, to_dict
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.modalities import MODALITIES, Modality
from CrossModalSegLib.core.tasks import TASKS


def test_the_configuration_survives_json(config: BundleConfig) -> None:
    text = json.dumps(to_dict(config))
    assert from_dict(BundleConfig, json.loads(text), "test") == config


@pytest.mark.parametrize("name", ["cardiac_ct_to_mr", "a", "0.1-b", "x" * 80])
def test_names_that_are_safe_on_every_system_are_taken(name: str) -> None:
    require_bundle_name(name)


@pytest.mark.parametrize(
    "name", ["", ".hidden", "..", "a/b", "a\\b", "Upper", "é", "a b", "con", "nul.x", "x.x" * 81]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a name for a bundle"):
        require_bundle_name(name)


def test_the_default_name_is_always_a_name() -> None:
    pair = Modalities(source=MODALITIES["ct"], target=MODALITIES["mr_bssfp"])
    assert default_bundle_name("dsan", TASKS["cardiac"], pair) == "cardiac_ct_to_mr_bssfp_dsan"
    own = Modality(name="Ünser MR/7T", label="ours")
    name = default_bundle_name("m" * 90, TASKS["cardiac"], Modalities(source=own, target=own))
    require_bundle_name(name)


def test_classes_that_are_not_the_tasks_are_refused(config: BundleConfig) -> None:
    with pytest.raises(ConfigError, match=r"num_classes 4, expected the task's 5"):
        replace(config, method_settings=config.method_settings | {"num_classes": 4})


def test_slices_that_fill_the_memory_are_refused(config: BundleConfig) -> None:
    with pytest.raises(ConfigError, match="at most 8192"):
        replace(config, preprocessing=replace(config.preprocessing, matrix=(10**6, 10**6)))


def test_a_setting_that_names_a_file_is_refused_and_can_be_emptied(config: BundleConfig) -> None:
    backbone = config.method_settings["backbone"] | {"pretrained": "/etc/passwd"}
    settings = config.method_settings | {"backbone": backbone}
    with pytest.raises(ConfigError, match="outside the bundle: pretrained = '/etc/passwd'"):
        replace(config, method_settings=settings)
    cleaned = without_files(settings)
    assert cleaned["backbone"]["pretrained"] == ""
    assert cleaned == config.method_settings
