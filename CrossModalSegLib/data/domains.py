"""Disjoint subjects for the two domains, where one dataset has several modalities of each.

Whether a subject is of the source or of the target depends on nothing but its name and the seed,
so that two cohorts that are prepared at different times, of different modalities, some missing,
never share one. The halves are therefore equal only nearly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.data.adapters.case_files import CaseFiles

Domain = Literal["all", "source", "target", "paired"]
"""Which subjects of a dataset are taken. "paired" says that all are, and that both domains are to
share them: for studies of what pairing would give."""

DOMAINS: tuple[Domain, ...] = get_args(Domain)

_HALF = 128


def cases_of_domain(cases: Sequence[CaseFiles], domain: Domain, seed: int) -> list[CaseFiles]:
    """Return the cases whose subjects belong to a domain.

    Raises:
        CohortError: There are none.
    """
    if domain in {"all", "paired"}:
        return list(cases)
    chosen = [case for case in cases if domain_of(case.subject, seed) == domain]
    if not chosen:
        raise CohortError(
            f"None of the {len(cases)} cases belongs to the {domain} domain with seed {seed}.",
            hint="Choose another seed, the same for both domains.",
        )
    return chosen


def domain_of(subject: str, seed: int) -> Literal["source", "target"]:
    """Return the domain of a subject, by the first byte of a hash of seed and name."""
    first = hashlib.sha256(f"domain:{seed}:{subject}".encode()).digest()[0]
    return "source" if first < _HALF else "target"


def domain_text(domain: Domain, seed: int) -> str:
    """Return how subjects were chosen, in words, for the cohort."""
    if domain == "paired":
        return "; both domains share subjects (paired study)"
    if domain == "all":
        return ""
    half = "below 128" if domain == "source" else "128 or above"
    return (
        f"; only subjects of the {domain} domain: first byte of SHA-256 of "
        f"'domain:{seed}:subject' {half}"
    )
