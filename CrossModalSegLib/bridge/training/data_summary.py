"""What was found out about the data of a domain, and of two domains together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from CrossModalSegLib.bridge.training.data_choice import Role
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.data.checks import SPACING_RATIO
from CrossModalSegLib.data.cohort import Cohort, require_disjoint_subjects, require_same_channels
from CrossModalSegLib.data.cohort_record import CohortCase, CohortRecord, listed, read_record
from CrossModalSegLib.data.split_names import SPLITS

_TOLD_IN_ROWS = frozenset({"left_out"})
"""Kinds of warnings that the table of cases tells, too."""

_OF_CASE = re.compile(r"Case (?P<quote>['\"])(?P<case>.+?)(?P=quote): (?P<what>.+)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """One case, as the table shows it.

    Attributes:
        case: Its name.
        split: "train", "validation" or "test"; "" while that is not decided.
        size: Voxels along i, j, k; of prepared cases columns, rows and slices.
        spacing_mm: In the same order.
        labels: Structures or values that it holds.
        problems: What is wrong or suspicious; "" if nothing is.
        is_good: Whether it can be used.
    """

    case: str
    split: str = ""
    size: str = ""
    spacing_mm: str = ""
    labels: str = ""
    problems: str = ""
    is_good: bool = True


@dataclass(frozen=True, kw_only=True)
class DataFinding:
    """Something about a domain, or two, that users should know.

    Attributes:
        text: What was found and what to do about it.
        is_blocking: Whether training is impossible with it.
    """

    text: str
    is_blocking: bool = False


@dataclass(frozen=True, kw_only=True)
class DomainSummary:
    """Data of one domain, looked at or prepared.

    Attributes:
        title: Which data set it is, in a line.
        rows: The cases.
        findings: About all of them.
        record: Of a prepared cohort; None before.
    """

    title: str
    rows: tuple[CaseRow, ...]
    findings: tuple[DataFinding, ...] = ()
    record: CohortRecord | None = None

    @property
    def good_cases(self) -> int:
        """How many cases can be used."""
        return sum(row.is_good for row in self.rows)


def surveyed(summary: Mapping[str, Any], warnings: Sequence[Event]) -> DomainSummary:
    """Return what `prepare --dry-run` said.

    Args:
        summary: Of its last event.
        warnings: That came before.
    """
    rows = [
        CaseRow(
            case=str(entry["case"]),
            size=str(entry["size"]),
            spacing_mm=str(entry["spacing_mm"]),
            labels=str(entry["label_values"]),
            problems=str(entry["problems"]),
            is_good=not _is_unusable(entry),
        )
        for entry in summary.get("cases", ())
    ]
    rows = [*_with_strange_spacings(rows), *_left_out(summary)]
    findings = _of_warnings(warnings)
    bad = sum(not row.is_good for row in rows)
    if bad:
        text = f"{bad} of {len(rows)} cases cannot be used and will be left out; see the table."
        findings.insert(0, DataFinding(text=text, is_blocking=bad == len(rows)))
    return DomainSummary(
        title=str(summary.get("dataset", "")), rows=tuple(rows), findings=tuple(findings)
    )


def prepared(
    folder: Path, role: Role, summary: Mapping[str, Any], warnings: Sequence[Event]
) -> DomainSummary:
    """Return what a cohort holds.

    Args:
        folder: The cohort.
        role: What it is used for.
        summary: Of the last event of `prepare`; empty for a cohort that was prepared before.
        warnings: That came before.

    Raises:
        CohortError: It is damaged.
    """
    record = read_record(folder)
    problems: dict[str, list[str]] = {case.id: [] for case in record.cases}
    others = []
    for event in warnings:
        found = _OF_CASE.match(str(event.get("message", "")))
        if found and found["case"] in problems:
            problems[found["case"]].append(found["what"].rstrip("."))
        else:
            others.append(event)
    rows = [_row(case, record, problems[case.id]) for case in record.cases]
    findings = [*_of_record(record, role), *_of_warnings(others)]
    return DomainSummary(
        title=_title(record),
        rows=(*rows, *_left_out(summary)),
        findings=tuple(findings),
        record=record,
    )


def findings_of_both(
    source: CohortRecord, target: CohortRecord, folders: tuple[Path, Path]
) -> tuple[DataFinding, ...]:
    """Return what keeps two cohorts from being trained on together, or makes it doubtful.

    Args:
        source: Of the labelled domain.
        target: Of the other one.
        folders: Where they are, in this order.
    """
    first, second = Cohort(folders[0], source), Cohort(folders[1], target)
    findings = []
    if source.task != target.task:
        text = (
            f"The source is for the task {source.task.label!r}, the target for "
            f"{target.task.label!r}. Prepare both for the same task."
        )
        findings.append(DataFinding(text=text, is_blocking=True))
    for require in (require_same_channels, require_disjoint_subjects):
        try:
            require(first, second)
        except CrossModalSegError as error:
            findings.append(DataFinding(text=str(error), is_blocking=True))
    names = [", ".join(m.name for m in record.modalities) for record in (source, target)]
    if names[0] == names[1]:
        text = f"Both domains are {source.modality.label}: there is nothing to adapt to."
        findings.append(DataFinding(text=text))
    sizes = [" x ".join(map(str, record.preprocessing.matrix)) for record in (source, target)]
    if sizes[0] != sizes[1]:
        text = (
            f"Slices of the source have {sizes[0]} voxels, those of the target {sizes[1]}. Prepare "
            "both with the same matrix, unless that is meant."
        )
        findings.append(DataFinding(text=text))
    return tuple(findings)


def _is_unusable(entry: Mapping[str, Any]) -> bool:
    """Tell whether a row of the survey says that its case cannot be prepared."""
    problems = str(entry["problems"])
    is_read = bool(entry["size"])
    return not is_read or "has no label map" in problems or "holds the same image as" in problems


def _left_out(summary: Mapping[str, Any]) -> list[CaseRow]:
    rows = []
    for entry in summary.get("left_out", ()):
        text = f"{entry['problem']}. {entry.get('what_to_do', '')}".strip()
        rows.append(CaseRow(case=str(entry["case"]), problems=text, is_good=False))
    return rows


def _with_strange_spacings(rows: Sequence[CaseRow]) -> list[CaseRow]:
    """Note spacings that are far from the median, as `prepare` does of the slices it makes."""
    spacings = {row.case: _numbers(row.spacing_mm) for row in rows}
    known = [spacing for spacing in spacings.values() if spacing]
    if len(known) < 3:
        return list(rows)
    usual = [median(axis) for axis in zip(*known, strict=True)]
    text = "x".join(f"{mm:.3g}" for mm in usual)
    marked = []
    for row in rows:
        pairs = zip(spacings[row.case], usual, strict=False)
        ratio = max((max(mm / middle, middle / mm) for mm, middle in pairs), default=1.0)
        if ratio >= SPACING_RATIO:
            problem = f"its spacing is unusual here: the others have about {text} mm"
            row = replace(row, problems="; ".join(filter(None, (row.problems, problem))))
        marked.append(row)
    return marked


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split("x"))
    except ValueError:
        return ()
    return numbers if len(numbers) == 3 and min(numbers) > 0 else ()


def _of_warnings(warnings: Iterable[Event]) -> list[DataFinding]:
    findings = []
    for event in warnings:
        if event.get("kind") not in _TOLD_IN_ROWS:
            text = f"{event.get('message', '')} {event.get('hint', '')}".strip()
            findings.append(DataFinding(text=text))
    return findings


def _of_record(record: CohortRecord, role: Role) -> list[DataFinding]:
    findings = []
    if role == "source" and any(case.class_voxels is None for case in record.cases):
        text = "The source has no labels. Prepare it again with label maps."
        findings.append(DataFinding(text=text, is_blocking=True))
    if not any(case.split == "train" for case in record.cases):
        text = f"No case of the {role} is for training. Choose other shares of the split."
        findings.append(DataFinding(text=text, is_blocking=True))
    for entry in record.task.classes if role == "source" else ():
        lacking = [c.id for c in record.cases if c.class_voxels and not c.class_voxels[entry.value]]
        if lacking and len(lacking) < len(record.cases):
            text = f"{entry.label} is missing in the labels of {listed(lacking)}."
            findings.append(DataFinding(text=text))
    return findings


def _title(record: CohortRecord) -> str:
    counts = [
        f"{sum(case.split == split for case in record.cases)} for {name}"
        for split, name in zip(SPLITS, ("training", "validation", "test"), strict=True)
    ]
    modalities = ", ".join(modality.label for modality in record.modalities)
    slices = sum(case.shape[0] for case in record.cases)
    return f"{record.task.label}, {modalities}: {', '.join(counts)}; {slices} slices"


def _row(case: CohortCase, record: CohortRecord, problems: Sequence[str]) -> CaseRow:
    depth, height, width = case.shape
    voxels = case.class_voxels or ()
    held = [entry.name for entry in record.task.classes if voxels and voxels[entry.value]]
    return CaseRow(
        case=case.id,
        split=case.split,
        size=f"{width}x{height}x{depth}",
        spacing_mm="x".join(f"{mm:.3g}" for mm in case.spacing_mm),
        labels=" ".join(held),
        problems="; ".join(problems),
    )
