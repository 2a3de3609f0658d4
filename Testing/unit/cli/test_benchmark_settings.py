"""Whether a trial was trained with the settings of now."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from CrossModalSegLib.cli.benchmark_settings import (
    TrialSettings,
    differences,
    sources_hash,
    trial_settings,
)
from CrossModalSegLib.cli.benchmark_suite import SuiteRow, load_suite


@pytest.fixture(scope="module")
def settings() -> TrialSettings:
    suite = load_suite("phantom")
    row = SuiteRow(name="mine", method="dsan", overrides=("method.lambda_rec=7.5",))
    return trial_settings(suite, suite.directions[0], row, "quick")


@pytest.fixture
def before(settings: TrialSettings) -> dict[str, Any]:
    """Return a copy of the settings, as a trial noted them."""
    return copy.deepcopy(dict(settings.values))


def test_overrides_are_part_of_the_settings(settings: TrialSettings) -> None:
    assert settings.values["method"]["lambda_rec"] == 7.5
    assert settings.overrides == ("method.lambda_rec=7.5",)


def test_the_same_settings_do_not_differ(settings: TrialSettings, before: dict[str, Any]) -> None:
    assert differences(before, settings) == ()


def test_changed_settings_are_named_with_both_values(
    settings: TrialSettings, before: dict[str, Any]
) -> None:
    before["method"]["lambda_rec"] = 1.0
    before["method"]["backbone"]["width"] = 8
    before["training"]["batch_size"] = 2
    assert differences(before, settings) == (
        "method.backbone.width was 8, is 16",
        "method.lambda_rec was 1.0, is 7.5",
        "training.batch_size was 2, is 6",
    )


def test_how_often_a_run_saves_and_shows_itself_is_no_change(
    settings: TrialSettings, before: dict[str, Any]
) -> None:
    before["training"] |= {"checkpoint_every": 1, "preview_every": 1, "log_every": 1}
    assert differences(before, settings) == ()
    before["training"]["validate_every"] = 1  # the model to keep is one of those
    assert len(differences(before, settings)) == 1


def test_a_setting_that_came_later_counts_as_having_had_its_default(
    settings: TrialSettings, before: dict[str, Any]
) -> None:
    del before["method"]["shared_decoders"]  # now as by default
    assert differences(before, settings) == ()
    del before["method"]["lambda_rec"]  # now not as by default
    assert differences(before, settings) == ("method.lambda_rec was 1.0, is 7.5",)


def test_the_hash_tells_settings_apart_but_not_how_often_a_run_saves() -> None:
    suite = load_suite("phantom")

    def content_hash(*overrides: str) -> str:
        row = SuiteRow(name="mine", method="dsan", overrides=overrides)
        return trial_settings(suite, suite.directions[0], row, "quick").content_hash

    assert content_hash() == content_hash("training.checkpoint_every=7")
    assert content_hash() != content_hash("training.batch_size=7")


def test_all_stages_count_as_iterations() -> None:
    suite = load_suite("phantom")
    overrides = ("method.iterations=30", "method.translation_iterations=12")
    row = SuiteRow(name="mine", method="bigl", overrides=overrides)
    assert trial_settings(suite, suite.directions[0], row, "quick").iterations == 42


def test_the_hash_of_the_sources_is_that_of_files_and_not_of_calls() -> None:
    assert sources_hash() == sources_hash()
    assert len(sources_hash()) == 64
