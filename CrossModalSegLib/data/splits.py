"""Which subjects train, validate and test. A subject is never in two splits."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from CrossModalSegLib.core.errors import CohortError, ConfigError, LeakageError
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.split_names import SPLITS, Split


@dataclass(frozen=True, kw_only=True)
class SplitRule:
    """How subjects are dealt out.

    Attributes:
        fractions: Shares of train, validation and test; they sum to 1.
        seed: Another seed deals the subjects out differently.
        test_subjects: Published test subjects. If given, they are the test split, and the others
            are dealt out by the shares of train and validation.
        test_source: Who published them.
    """

    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    test_subjects: tuple[str, ...] = ()
    test_source: str = ""

    def __post_init__(self) -> None:
        """Refuse shares that do not add up.

        Raises:
            ConfigError: A share is negative or not finite, or they do not sum to 1.
        """
        is_valid = all(math.isfinite(f) and f >= 0 for f in self.fractions)
        if not is_valid or abs(sum(self.fractions) - 1) > 1e-6:
            raise ConfigError(
                f"The split fractions are {self.fractions}, expected shares of train, validation "
                "and test that sum to 1.",
                hint="For example 0.8, 0.1, 0.1.",
            )

    @property
    def text(self) -> str:
        """The rule in words, stored in the cohort."""
        shares = ", ".join(
            f"{name} {share:g}" for name, share in zip(SPLITS, self.fractions, strict=True)
        )
        dealt = f"by subject, in the order of SHA-256 of 'seed:subject', seed {self.seed}: {shares}"
        if not self.test_subjects:
            return dealt
        return (
            f"test cases of {self.test_source}: {', '.join(self.test_subjects)}; the others {dealt}"
        )

    def published(self, subjects: Sequence[str], source: str) -> SplitRule:
        """Return the rule with published test subjects; the others train and validate.

        Without a share for training there is nothing to deal out: all others train.
        """
        train, validation, _ = self.fractions
        rest = train + validation
        shares = (train / rest, validation / rest, 0.0) if rest > 0 else (1.0, 0.0, 0.0)
        return replace(self, fractions=shares, test_subjects=tuple(subjects), test_source=source)


GIVEN_SPLITS = "given by the dataset"
"""The rule's text where the dataset prescribes each case's split."""


def assign_splits(subjects: Iterable[str], rule: SplitRule) -> dict[str, Split]:
    """Deal subjects out to the splits.

    Subjects are ordered by a hash of seed and name, which no library version changes. Every split
    with a share gets at least one subject if there are enough subjects, train first.
    """
    unique = sorted(set(subjects), key=lambda subject: _rank(subject, rule.seed))
    sizes = _sizes(len(unique), rule.fractions)
    names = [name for name, size in zip(SPLITS, sizes, strict=True) for _ in range(size)]
    return dict(zip(unique, names, strict=True))


def split_cases(cases: Sequence[CaseFiles], rule: SplitRule) -> tuple[dict[str, Split], str]:
    """Return the split of each case by its id, and the rule in words.

    Splits that the dataset prescribes are kept; then every case needs one.

    Raises:
        CohortError: Only some cases have a prescribed split.
        LeakageError: The dataset puts one subject into two splits.
    """
    given = {case.id: case.split for case in cases if case.split is not None}
    if not given:
        others = (case.subject for case in cases if case.subject not in rule.test_subjects)
        by_subject = assign_splits(others, rule)
        by_subject |= dict.fromkeys(rule.test_subjects, "test")
        return {case.id: by_subject[case.subject] for case in cases}, rule.text
    missing = [case.id for case in cases if case.id not in given]
    if missing:
        raise CohortError(
            f"{len(given)} cases have a split and {len(missing)} have none, for example "
            f"{missing[0]!r}.",
            hint="Give a split for every case, or for none.",
        )
    _require_one_split_a_subject([replace(case, split=given[case.id]) for case in cases])
    return given, GIVEN_SPLITS


def _require_one_split_a_subject(cases: Iterable[CaseFiles]) -> None:
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.subject, set()).add(str(case.split))
    torn = [f"{subject!r} ({', '.join(sorted(s))})" for subject, s in splits.items() if len(s) > 1]
    if torn:
        raise LeakageError(
            f"Subjects are in several splits: {', '.join(sorted(torn))}.",
            hint="Put all cases of a subject into one split.",
        )


def _rank(subject: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{subject}".encode()).hexdigest()


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Round shares to whole numbers that sum to `count`, by the largest remainders."""
    sizes = [math.floor(share * count + 1e-9) for share in fractions]
    order = sorted(range(len(sizes)), key=lambda n: (sizes[n] - fractions[n] * count, n))
    for n in order[: count - sum(sizes)]:
        sizes[n] += 1
    for n, share in enumerate(fractions):
        largest = sizes.index(max(sizes))
        if share > 0 and sizes[n] == 0 and (sizes[largest] > 1 or n == 0):
            sizes[largest] -= 1
            sizes[n] += 1
    return sizes
