"""Numbers of the tables, by hand."""

from __future__ import annotations

import math

import pytest

from CrossModalSegLib.core.errors import CohortError, UnknownNameError
from CrossModalSegLib.evaluation.records import EmptyMasks, ScoreRecord
from CrossModalSegLib.evaluation.tables import (
    build_table,
    comparison_notes,
    gaps_closed,
    mean_dice,
    method_order,
)


def score(
    method: str, case: str, region: str, dice: float | None, empty: EmptyMasks = "none"
) -> ScoreRecord:
    return ScoreRecord(
        method=method,
        case=case,
        region=region,
        dice=dice,
        hd_mm=None,
        hd95_mm=None if dice is None else 10 * (1 - dice),
        asd_mm=None,
        assd_mm=None,
        assd_voxels=None,
        volume_ml=1.0,
        reference_volume_ml=1.0,
        empty=empty,
    )


def scores(method: str, *dice: float | None) -> list[ScoreRecord]:
    """Two cases, two regions: MYO of a, MYO of b, AA of a, AA of b."""
    names = (("a", "MYO"), ("b", "MYO"), ("a", "AA"), ("b", "AA"))
    return [score(method, *name, value) for name, value in zip(names, dice, strict=True)]


FOUR = [
    *scores("supervised", 0.9, 0.9, 0.9, 0.9),
    *scores("dsan", 0.5, 0.7, 0.6, 0.6),
    *scores("source_only", 0.1, 0.3, 0.2, 0.2),
    *scores("source_only_augmented", 0.7, 0.7, 0.7, 0.7),
]


def test_mean_and_population_deviation_are_those_of_the_hand() -> None:
    table = build_table(FOUR, "dice", "brats")
    dsan = next(row for row in table.rows if row.method == "dsan")
    assert dsan.cells["MYO"].mean == pytest.approx(60.0)
    assert dsan.cells["MYO"].deviation == pytest.approx(10.0)  # not 14.14, the sample's
    assert dsan.cells["AA"].deviation == pytest.approx(0.0)
    assert dsan.average == pytest.approx(60.0)
    assert table.patients == 2


def test_the_average_is_over_regions_and_not_over_records() -> None:
    records = scores("dsan", 0.2, None, 0.8, 0.8)
    assert mean_dice(records)["dsan"] == pytest.approx(50.0)  # records: (20 + 80 + 80) / 3 = 60


def test_the_gap_closed_is_the_share_between_the_bounds() -> None:
    gaps = gaps_closed(FOUR)
    assert gaps["dsan"] == pytest.approx((60 - 20) / (90 - 20))
    assert (gaps["source_only"], gaps["supervised"]) == (0.0, 1.0)


def test_the_gap_can_be_negative() -> None:
    records = [*FOUR, *scores("worse", 0.0, 0.0, 0.0, 0.0)]
    assert gaps_closed(records)["worse"] == pytest.approx(-20 / 70)


@pytest.mark.parametrize("left_out", ["source_only", "supervised"])
def test_without_both_bounds_there_is_no_gap(left_out: str) -> None:
    assert gaps_closed([r for r in FOUR if r.method != left_out]) == {}


def test_when_supervised_is_not_better_there_is_no_gap() -> None:
    records = [*scores("source_only", *[0.9] * 4), *scores("supervised", *[0.9] * 4)]
    assert gaps_closed(records) == {}


def test_rows_go_from_the_lower_to_the_upper_bound() -> None:
    assert method_order(FOUR) == ("source_only", "source_only_augmented", "dsan", "supervised")


def test_undefined_values_are_left_out_and_counted() -> None:
    table = build_table(scores("dsan", 0.4, None, 0.8, 0.6), "dice", "exclude")
    cell = table.rows[0].cells["MYO"]
    assert cell.mean == pytest.approx(40.0)
    assert (cell.count, cell.undefined) == (1, 1)
    assert "1 undefined" in table.caption()


def test_a_region_without_any_value_has_no_mean_and_no_average() -> None:
    row = build_table(scores("dsan", None, None, 0.8, 0.6), "dice", "exclude").rows[0]
    assert row.cells["MYO"].mean is None
    assert row.average is None


def test_the_caption_names_policy_statistic_patients_and_counts_the_empties() -> None:
    records = [
        score("dsan", "a", "MYO", 0.0, "prediction"),
        score("dsan", "b", "MYO", 1.0, "both"),
        score("dsan", "c", "MYO", 0.0, "prediction"),
    ]
    caption = build_table(records, "dice", "worst").caption()
    assert "population standard deviation across patients (n = 3)" in caption
    assert "policy 'worst'" in caption
    assert "2 x empty prediction, 1 x both empty" in caption


def test_the_best_is_sought_among_methods_that_are_no_bounds() -> None:
    assert build_table(FOUR, "dice", "brats").best("MYO") == {"source_only_augmented"}
    assert build_table(FOUR, "hd95_mm", "brats").best(None) == {"source_only_augmented"}
    bounds = [r for r in FOUR if r.method in ("source_only", "supervised")]
    assert build_table(bounds, "dice", "brats").best("MYO") == frozenset()


def test_fewer_millimetres_are_better() -> None:
    records = [*scores("near", *[0.9] * 4), *scores("far", *[0.1] * 4)]
    assert build_table(records, "hd95_mm", "brats").best("AA") == {"near"}


def test_a_method_without_scores_is_a_row_without_numbers() -> None:
    table = build_table(FOUR, "dice", "brats", methods=["dsan", "bigl"])
    assert [row.method for row in table.rows] == ["dsan", "bigl"]
    assert table.rows[1].cells == {}
    assert table.rows[1].average is None


def test_methods_that_were_scored_on_other_cases_are_refused() -> None:
    records = [*scores("dsan", *[0.5] * 4), *scores("bigl", *[0.5] * 4)[:3]]
    with pytest.raises(CohortError, match=r"bigl has no score for 1 of 4 .*b \(AA\)"):
        build_table(records, "dice", "brats")


def test_no_scores_and_unknown_metrics_are_refused() -> None:
    with pytest.raises(CohortError):
        build_table([], "dice", "brats")
    with pytest.raises(UnknownNameError, match="hd95_mm"):
        build_table(FOUR, "hd95", "brats")


def test_the_note_names_each_method_that_augmentation_beats() -> None:
    notes = comparison_notes(build_table(FOUR, "dice", "brats", labels={"dsan": "DSAN"}))
    assert len(notes) == 1
    assert notes[0].startswith("DSAN (60.0 %) lies below source_only_augmented (70.0 %)")


def test_there_is_no_note_when_adaptation_wins_or_the_row_is_absent() -> None:
    better = [r for r in FOUR if r.method != "dsan"] + scores("dsan", *[0.8] * 4)
    assert comparison_notes(build_table(better, "dice", "brats")) == ()
    absent = [r for r in FOUR if r.method != "source_only_augmented"]
    assert comparison_notes(build_table(absent, "dice", "brats")) == ()


def test_distances_are_not_scaled() -> None:
    table = build_table(scores("dsan", 0.4, 0.6, 0.5, 0.5), "hd95_mm", "brats")
    assert math.isclose(table.rows[0].average or 0.0, 5.0)
