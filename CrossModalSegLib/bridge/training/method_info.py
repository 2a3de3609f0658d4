"""What can be trained and what can be set, as the library tells it: forms are made from this."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.core.config import from_dict
from CrossModalSegLib.core.errors import ConfigError, CrossModalSegError, RunError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.core.setting_help import Setting

TRUE, FALSE, NOTHING = "true", "false", ""


@dataclass(frozen=True, kw_only=True)
class MethodInfo:
    """A method before it is trained.

    Attributes:
        name: What `train --method` takes.
        title: For people.
        description: What it does, in a paragraph.
        reference: Its paper; "" for none.
        uses_target: Whether training needs a target cohort.
        takes_several_images: Whether cases may have several modalities.
        presets: Their names, those for other tasks left out.
        settings: What can be set; values are the defaults.
        preset_values: Preset -> name of a setting -> its value there.
    """

    name: str
    title: str
    description: str
    reference: str
    uses_target: bool
    takes_several_images: bool
    presets: tuple[str, ...]
    settings: tuple[Setting, ...]
    preset_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def value_in(self, preset: str, setting: Setting) -> Any:
        """Return what a setting is in a preset."""
        return self.preset_values.get(preset, {}).get(setting.name, setting.value)


def read_methods(summary: Mapping[str, Any]) -> tuple[MethodInfo, ...]:
    """Return the methods out of the summary of `methods --task NAME --progress json`.

    Raises:
        ConfigError: It is not of that form.
    """
    where = "the list of methods"
    entries = summary.get("methods")
    if not isinstance(entries, list):
        raise ConfigError(f"{where} holds {type(entries).__name__}, expected a list.")
    return tuple(from_dict(MethodInfo, entry, where) for entry in entries)


class MethodCatalogue:
    """Asks the library, in a process, for the methods of a task; each task once.

    Args:
        on_read: Called from `poll` with a task whose methods are there now.
        on_error: Called from `poll` with why they are not.
        make_job: Replaced in tests.
    """

    def __init__(
        self,
        on_read: Callable[[str], None],
        on_error: Callable[[CrossModalSegError], None],
        make_job: Callable[..., CommandJob] = CommandJob,
    ) -> None:
        self._on_read, self._on_error, self._make_job = on_read, on_error, make_job
        self._known: dict[str, tuple[MethodInfo, ...]] = {}
        self._job: CommandJob | None = None
        self._task = ""

    def of(self, task: str) -> tuple[MethodInfo, ...]:
        """Return the methods of a task; none before they were asked for and have arrived."""
        return self._known.get(task, ())

    @property
    def is_busy(self) -> bool:
        """Whether an answer is waited for."""
        return self._job is not None

    def ask(self, task: str) -> None:
        """Ask for the methods of a task, unless they are known; one question at a time.

        Who still wants to know when another task's are there asks again.
        """
        if not task or task in self._known or self.is_busy:
            return
        self._task = task
        self._job = self._make_job(["methods", "--task", task], self._take)
        self._job.start()

    def poll(self) -> None:
        """Let the answer arrive."""
        if self._job is not None:
            self._job.poll()

    def shutdown(self) -> None:
        """Wait for no answer any more."""
        job, self._job = self._job, None
        if job is not None:
            job.shutdown(seconds=0.5)

    def _take(self, event: Event) -> None:
        if event["event"] not in {"done", "error"} or self._job is None:
            return
        self._job = None
        if event["event"] == "error":
            hint = str(event.get("hint", ""))
            self._on_error(RunError(str(event.get("message", "")), hint=hint))
            return
        try:
            self._known[self._task] = read_methods(event.get("summary", {}))
        except ConfigError as error:
            self._on_error(error)
            return
        self._on_read(self._task)


def value_text(value: Any) -> str:
    """Return a value as overrides write it and forms show it."""
    if value is None:
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_value(setting: Setting, text: str) -> Any:
    """Return the value that a text means for a setting.

    Raises:
        ConfigError: It is none, or not in the setting's range.
    """
    stripped = text.strip()
    if not stripped and setting.is_optional:
        return None
    value = _READERS[setting.kind](setting, stripped)
    for number in value if isinstance(value, list) else [value]:
        _require_in_range(setting, number)
    return value


def override_text(name: str, value: Any) -> str:
    """Return `NAME=VALUE` as `train --override` takes it."""
    return f"{name}={json.dumps(value, ensure_ascii=False)}"


def range_text(setting: Setting) -> str:
    """Return what a setting takes, in a few words."""
    if setting.kind == "choice":
        return ", ".join(map(str, setting.choices))
    if setting.kind == "list":
        count = "" if setting.length is None else f"{setting.length} "
        return f"{count}{setting.entry}s, like [1, 2]"
    limits = (("from", setting.minimum), ("to", setting.maximum))
    words = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
    return " ".join([setting.kind, *words])


def _read_switch(setting: Setting, text: str) -> bool:
    if text not in {TRUE, FALSE}:
        raise _wrong(setting, text, "true or false")
    return text == TRUE


def _read_integer(setting: Setting, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _wrong(setting, text, "a whole number") from None


def _read_number(setting: Setting, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _wrong(setting, text, "a number") from None
    if not math.isfinite(number):
        raise _wrong(setting, text, "a finite number")
    return number


def _read_choice(setting: Setting, text: str) -> Any:
    found = [choice for choice in setting.choices if value_text(choice) == text]
    if not found:
        raise _wrong(setting, text, f"one of {', '.join(map(str, setting.choices))}")
    return found[0]


def _read_list(setting: Setting, text: str) -> list[Any]:
    try:
        values = json.loads(text if text.startswith("[") else f"[{text}]")
    except ValueError:
        raise _wrong(setting, text, "a list like [1, 2]") from None
    if setting.length is not None and len(values) != setting.length:
        raise _wrong(setting, text, f"{setting.length} values")
    return list(values)


_READERS: Mapping[str, Callable[[Setting, str], Any]] = {
    "switch": _read_switch,
    "integer": _read_integer,
    "number": _read_number,
    "choice": _read_choice,
    "list": _read_list,
    "text": lambda _, text: text,
}


def _require_in_range(setting: Setting, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    too_small = setting.minimum is not None and value < setting.minimum
    too_large = setting.maximum is not None and value > setting.maximum
    if too_small or too_large:
        raise _wrong(setting, str(value), range_text(setting))


def _wrong(setting: Setting, text: str, expected: str) -> ConfigError:
    return ConfigError(f"{setting.name} is {text!r}, expected {expected}.")
