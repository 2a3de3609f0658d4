"""scores.json: exact fields, strict reading, exact round trip."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.evaluation.records import (
    ScoreRecord,
    read_scores,
    record_from_dict,
    record_to_dict,
    scores_csv,
    write_scores,
)

CONTRACT = {
    "method": "dsan",
    "case": "Müller scan 1",
    "region": "MYO",
    "dice": 0.1 + 0.2,
    "hd_mm": 12.5,
    "hd95_mm": 3.0,
    "asd_mm": None,
    "assd_mm": 1.25,
    "assd_voxels": 0.0,
    "volume_ml": 88.0,
    "reference_volume_ml": 90.5,
    "empty": "none",
}


def record(**changes: Any) -> ScoreRecord:
    return record_from_dict({**CONTRACT, **changes}, "test")


def test_a_record_has_exactly_the_fields_of_the_contract() -> None:
    assert record_to_dict(record()) == CONTRACT


def test_scores_survive_a_round_trip_bit_for_bit(tmp_path: Path) -> None:
    records = (record(), record(region="AA", nsd_2mm=0.5, precision=None))
    write_scores(tmp_path / "scores.json", records)
    assert read_scores(tmp_path / "scores.json") == records


def test_the_file_is_an_array_with_null_for_undefined(tmp_path: Path) -> None:
    write_scores(tmp_path / "scores.json", [record()])
    text = (tmp_path / "scores.json").read_text(encoding="utf-8")
    assert json.loads(text) == [CONTRACT]
    assert "NaN" not in text
    assert '"asd_mm": null' in text


def test_further_metrics_stand_beside_the_others() -> None:
    extended = record(nsd_2mm=0.5)
    assert record_to_dict(extended)["nsd_2mm"] == 0.5
    assert extended.value("nsd_2mm") == 0.5
    assert extended.value("asd_mm") is None


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="hd95_mm"):
        record().value("hd95")


@pytest.mark.parametrize("name", [*CONTRACT])
def test_a_missing_key_is_named(name: str) -> None:
    content = {key: value for key, value in CONTRACT.items() if key != name}
    with pytest.raises(ConfigError, match=f"lacks '{name}'"):
        record_from_dict(content, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dice": 1.5}, "dice = 1.5"),
        ({"dice": "0.5"}, "expected a number"),
        ({"dice": True}, "expected a number"),
        ({"dice": float("nan")}, "dice = nan"),
        ({"hd_mm": -1}, "hd_mm = -1"),
        ({"volume_ml": None}, "no volume_ml"),
        ({"empty": "maybe"}, "maybe"),
        ({"method": 3}, "expected text"),
        ({"case": ""}, "lacks a name"),
        ({"nsd_2mm": "high"}, "expected a number"),
        ({"nsd_2mm": float("inf")}, "nsd_2mm"),
    ],
)
def test_a_value_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        record(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ('{"method": "dsan"}', "expected an array"),
        ("[3]", "record 0"),
        ('[{"dice": NaN}]', "NaN"),
        ("[[[", "not valid JSON"),
    ],
)
def test_a_foreign_or_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_scores(path)
    assert str(path) in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        read_scores(tmp_path / "absent.json")


def test_the_same_thing_scored_twice_is_refused_on_writing_and_reading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="twice"):
        write_scores(tmp_path / "scores.json", [record(), record()])
    assert not list(tmp_path.iterdir())
    (tmp_path / "scores.json").write_text(json.dumps([CONTRACT, CONTRACT]), encoding="utf-8")
    with pytest.raises(ConfigError, match="twice"):
        read_scores(tmp_path / "scores.json")


def test_the_csv_has_a_line_for_each_record_and_nothing_for_undefined() -> None:
    lines = list(csv.DictReader(scores_csv([record(), record(region="AA", nsd=0.5)]).splitlines()))
    assert [line["region"] for line in lines] == ["MYO", "AA"]
    assert float(lines[0]["dice"]) == 0.1 + 0.2
    assert (lines[0]["asd_mm"], lines[0]["nsd"], lines[1]["nsd"]) == ("", "", "0.5")
