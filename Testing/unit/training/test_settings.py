"""Presets, overrides, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.methods.dsan_config import DSANConfig
from CrossModalSegLib.training.settings import (
    list_presets,
    load_preset,
    preset_from_dict,
    preset_to_dict,
)

CARDIAC = TASKS["cardiac"]


def test_the_task_sets_the_number_of_classes() -> None:
    assert load_preset("dsan", "quick", CARDIAC).method.num_classes == 5
    assert load_preset("dsan", "quick", TASKS["whole_tumour"]).method.num_classes == 2


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    plain = load_preset("dsan", "quick", CARDIAC)
    changed = load_preset(
        "dsan",
        "quick",
        CARDIAC,
        ["method.lambda_adv=0.5", "method.backbone.width=8", "training.batch_size=2"],
    )
    assert isinstance(plain.method, DSANConfig)
    assert isinstance(changed.method, DSANConfig)
    assert (changed.method.lambda_adv, changed.method.backbone.width) == (0.5, 8)
    assert changed.training.batch_size == 2
    assert changed.method.lambda_rec == plain.method.lambda_rec
    assert changed.method.backbone.levels == plain.method.backbone.levels


def test_words_need_no_quotes_in_an_override() -> None:
    preset = load_preset("dsan", "quick", CARDIAC, ["method.adversarial=cross_entropy"])
    assert isinstance(preset.method, DSANConfig)
    assert preset.method.adversarial == "cross_entropy"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lambda_adv=1", "cannot be read"),
        ("method.lambda_adv", "cannot be read"),
        ("method.lambda_advv=1", "Did you mean 'lambda_adv'"),
        ("method.lambda_adv=high", "expected float"),
        ("method.lambda_adv.x=1", "which is a value"),
        ("training.batch_size=0", "expected at least 1"),
        ("training.averaging=1.0", "expected a number in"),
        ("method.iterations=0", "1 iteration"),
        ("method.backbone.levels=99", "expected 2 to 12"),
        ("runs.x=1", "unknown tables"),
    ],
)
def test_an_override_that_makes_no_sense_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_preset("dsan", "quick", CARDIAC, [override])


def test_a_preset_may_say_for_which_slices_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[data]\nmatrix = [96, 80]\n", encoding="utf-8")
    preset = load_preset("source_only", str(file), CARDIAC)
    assert preset.data.matrix == (96, 80)
    assert preset_from_dict("source_only", preset_to_dict(preset), "config.json") == preset
    older = {name: preset_to_dict(preset)[name] for name in ("method", "training")}
    assert preset_from_dict("source_only", older, "config.json").data.matrix is None
    with pytest.raises(ConfigError, match="has 1 entries, expected 2"):
        load_preset("source_only", str(file), CARDIAC, ["data.matrix=[96]"])


def test_an_unknown_preset_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'quick'"):
        load_preset("dsan", "quik", CARDIAC)


def test_a_file_serves_as_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[method]\niterations = 7\n[training]\nbatch_size = 3\n", encoding="utf-8")
    preset = load_preset("source_only", str(file), CARDIAC)
    assert (preset.method.iterations, preset.training.batch_size) == (7, 3)


@pytest.mark.parametrize("method", ["source_only", "source_only_augmented", "supervised", "dsan"])
def test_settings_survive_the_run_folder(method: str) -> None:
    for name in list_presets(method):
        preset = load_preset(method, name, CARDIAC)
        assert preset_from_dict(method, preset_to_dict(preset), "config.json") == preset


def test_dsan_and_its_augmented_baseline_share_the_augmentation() -> None:
    """Otherwise the row would not tell what augmentation alone does."""
    baseline = load_preset("source_only_augmented", "quick", CARDIAC).method
    adapted = load_preset("dsan", "quick", CARDIAC).method
    assert baseline.appearance == adapted.appearance  # type: ignore[attr-defined]
    plain = load_preset("source_only", "quick", CARDIAC).method
    assert plain.appearance.is_identity  # type: ignore[attr-defined]
