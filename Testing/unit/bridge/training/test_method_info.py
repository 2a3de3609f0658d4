"""Methods and settings, as the library tells them to forms."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from CrossModalSegLib.bridge.training.method_info import (
    MethodCatalogue,
    MethodInfo,
    override_text,
    range_text,
    read_methods,
    read_value,
    value_text,
)
from CrossModalSegLib.cli.methods import Methods
from CrossModalSegLib.core.errors import ConfigError, CrossModalSegError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.setting_help import Setting
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.training.settings import load_preset


@pytest.fixture(scope="module")
def methods() -> tuple[MethodInfo, ...]:
    """Read what the command really says, through JSON."""
    import json

    events: list[dict[str, Any]] = []
    Methods(task="cardiac", progress="json").run(Reporter(sinks=[events.append]))
    return read_methods(json.loads(json.dumps(events[-1]["summary"])))


def test_all_methods_come_with_words_and_settings(methods: tuple[MethodInfo, ...]) -> None:
    assert [method.name for method in methods] == list(METHODS)
    for method in methods:
        assert len(method.description) > 40
        assert "quick" in method.presets
        assert set(method.preset_values) == set(method.presets)
        assert all(setting.help for setting in method.settings if setting.kind != "group")


def test_every_value_can_be_shown_edited_and_given_back(methods: tuple[MethodInfo, ...]) -> None:
    """The text of each preset's value is read as that value, and the trainer takes it."""
    for method in methods:
        settings = [each for each in method.settings if each.kind != "group"]
        for preset in method.presets:
            values = {each.name: method.value_in(preset, each) for each in settings}
            for setting in settings:
                text = value_text(values[setting.name])
                assert read_value(setting, text) == values[setting.name], setting.name
            given = [override_text(n, v) for n, v in values.items() if v is not None]
            task = TASKS["cardiac"]
            assert load_preset(method.name, preset, task, given) == load_preset(
                method.name, preset, task
            )


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        (Setting(name="s", kind="integer", minimum=1), "0", "from 1"),
        (Setting(name="s", kind="integer"), "1.5", "whole number"),
        (Setting(name="s", kind="number", minimum=0, maximum=1), "2", "to 1"),
        (Setting(name="s", kind="number"), "nan", "finite"),
        (Setting(name="s", kind="switch"), "yes", "true or false"),
        (Setting(name="s", kind="choice", choices=("a", "b")), "c", "one of a, b"),
        (Setting(name="s", kind="list", length=2, entry="number"), "[1]", "2 values"),
        (Setting(name="s", kind="list", entry="number"), "[1", "a list"),
        (Setting(name="s", kind="number"), "", "a number"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(setting: Setting, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_value(setting, text)


def test_what_may_be_left_out_may_be_empty() -> None:
    assert read_value(Setting(name="s", kind="number", is_optional=True), " ") is None


def test_ranges_are_said_in_words() -> None:
    assert range_text(Setting(name="s", kind="integer", minimum=1)) == "integer from 1"
    assert range_text(Setting(name="s", kind="choice", choices=("a", "b"))) == "a, b"


def test_other_summaries_are_refused() -> None:
    with pytest.raises(ConfigError, match="list of methods"):
        read_methods({"methods": [{"name": "dsan"}]})
    with pytest.raises(ConfigError, match="expected a list"):
        read_methods({})


class Job:
    """A command of which a test says what it answers."""

    made: ClassVar[list[Job]] = []

    def __init__(self, arguments: list[str], on_event: Any) -> None:
        self.arguments, self.on_event = arguments, on_event
        Job.made.append(self)

    def start(self) -> None:
        """Begin."""

    def poll(self) -> None:
        """Nothing happens by itself."""

    def shutdown(self, seconds: float) -> None:
        """End."""


def test_each_task_is_asked_for_once() -> None:
    Job.made.clear()
    read: list[str] = []
    errors: list[CrossModalSegError] = []
    catalogue = MethodCatalogue(read.append, errors.append, make_job=Job)  # type: ignore[arg-type]
    catalogue.ask("cardiac")
    catalogue.ask("cardiac")
    (job,) = Job.made
    assert job.arguments == ["methods", "--task", "cardiac"]
    job.on_event({"event": "done", "summary": {"methods": []}})
    assert read == ["cardiac"]
    catalogue.ask("cardiac")
    assert len(Job.made) == 1
    assert not catalogue.is_busy


def test_a_failure_is_told_and_may_be_asked_again() -> None:
    Job.made.clear()
    errors: list[CrossModalSegError] = []
    catalogue = MethodCatalogue(lambda _: None, errors.append, make_job=Job)  # type: ignore[arg-type]
    catalogue.ask("nothing")
    Job.made[0].on_event({"event": "error", "message": "No task.", "hint": "Choose one."})
    assert str(errors[0]) == "No task. Choose one."
    catalogue.ask("nothing")
    assert len(Job.made) == 2
