"""Scores files brought together: what fits, what does not, and deviations across runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.core.errors import CohortError, ConfigError
from CrossModalSegLib.evaluation.comparison import read_comparison
from CrossModalSegLib.evaluation.provenance import Provenance, write_provenance
from CrossModalSegLib.evaluation.records import write_scores

PROVENANCE = Provenance(version="0", command="c", task="cardiac", policy="brats")


@pytest.fixture
def folder(tmp_path: Path, scores: Any) -> Path:
    """Write two methods, one of them twice, each in a folder of its own."""
    runs = {
        "a": scores("source_only", [0.2, 0.4]),
        "b": scores("glua", [0.7, 0.9]),
        "b2": scores("glua", [0.5, 0.7]),
    }
    for name, records in runs.items():
        (tmp_path / name).mkdir()
        write_scores(tmp_path / name / "scores.json", records)
        write_provenance(tmp_path / name / "provenance.json", PROVENANCE)
    return tmp_path


def sources(folder: Path, *names: str) -> list[str]:
    return [str(folder / name) for name in names]


def test_files_and_folders_give_methods_with_their_policy_and_hashes(folder: Path) -> None:
    comparison = read_comparison([str(folder / "a" / "scores.json"), str(folder / "b")])
    assert comparison.methods == ("source_only", "glua")
    assert comparison.policy == "brats"
    assert [len(file.content_hash) for file in comparison.files] == [64, 64]
    (direction,) = comparison.directions
    row = comparison.table(direction, "dice").rows[1]
    assert (row.cells["AA"].mean, row.cells["AA"].deviation) == pytest.approx((80.0, 10.0))


def test_directions_are_named_before_the_file(folder: Path) -> None:
    named = [f"CT to MR={folder / 'a'}", f"MR to CT={folder / 'b'}"]
    assert [d.name for d in read_comparison(named).directions] == ["CT to MR", "MR to CT"]


def test_repeated_runs_need_to_be_called_so(folder: Path) -> None:
    with pytest.raises(ConfigError, match="--across runs"):
        read_comparison(sources(folder, "b", "b2"))


def test_deviations_across_runs_are_those_of_the_means_of_runs(folder: Path) -> None:
    comparison = read_comparison(sources(folder, "a", "b", "b2"), across="runs")
    table = comparison.table(comparison.directions[0], "dice")
    once, twice = table.rows
    assert (once.runs, once.cells["MYO"].deviation) == (1, None)
    cell = twice.cells["MYO"]
    assert cell.mean == pytest.approx(70)
    assert cell.deviation == pytest.approx(10)
    assert cell.count == 2
    assert "across runs (source_only 1, glua 2; each run is the mean over 2" in table.caption()


def test_runs_on_other_cases_are_refused(folder: Path, scores: Any) -> None:
    write_scores(folder / "b2" / "scores.json", scores("glua", [0.5]))
    with pytest.raises(CohortError, match="glua, run 2 has no score"):
        read_comparison(sources(folder, "b", "b2"), across="runs")


def test_methods_on_other_cases_are_refused(folder: Path, scores: Any) -> None:
    write_scores(folder / "b" / "scores.json", scores("glua", [0.5]))
    with pytest.raises(CohortError, match="glua has no score for 4 of 8"):
        read_comparison(sources(folder, "a", "b"))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"policy": "worst"}, "different policies"), ({"nsd_tolerance_mm": 2.0}, "tolerances")],
)
def test_scores_made_by_different_rules_are_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    first = replace(PROVENANCE, nsd_tolerance_mm=1.0)
    write_provenance(folder / "a" / "provenance.json", first)
    write_provenance(folder / "b" / "provenance.json", replace(first, **change))
    with pytest.raises(ConfigError, match=message):
        read_comparison(sources(folder, "a", "b"))


def test_without_provenance_the_policy_must_be_said(folder: Path) -> None:
    (folder / "a" / "provenance.json").unlink()
    with pytest.raises(ConfigError, match="--empty"):
        read_comparison(sources(folder, "a"))
    assert read_comparison(sources(folder, "a"), policy="worst").policy == "worst"


def test_what_is_no_scores_file_is_named(folder: Path) -> None:
    (folder / "a" / "scores.json").write_text(json.dumps({"method": "dsan"}))
    with pytest.raises(ConfigError, match="expected an array"):
        read_comparison(sources(folder, "a"))
    with pytest.raises(ConfigError, match="absent"):
        read_comparison(sources(folder, "absent"))
    with pytest.raises(CohortError, match="No scores"):
        read_comparison([])
