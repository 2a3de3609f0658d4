"""Scores of cases as values and as files (CONTRACTS: scores.json)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from CrossModalSegLib.core.config import MAX_JSON_BYTES, atomic_write, write_json
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError

EmptyMasks = Literal["none", "prediction", "reference", "both"]
"""Which of the two masks of a region hold no voxel."""

EmptyPolicy = Literal["brats", "exclude", "worst"]
"""How empty masks are scored; `evaluation.scores` says what each policy does."""

SCORES_FILE = "scores.json"
SCORES_CSV_FILE = "scores.csv"


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """How well one region of one case was segmented by one method; None means undefined."""

    method: str
    case: str
    region: str
    dice: float | None
    """0 to 1."""
    hd_mm: float | None
    hd95_mm: float | None
    asd_mm: float | None
    assd_mm: float | None
    assd_voxels: float | None
    volume_ml: float
    reference_volume_ml: float
    empty: EmptyMasks
    further: Mapping[str, float | None] = field(default_factory=dict)
    """Metrics that CONTRACTS does not name; they stand beside the others in the file."""

    def __post_init__(self) -> None:
        """Refuse values that no metric can take.

        Raises:
            ConfigError: A name is empty, or a number is not finite, negative, or above its maximum.
        """
        where = f"The score of {self.method!r} on case {self.case!r}, region {self.region!r}"
        if not (self.method and self.case and self.region):
            raise ConfigError(f"{where} lacks a name, expected method, case and region.")
        if self.empty not in get_args(EmptyMasks):
            raise ConfigError(
                f"{where} has empty = {self.empty!r}.",
                hint=f"Use one of: {', '.join(get_args(EmptyMasks))}.",
            )
        for name in METRIC_FIELDS:
            value: float | None = getattr(self, name)
            if value is None and name in _ALWAYS_DEFINED:
                raise ConfigError(f"{where} has no {name}, expected a number.")
            limit = 1.0 if name == "dice" else math.inf
            if value is not None and not (math.isfinite(value) and 0 <= value <= limit):
                raise ConfigError(f"{where} has {name} = {value}, expected 0 to {limit:g}, finite.")
        for name, value in self.further.items():
            if name in _FIELD_NAMES or (value is not None and not math.isfinite(value)):
                raise ConfigError(
                    f"{where} has {name} = {value}, expected a finite number or null."
                )

    def value(self, metric: str) -> float | None:
        """Return the value of a metric, or None where it is undefined.

        Raises:
            UnknownNameError: The record has no such metric.
        """
        if metric in METRIC_FIELDS:
            number: float | None = getattr(self, metric)
            return number
        if metric in self.further:
            return self.further[metric]
        raise UnknownNameError("metric", metric, [*METRIC_FIELDS, *self.further])


_FIELD_NAMES = tuple(entry.name for entry in fields(ScoreRecord) if entry.name != "further")
_TEXT_FIELDS = ("method", "case", "region", "empty")
_ALWAYS_DEFINED = ("volume_ml", "reference_volume_ml")

METRIC_FIELDS = tuple(name for name in _FIELD_NAMES if name not in _TEXT_FIELDS)
"""The metrics that every record has."""


def record_to_dict(record: ScoreRecord) -> dict[str, Any]:
    """Return a record as one flat JSON object."""
    return {name: getattr(record, name) for name in _FIELD_NAMES} | dict(record.further)


def record_from_dict(mapping: Mapping[str, Any], where: str) -> ScoreRecord:
    """Read one JSON object; keys that CONTRACTS does not name must be further metrics.

    Raises:
        ConfigError: A key is missing, or a value has the wrong type or cannot occur.
    """
    missing = [name for name in _FIELD_NAMES if name not in mapping]
    if missing:
        raise ConfigError(f"{where} lacks {', '.join(map(repr, missing))}.")
    values: dict[str, Any] = {}
    for name, value in mapping.items():
        if name in _TEXT_FIELDS:
            if not isinstance(value, str):
                raise ConfigError(f"{where}: {name} is {value!r}, expected text.")
            values[name] = value
        else:
            values[name] = _number(value, f"{where}: {name}")
    further = {name: values.pop(name) for name in list(values) if name not in _FIELD_NAMES}
    return ScoreRecord(**values, further=further)


def read_scores(path: Path) -> tuple[ScoreRecord, ...]:
    """Read a scores.json.

    Raises:
        ConfigError: The file is missing, damaged, not an array of records, or names the same
            method, case and region twice.
    """
    content = _read_array(path)
    records = []
    for index, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise ConfigError(f"{path}: record {index} is {entry!r}, expected a JSON object.")
        records.append(record_from_dict(entry, f"{path}: record {index}"))
    check_unique(records, str(path))
    return tuple(records)


def write_scores(path: Path, records: Sequence[ScoreRecord]) -> None:
    """Write a scores.json atomically; an existing file is replaced.

    Raises:
        ConfigError: The same method, case and region is there twice.
        StorageError: The disk is full or not writable.
    """
    check_unique(records, str(path))
    write_json(path, [record_to_dict(record) for record in records])


def scores_csv(records: Sequence[ScoreRecord]) -> str:
    """Return the records as CSV with a header, one line each; undefined values are empty."""
    names = [*_FIELD_NAMES, *dict.fromkeys(key for record in records for key in record.further)]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow(record_to_dict(record))
    return stream.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8; an existing file is replaced.

    Raises:
        StorageError: The disk is full or not writable.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def check_unique(records: Iterable[ScoreRecord], where: str) -> None:
    """Refuse records that score the same thing twice.

    Raises:
        ConfigError: Two records have the same method, case and region.
    """
    seen = set()
    for record in records:
        key = (record.method, record.case, record.region)
        if key in seen:
            raise ConfigError(
                f"{where} scores method {key[0]!r}, case {key[1]!r}, region {key[2]!r} twice.",
                hint="Give each method a name of its own.",
            )
        seen.add(key)


def _read_array(path: Path) -> list[Any]:
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise ConfigError(f"{path} has {size} bytes, expected at most {MAX_JSON_BYTES}.")
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise ConfigError(f"{path} could not be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(content, list):
        raise ConfigError(
            f"{path} holds a JSON {type(content).__name__}, expected an array of records.",
            hint="Give a scores.json as `evaluate` writes it.",
        )
    return content


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{where} is {value!r}, expected a number or null.")
    return float(value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON knows")
