"""Settings as data: kinds, limits, defaults, and what the source says of each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from CrossModalSegLib.core.setting_help import Setting, describe_settings, field_help


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A group.

    Attributes:
        rate: How fast; explained
            over two lines: with a colon.
        name: Which.

    Not an attribute: at all.
    """

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {"rate": (0.0, None)}

    rate: float = 0.5
    name: Literal["one", "two"] = "one"


@dataclass(frozen=True, kw_only=True)
class Base:
    """What all have."""

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {
        "count": (1, 9),
        "other": (2, 3),
    }

    count: int = 3
    """Base's words."""
    kept: bool = True
    """Kept as it is."""


@dataclass(frozen=True, kw_only=True)
class Outer(Base):
    """A method's settings."""

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {"other": (None, 4)}

    count: int = 4
    """Outer's
    words."""
    inner: Inner = field(default_factory=lambda: Inner(rate=0.25))
    """The group."""
    betas: tuple[float, float] = (0.9, 0.99)
    sizes: tuple[int, ...] = ()
    limit: int | None = None
    text: str = ""

    def method(self) -> None:
        """No setting."""


def described(instance: Any) -> dict[str, Setting]:
    return {setting.name: setting for setting in describe_settings(instance)}


def test_settings_come_in_order_with_groups_before_their_members() -> None:
    assert list(described(Outer())) == [
        "count",
        "kept",
        "inner",
        "inner.rate",
        "inner.name",
        "betas",
        "sizes",
        "limit",
        "text",
    ]


def test_kinds_values_and_choices_are_those_of_the_fields() -> None:
    found = described(Outer(limit=7))
    assert (found["count"].kind, found["count"].value) == ("integer", 4)
    assert (found["kept"].kind, found["kept"].value) == ("switch", True)
    assert (found["inner"].kind, found["inner"].value) == ("group", None)
    assert (found["inner.name"].kind, found["inner.name"].choices) == ("choice", ("one", "two"))
    assert (found["betas"].kind, found["betas"].value) == ("list", [0.9, 0.99])
    assert (found["betas"].length, found["betas"].entry) == (2, "number")
    assert (found["sizes"].length, found["sizes"].entry) == (None, "integer")
    assert (found["limit"].kind, found["limit"].value) == ("integer", 7)
    assert found["limit"].is_optional
    assert not found["count"].is_optional
    assert found["text"].kind == "text"


def test_a_group_has_the_values_of_its_owner_not_its_own_defaults() -> None:
    assert described(Outer())["inner.rate"].value == 0.25


def test_limits_are_inherited_and_overridden_one_by_one() -> None:
    found = described(Outer())
    assert (found["count"].minimum, found["count"].maximum) == (1, 9)
    assert (found["inner.rate"].minimum, found["inner.rate"].maximum) == (0.0, None)
    assert (found["kept"].minimum, found["kept"].maximum) == (None, None)


def test_explanations_come_from_below_the_field_or_from_the_attributes() -> None:
    found = described(Outer())
    assert found["count"].help == "Outer's words."
    assert found["kept"].help == "Kept as it is."
    assert found["inner"].help == "The group."
    assert found["inner.rate"].help == "How fast; explained over two lines: with a colon."
    assert found["inner.name"].help == "Which."
    assert found["betas"].help == ""
    assert set(field_help(Inner)) == {"rate", "name"}


def test_a_prefix_goes_before_every_name() -> None:
    names = [setting.name for setting in describe_settings(Inner(), "method.")]
    assert names == ["method.rate", "method.name"]


def test_a_field_for_which_there_is_no_kind_is_named() -> None:
    @dataclass
    class Odd:
        complicated: complex = 1j

    with pytest.raises(TypeError, match="complicated is of type"):
        list(describe_settings(Odd()))


def test_a_class_without_source_has_no_explanations() -> None:
    space: dict[str, Any] = {"dataclass": dataclass}
    exec("@dataclass\nclass Made:\n    x: int = 1\n    'Text.'\n", space)  # noqa: S102
    assert described(space["Made"]())["x"].help == ""


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; import CrossModalSegLib.core.setting_help\n"
        "assert not {'torch', 'monai', 'numpy', 'rich'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
