"""Quick runs of the measurements of both checks."""

from __future__ import annotations

import numpy as np
import pytest

from Testing.benchmarks import modality_check, predicted_dice, spoiled_scans

CHOSEN = ("CT", "mirrored left-right", "mirrored front-back", "upside down", "without a heart")

LEAST_AREA = 0.95


@pytest.mark.slow
def test_what_is_not_as_it_should_be_is_told_from_what_is() -> None:
    heart = spoiled_scans.HEART
    kinds = spoiled_scans.ScanKinds(
        heart.subjects,
        dict(list(heart.usual.items())[:1]),
        {kind: heart.unusual[kind] for kind in CHOSEN},
    )
    found = modality_check.measure(modality_check.MODEL, 950_000, 5, kinds)
    rows = modality_check.summarise(found, kinds)
    assert [row["kind"] for row in rows] == ["bSSFP MR", *CHOSEN]
    assert all(row["auc"] >= LEAST_AREA for row in rows[1:])
    assert rows[0]["warned"] == 0.0
    assert "| CT | 5 |" in modality_check.table(rows)


@pytest.mark.slow
def test_scans_of_brains_are_told_from_others() -> None:
    brain = spoiled_scans.BRAIN
    chosen = ("inverted", "mirrored front-back", "heart, CT")
    kinds = spoiled_scans.ScanKinds(
        brain.subjects,
        dict(list(brain.usual.items())[:1]),
        {kind: brain.unusual[kind] for kind in chosen},
    )
    found = modality_check.measure("whole_tumour_t2_to_flair_glua", 950_000, 4, kinds)
    rows = modality_check.summarise(found, kinds)
    assert all(row["auc"] >= LEAST_AREA for row in rows[1:])


def test_areas_are_those_of_definition() -> None:
    usual = np.array([1.0, 2.0, 3.0])
    assert modality_check.area(usual, np.array([4.0, 5.0])) == 1.0
    assert modality_check.area(usual, np.array([0.0])) == 0.0
    assert modality_check.area(usual, np.array([2.0])) == 0.5


@pytest.mark.slow
def test_poor_scans_are_predicted_to_be_poor(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("as it is", "80 % noise", "blur of 3 voxels")
    monkeypatch.setattr(
        predicted_dice, "DEGRADED", {kind: spoiled_scans.DEGRADED[kind] for kind in kinds}
    )
    cases = predicted_dice.measure(predicted_dice.MODEL, 950_000, 4)
    pairs = predicted_dice.means(cases)
    assert pairs.shape == (12, 2)
    assert float(np.corrcoef(pairs.T)[0, 1]) > 0.5
    assert "| as it is | 4 |" in predicted_dice.table(cases)
