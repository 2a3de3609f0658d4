"""Disjoint subjects for two domains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.core.errors import CohortError, LeakageError
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort import require_disjoint_subjects
from CrossModalSegLib.data.cohort_writer import prepare_cohort
from CrossModalSegLib.data.domains import cases_of_domain
from CrossModalSegLib.data.splits import SplitRule, split_cases


def cases(count: int) -> list[CaseFiles]:
    return [CaseFiles(id=f"{n}a", subject=f"s{n}", image=Path("x.nii")) for n in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_domains_share_no_subject_even_if_some_lack_a_modality(seed: int) -> None:
    source = cases_of_domain(cases(300), "source", seed)
    target = cases_of_domain(cases(300)[::2], "target", seed)
    assert not {c.subject for c in source} & {c.subject for c in target}
    assert 110 < len(source) < 190
    everyone = cases_of_domain(cases(300), "target", seed)
    assert len(source) + len(everyone) == 300


def test_all_and_paired_take_everyone() -> None:
    assert cases_of_domain(cases(5), "all", 0) == cases_of_domain(cases(5), "paired", 0) == cases(5)


def test_an_empty_domain_is_an_error() -> None:
    (only,) = cases(1)
    empty = "target" if cases_of_domain([*cases(50), only], "source", 0).count(only) else "source"
    with pytest.raises(CohortError, match="another seed"):
        cases_of_domain([only], empty, 0)  # type: ignore[arg-type]


def test_paired_cohorts_may_share_subjects_if_both_say_so(
    write_case: Any, settings: Any, tmp_path: Path
) -> None:
    files = [write_case("a", 1)]
    paired = replace(settings, domain="paired")
    cohorts = [
        prepare_cohort(files, used, tmp_path / f"c{n}")
        for n, used in enumerate((paired, paired, settings))
    ]
    require_disjoint_subjects(cohorts[0], cohorts[1])
    with pytest.raises(LeakageError, match="--domain source"):
        require_disjoint_subjects(cohorts[0], cohorts[2])
    assert "paired study" in cohorts[0].record.split_rule


def test_published_test_subjects_are_kept_and_the_others_dealt_out() -> None:
    rule = SplitRule(fractions=(0.7, 0.1, 0.2)).published(("s1", "s4"), "a paper")
    splits, text = split_cases(cases(18), rule)
    assert [case for case, split in splits.items() if split == "test"] == ["1a", "4a"]
    assert sum(split == "train" for split in splits.values()) == 14
    assert text.startswith("test cases of a paper: s1, s4; the others by subject")
