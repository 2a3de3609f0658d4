"""What the commands said about data, as tables and findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.bridge.training.data_summary import findings_of_both, prepared, surveyed
from CrossModalSegLib.core.errors import CohortError
from Testing.scene.fake_data_commands import make_cohort, survey_row


def warning(message: str, hint: str = "", kind: str = "x") -> dict[str, Any]:
    return {
        "v": 1,
        "job": "main",
        "event": "warning",
        "kind": kind,
        "message": message,
        "hint": hint,
    }


def test_cases_that_cannot_be_used_are_told_from_suspicious_ones() -> None:
    rows = [
        survey_row("a"),
        survey_row("b", "its slices seem to be out of order"),
        survey_row("c", "has no label map, as others have"),
        survey_row("d", "holds the same image as a"),
        survey_row("e", "is damaged") | {"size": "", "spacing_mm": "", "label_values": ""},
    ]
    left_out = [{"case": "f", "problem": "has no image", "what_to_do": "Add it."}]
    found = surveyed({"dataset": "folder", "cases": rows, "left_out": left_out}, [])
    good = {row.case: row.is_good for row in found.rows}
    assert good == {"a": True, "b": True, "c": False, "d": False, "e": False, "f": False}
    assert found.rows[-1].problems == "has no image. Add it."
    assert found.good_cases == 2
    assert found.findings[0].text.startswith("4 of 6 cases cannot be used")
    assert not found.findings[0].is_blocking


def test_nothing_usable_blocks() -> None:
    found = surveyed({"cases": [survey_row("a", "has no label map, as others have")]}, [])
    assert found.findings[0].is_blocking


def test_strange_spacings_are_marked() -> None:
    usual = [survey_row(name, spacing_mm="1x1x3") for name in "abc"]
    rows = [*usual, survey_row("d", "odd", spacing_mm="1x1x6"), survey_row("e", "", "1x1.9x3")]
    found = {row.case: row.problems for row in surveyed({"cases": rows}, []).rows}
    assert found.pop("d") == "odd; its spacing is unusual here: the others have about 1x1x3 mm"
    assert set(found.values()) == {""}


def test_two_cases_say_nothing_about_what_is_usual() -> None:
    rows = [survey_row("a"), survey_row("b", spacing_mm="9x9x9")]
    assert not any(row.problems for row in surveyed({"cases": rows}, []).rows)


def test_warnings_that_the_table_tells_are_not_told_twice() -> None:
    warnings = [warning("s9: no image.", kind="left_out"), warning("Ignored: x.", "Look.")]
    texts = [finding.text for finding in surveyed({"cases": [survey_row("a")]}, warnings).findings]
    assert texts == ["Ignored: x. Look."]


def test_a_cohort_is_summed_up(tmp_path: Path) -> None:
    folder = make_cohort(tmp_path / "c", "source").folder
    warnings = [
        warning("Case 'source1': it may be flipped.", "Look."),
        warning("No case holds AA."),
    ]
    found = prepared(folder, "source", {}, warnings)
    assert found.title.startswith("Cardiac substructures, CT: 2 for training, 0 for validation")
    first, second = found.rows
    assert (first.case, first.split, first.labels, first.problems) == (
        "source0",
        "train",
        "MYO",
        "",
    )
    assert (first.size, first.spacing_mm) == ("16x16x8", "1x1x1")
    assert (second.labels, second.problems) == ("MYO LAC", "it may be flipped")
    texts = [finding.text for finding in found.findings]
    assert texts == ["Left atrium is missing in the labels of source0.", "No case holds AA."]
    assert not any(finding.is_blocking for finding in found.findings)


def test_a_source_without_labels_blocks_and_a_target_does_not(tmp_path: Path) -> None:
    folder = make_cohort(tmp_path / "c", "target").folder
    assert not prepared(folder, "target", {}, []).findings
    (finding,) = prepared(folder, "source", {}, []).findings
    assert finding.is_blocking
    assert "no labels" in finding.text


def test_what_is_no_cohort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="is not a cohort"):
        prepared(tmp_path, "source", {}, [])


def both(tmp_path: Path, **target: Any) -> list[tuple[str, bool]]:
    source = make_cohort(tmp_path / "s", "source")
    other = make_cohort(tmp_path / "t", "target", **target)
    folders = source.folder, other.folder
    found = findings_of_both(source.record, other.record, folders)
    return [(finding.text, finding.is_blocking) for finding in found]


def test_two_domains_that_fit_say_nothing(tmp_path: Path) -> None:
    assert both(tmp_path) == []


def test_shared_subjects_block(tmp_path: Path) -> None:
    ((text, is_blocking),) = both(tmp_path, subjects=("source0", "other"))
    assert is_blocking
    assert "source0 are subjects of both" in text


def test_one_image_under_two_subjects_blocks(tmp_path: Path) -> None:
    source = make_cohort(tmp_path / "s", "source")
    same = make_cohort(tmp_path / "t", "source", subjects=("p", "q"), modality="mr_bssfp")
    found = findings_of_both(source.record, same.record, (source.folder, same.folder))
    assert [finding.is_blocking for finding in found] == [True]
    assert "source0/p" in found[0].text


def test_different_tasks_block(tmp_path: Path) -> None:
    found = both(tmp_path, task="abdomen")
    assert [is_blocking for _text, is_blocking in found] == [True]
    assert "Abdominal organs" in found[0][0]


def test_one_modality_in_both_is_worth_a_word(tmp_path: Path) -> None:
    assert both(tmp_path, modality="ct") == [
        ("Both domains are CT: there is nothing to adapt to.", False)
    ]
