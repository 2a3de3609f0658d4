"""Strict reading of TOML and JSON into frozen dataclasses, and atomic writing."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from CrossModalSegLib.core.errors import ConfigError, storage_errors, suggestion

T = TypeVar("T")

MAX_JSON_BYTES = 64 * 2**20
"""A configuration larger than this is not one of ours."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: The file is missing or not TOML.
    """
    try:
        return tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error


def read_json(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigError: The file is missing, too large or not a JSON object.
    """
    return parse_json(_read_text(path, max_bytes), str(path))


def parse_json(text: str, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ConfigError: The text is not a JSON object, or holds NaN or infinite numbers.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where} holds a {type(content).__name__}, expected a JSON object.")
    return content


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that a reader sees either the old file or the whole new one.

    Raises:
        StorageError: The disk is full or not writable.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block succeeds.

    The temporary file keeps the endings of `path`, so that writers can go by them, and is flushed
    to the disk before the rename.

    Raises:
        StorageError: The disk is full or not writable.
    """
    temporary = path.with_name(f".{uuid4().hex[:8]}.{path.name}")
    try:
        with storage_errors(path):
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def to_dict(value: Any) -> Any:
    """Return a dataclass (or a container of such) as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_dict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value


def from_dict(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from plain values.

    Args:
        cls: A dataclass; fields may be scalars, Literals, Optionals, tuples, mappings, dataclasses.
        mapping: Plain values, as JSON or TOML give them.
        where: Name of the source, for messages.

    Raises:
        ConfigError: A key is unknown (with a suggestion) or missing, or a value has another type.
    """
    return typing.cast("T", _dataclass(cls, mapping, where))


def _dataclass(cls: Any, mapping: Any, where: str) -> Any:
    if not isinstance(mapping, Mapping):
        raise _wrong_type(where, mapping, f"the settings of {cls.__name__}")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in mapping:
        if key not in fields:
            raise ConfigError(f"{where} has an unknown key {key!r}.", hint=suggestion(key, fields))
    hints = typing.get_type_hints(cls)
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in mapping.items()}
    missing = [
        name
        for name, field in fields.items()
        if name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(map(repr, missing))}.")
    return cls(**values)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, where)
    origin = typing.get_origin(hint)
    if origin is None:
        return _scalar(hint, value, where)
    if origin not in _CONVERTERS:
        raise TypeError(f"{where}: the reader knows no fields of type {hint!r}.")
    return _CONVERTERS[origin](typing.get_args(hint), value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is Any or hint is object:
        return value
    if hint is Path and isinstance(value, str):
        return Path(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and is_number:
        return float(value)
    fits = isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    if not fits:
        raise _wrong_type(where, value, "nothing" if hint is type(None) else hint.__name__)
    return value


def _literal(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise ConfigError(f"{where} is {value!r}.", hint=suggestion(str(value), map(str, choices)))
    return value


def _optional(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in members:
        return None
    candidates = [member for member in members if member is not type(None)]
    for candidate in candidates[:-1]:
        try:
            return _convert(candidate, value, where)
        except ConfigError:
            continue
    return _convert(candidates[-1], value, where)


def _tuple(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(where, value, "a list")
    if members[-1:] == (Ellipsis,):
        members = (members[0],) * len(value)
    if len(value) != len(members):
        raise ConfigError(f"{where} has {len(value)} entries, expected {len(members)}.")
    return tuple(
        _convert(member, item, f"{where}[{index}]")
        for index, (member, item) in enumerate(zip(members, value, strict=True))
    )


def _list(members: tuple[Any, ...], value: Any, where: str) -> Any:
    return list(_tuple((members[0], Ellipsis), value, where))


def _mapping(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong_type(where, value, "a table of named values")
    return {
        _convert(members[0], key, where): _convert(members[1], item, f"{where}[{key!r}]")
        for key, item in value.items()
    }


_CONVERTERS: dict[Any, Any] = {
    typing.Literal: _literal,
    typing.Union: _optional,
    types.UnionType: _optional,
    tuple: _tuple,
    list: _list,
    dict: _mapping,
    Mapping: _mapping,
}


def _wrong_type(where: str, value: Any, expected: str) -> ConfigError:
    return ConfigError(f"{where} is {value!r} ({type(value).__name__}), expected {expected}.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")


def _read_text(path: Path, max_bytes: int = MAX_JSON_BYTES) -> str:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ConfigError(f"{path} has {size} bytes, expected at most {max_bytes}.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} could not be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text.") from error
