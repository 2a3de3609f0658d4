"""Every method and every setting of it can be explained."""

from __future__ import annotations

import json
from typing import Any

import pytest

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.methods.descriptions import DESCRIPTIONS
from CrossModalSegLib.training.method_help import SET_BY_DATA, describe_method
from CrossModalSegLib.training.settings import load_preset, preset_to_dict

CARDIAC = TASKS["cardiac"]


def test_every_method_has_a_paragraph_and_nothing_else_has() -> None:
    assert set(DESCRIPTIONS) == set(METHODS)
    assert all(text.endswith(".") and len(text) > 80 for text in DESCRIPTIONS.values())


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_is_explained(name: str) -> None:
    described = describe_method(name)
    silent = [setting.name for setting in described.settings if not setting.help]
    assert not silent
    names = [setting.name for setting in described.settings]
    assert len(names) == len(set(names))
    assert {"method.iterations", "training.batch_size"} <= set(names)
    assert not SET_BY_DATA & set(names)
    assert json.loads(json.dumps(to_dict(described)))["title"] == METHODS[name].title


@pytest.mark.parametrize("name", METHODS)
def test_every_setting_can_be_overridden_by_its_name(name: str) -> None:
    settings = [s for s in describe_method(name).settings if s.kind in ("integer", "number")]
    changes = []
    for setting in settings:
        raised = setting.value + 1 if setting.kind == "integer" else setting.value * 0.5
        changes.append(f"{setting.name}={raised}")
    described = describe_method(name, preset="quick", task=CARDIAC)
    assert {s.name for s in settings} <= {s.name for s in described.settings}
    changed = preset_to_dict(load_preset(name, "quick", CARDIAC, changes))
    for change in changes:
        path, _, value = change.partition("=")
        found: Any = changed
        for key in path.split("."):
            found = found[key]
        assert found == float(value), path


def test_values_are_the_presets_where_one_is_asked_for() -> None:
    defaults = {s.name: s.value for s in describe_method("dsan").settings}
    quick = {
        s.name: s.value for s in describe_method("dsan", preset="quick", task=CARDIAC).settings
    }
    assert defaults["method.lambda_adv"] == 0.01
    assert quick["method.lambda_adv"] == 1.0
    assert quick["training.batch_size"] == 6


def test_limits_refuse_what_the_settings_refuse() -> None:
    limited = [s for s in describe_method("dsan").settings if s.minimum is not None]
    assert len(limited) > 5
    for setting in limited:
        if setting.minimum:
            change = f"{setting.name}={setting.minimum - 1:g}"
            with pytest.raises(ConfigError):
                load_preset("dsan", "quick", CARDIAC, [change])


def test_a_task_leaves_out_the_presets_of_others() -> None:
    assert "paper_whole_tumour" in describe_method("dsan").presets
    assert "paper_whole_tumour" not in describe_method("dsan", task=CARDIAC).presets


def test_an_unknown_method_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dsan'"):
        describe_method("dsna")
