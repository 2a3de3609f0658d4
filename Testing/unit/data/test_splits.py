"""Subjects and splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CrossModalSegLib.core.errors import CohortError, ConfigError, LeakageError
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.split_names import SPLITS, Split
from CrossModalSegLib.data.splits import GIVEN_SPLITS, SplitRule, assign_splits, split_cases


def case(name: str, subject: str, split: Split | None = None) -> CaseFiles:
    return CaseFiles(id=name, subject=subject, image=Path(name), split=split)


@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 2**31),
    train=st.integers(1, 10),
    validation=st.integers(0, 5),
)
def test_sizes_follow_the_fractions(count: int, seed: int, train: int, validation: int) -> None:
    total = train + validation + 2
    fractions = (train / total, validation / total, 2 / total)
    splits = assign_splits(
        (f"s{n}" for n in range(count)), SplitRule(fractions=fractions, seed=seed)
    )
    sizes = Counter(splits.values())
    assert sum(sizes.values()) == count
    assert sizes["train"] >= 1
    for name, share in zip(SPLITS, fractions, strict=True):
        assert abs(sizes[name] - share * count) < 3
        assert sizes[name] > 0 or share == 0 or count < 3


def test_the_assignment_is_the_same_on_every_machine() -> None:
    splits = assign_splits(["a", "b", "c", "d"], SplitRule(fractions=(0.5, 0.25, 0.25), seed=1))
    assert splits == {"a": "train", "d": "train", "b": "validation", "c": "test"}


def test_order_and_repetition_of_subjects_do_not_matter() -> None:
    rule = SplitRule()
    names = [f"s{n}" for n in range(20)]
    assert assign_splits(names, rule) == assign_splits([*reversed(names), *names], rule)


def test_another_seed_deals_out_differently() -> None:
    names = [f"s{n}" for n in range(20)]
    assert assign_splits(names, SplitRule(seed=1)) != assign_splits(names, SplitRule(seed=2))


def test_all_cases_of_a_subject_share_a_split() -> None:
    cases = [case(f"c{n}", f"s{n // 3}") for n in range(30)]
    splits, _ = split_cases(cases, SplitRule(fractions=(0.5, 0.25, 0.25)))
    for n in range(0, 30, 3):
        assert splits[f"c{n}"] == splits[f"c{n + 1}"] == splits[f"c{n + 2}"]


def test_prescribed_splits_are_kept() -> None:
    splits, rule = split_cases([case("a", "A", "test"), case("b", "B", "train")], SplitRule())
    assert splits == {"a": "test", "b": "train"}
    assert rule == GIVEN_SPLITS


def test_half_prescribed_splits_are_an_error() -> None:
    with pytest.raises(CohortError, match="1 cases have a split and 1 have none"):
        split_cases([case("a", "A", "test"), case("b", "B")], SplitRule())


def test_a_subject_in_two_prescribed_splits_is_leakage() -> None:
    with pytest.raises(LeakageError, match=r"'A' \(test, train\)"):
        split_cases([case("a", "A", "test"), case("b", "A", "train")], SplitRule())


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.5, -0.5, 0.0), (float("nan"), 0.0, 1.0)])
def test_fractions_must_sum_to_one(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="sum to 1"):
        SplitRule(fractions=fractions)


def test_the_rule_says_what_it_does() -> None:
    text = SplitRule(fractions=(0.7, 0.2, 0.1), seed=3).text
    assert "by subject" in text
    assert "seed 3: train 0.7, validation 0.2, test 0.1" in text
