"""Strict reading and atomic writing."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from CrossModalSegLib.core.config import (
    atomic_write,
    from_dict,
    parse_json,
    read_json,
    read_toml,
    to_dict,
    write_json,
)
from CrossModalSegLib.core.errors import ConfigError, StorageError


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Nested settings."""

    rate: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A field of every kind."""

    count: int
    kind: Literal["plain", "fancy"] = "plain"
    sizes: tuple[int, int] = (1, 2)
    names: tuple[str, ...] = ()
    inner: Inner = Inner()
    limit: float | None = None
    flags: Mapping[str, bool] | None = None


def test_a_dataclass_survives_json(tmp_path: Path) -> None:
    settings = Settings(count=3, names=("a", "b"), inner=Inner(rate=1e-3), flags={"x": True})
    write_json(tmp_path / "settings.json", to_dict(settings))
    assert from_dict(Settings, read_json(tmp_path / "settings.json"), "settings") == settings


def test_toml_numbers_like_1e3_are_numbers(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("count = 1\nlimit = 1e-3\n[inner]\nrate = 1\n", encoding="utf-8")
    assert from_dict(Settings, read_toml(file), "settings").limit == 1e-3


def test_an_unknown_key_comes_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"'cout'.*Did you mean 'count'"):
        from_dict(Settings, {"cout": 1}, "run.toml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "lacks 'count'"),
        ({"count": "3"}, r"count is '3' \(str\), expected int"),
        ({"count": True}, "expected int"),
        ({"count": 1.5}, "expected int"),
        ({"count": 1, "kind": "odd"}, "Choose one of: plain, fancy"),
        ({"count": 1, "sizes": [1]}, "has 1 entries, expected 2"),
        ({"count": 1, "sizes": [1, "x"]}, r"sizes\[1\] is 'x'"),
        ({"count": 1, "inner": {"rat": 1}}, "Did you mean 'rate'"),
        ({"count": 1, "inner": 3}, "expected the settings of Inner"),
        ({"count": 1, "names": "ab"}, "expected a list"),
        ({"count": 1, "limit": "much"}, "limit is 'much'"),
        ({"count": 1, "flags": {"x": 1}}, "expected bool"),
    ],
)
def test_a_wrong_value_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_dict(Settings, values, "run.toml")


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000])
def test_what_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="here"):
        parse_json(text, "here")


def test_a_json_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"a": "b" * 100}), encoding="utf-8")
    with pytest.raises(ConfigError, match="at most 50"):
        read_json(file, max_bytes=50)


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "scores.json", {"dice": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "old.txt"
    file.write_text("old", encoding="utf-8")

    def fail(path: Path) -> None:
        path.write_text("ne", encoding="utf-8")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="disk is full"), atomic_write(file) as temporary:
        fail(temporary)
    assert file.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_temporary_file_keeps_the_ending(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "image.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"x")
    assert (tmp_path / "image.nii.gz").read_bytes() == b"x"
