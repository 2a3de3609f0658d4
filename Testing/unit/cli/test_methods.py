"""Methods, listed and described."""

from __future__ import annotations

from typing import Any

import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.methods import Methods
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.methods import METHODS


def test_all_methods_are_listed_with_their_presets(heard: Any, reporter: Reporter) -> None:
    Methods().run(reporter)
    rows = {row["name"]: row for row in heard.summary["methods"]}
    assert list(rows) == list(METHODS)
    assert {"quick", "small", "medium", "paper_cardiac"} <= set(rows["dsan"]["presets"])


def test_a_task_narrows_the_presets(heard: Any, reporter: Reporter) -> None:
    Methods(task="abdomen").run(reporter)
    rows = {row["name"]: row["presets"] for row in heard.summary["methods"]}
    assert "paper_abdomen" in rows["glua"]
    assert "paper_cardiac" not in rows["glua"]


def test_people_see_what_each_setting_takes(heard: Any, reporter: Reporter) -> None:
    Methods(name="dsan").run(reporter)
    rows = {row["setting"]: row for row in heard.summary["settings"]}
    assert rows["method.iterations"]["takes"] == "integer from 1"
    assert rows["method.backbone.width"]["takes"] == "integer from 1 to 1024"
    assert rows["method.adversarial"]["takes"] == "least_squares | cross_entropy"
    assert rows["method.betas"] | {"help": ""} == {
        "setting": "method.betas",
        "value": "[0.9, 0.999]",
        "takes": "2 numbers",
        "help": "",
    }
    assert rows["method.shared_encoder"]["value"] == "true"
    assert rows["method.backbone"]["takes"] == ""


def test_programs_get_settings_as_data(heard: Any, reporter: Reporter) -> None:
    Methods(name="dsan", preset="paper", task="whole_tumour", progress="json").run(reporter)
    settings = {entry["name"]: entry for entry in heard.summary["settings"]}
    assert settings["method.iterations"]["value"] == 60_000
    assert settings["method.backbone.name"]["choices"] == ["deeplab_resnet50", "unet"]
    assert settings["method.backbone"]["kind"] == "group"
    assert heard.summary["uses_target"] is True


@pytest.mark.parametrize("command", [Methods(preset="quick"), Methods(preset="quick", name="dsan")])
def test_a_preset_needs_a_method_and_a_task(command: Methods, reporter: Reporter) -> None:
    with pytest.raises(UsageError, match="--task"):
        command.run(reporter)


def test_what_is_not_there_is_named(reporter: Reporter) -> None:
    with pytest.raises(UnknownNameError, match="'dsna'"):
        Methods(name="dsna").run(reporter)
    with pytest.raises(ConfigError, match="paper_cardiac"):
        Methods(name="dsan", preset="paper", task="abdomen").run(reporter)
