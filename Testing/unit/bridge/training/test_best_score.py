"""The running maximum of the label-free score."""

from __future__ import annotations

import pytest

from CrossModalSegLib.bridge.training.best_score import BestScore


def taken(*reports: tuple[int, float | None]) -> BestScore:
    best = BestScore()
    for step, score in reports:
        best.take({"event": "metrics", "step": step, "values": {"label_free_score": score}})
    return best


@pytest.mark.parametrize(
    ("reports", "iteration", "value"),
    [
        ((), None, None),
        (((5, 0.2), (10, 0.5), (15, 0.4)), 10, 0.5),
        (((5, 0.5), (10, 0.5)), 10, 0.5),  # of equal ones the trainer keeps the later
        (((5, 0.2), (10, 0.9), (15, 0.3), (10, 0.1)), 5, 0.2),  # resumed from iteration 5
        (((5, 0.2), (10, 0.9), (10, 0.4)), 10, 0.4),
        (((5, None), (10, float("nan")), (15, -1.0)), 15, -1.0),
    ],
)
def test_it_is_that_of_the_model_that_would_be_kept(
    reports: tuple[tuple[int, float | None], ...], iteration: int | None, value: float | None
) -> None:
    best = taken(*reports)
    assert (best.iteration, best.value) == (iteration, value)


def test_other_numbers_are_no_score() -> None:
    best = BestScore()
    best.take({"event": "metrics", "step": 1, "values": {"seg": 0.5}})
    best.take({"event": "metrics", "step": None, "values": {"label_free_score": 0.5}})
    best.take({"event": "metrics", "step": 1, "values": None})
    assert best.value is None
