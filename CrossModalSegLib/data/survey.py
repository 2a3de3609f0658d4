"""What a dataset holds, case by case, before anything is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.case_pool import run_cases, usual_workers
from CrossModalSegLib.data.case_preparation import content_hash, read_case
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.label_objects import describe_objects
from CrossModalSegLib.data.segmentation_files import describe_segments
from CrossModalSegLib.data.structures import StructureNames
from CrossModalSegLib.data.volume_files import read_label_values, whole_values


@dataclass(frozen=True, kw_only=True)
class SurveyedCase:
    """One row of the survey.

    Attributes:
        case: Its name.
        files: How many files it is read from.
        size: Voxels along i, j, k; "" if it cannot be read.
        spacing_mm: Along i, j, k.
        label_values: The dataset's own values; or its structures, each with the task's values that
            it is read as, "?" where the task has none; "" without labels.
        problems: What is wrong, or suspicious; "" if nothing is.
        is_good: Whether it can be prepared.
    """

    case: str
    files: int
    size: str
    spacing_mm: str
    label_values: str
    problems: str
    is_good: bool


def survey_cases(
    cases: Sequence[CaseFiles], settings: CohortSettings, reporter: Reporter, workers: int = 0
) -> list[SurveyedCase]:
    """Read every case as `prepare` would, without writing anything.

    Raises:
        Cancelled: The job was cancelled.
    """
    if settings.labels == "ignored":
        cases = [replace(case, label=None) for case in cases]
    look = partial(_survey, settings=settings)
    rows: dict[int, SurveyedCase] = {}
    first_of: dict[str, str] = {}
    used = workers or usual_workers(len(cases))
    for index, result in run_cases(look, cases, used, reporter, "survey"):
        case = cases[index]
        if isinstance(result, CrossModalSegError):
            rows[index] = _bad(case, result.message)
            continue
        row, contents = result
        lacks = _lacks_labels(case, cases, settings)
        double = {first_of.setdefault(content, case.id) for content in contents} - {case.id}
        double_text = f"holds the same image as {', '.join(sorted(double))}" if double else ""
        problems = "; ".join(filter(None, (lacks, double_text, row.problems)))
        rows[index] = replace(row, problems=problems, is_good=not lacks and not double)
    return [rows[index] for index in sorted(rows)]


def _bad(case: CaseFiles, problem: str) -> SurveyedCase:
    return SurveyedCase(
        case=case.id,
        files=len(case.files()),
        size="",
        spacing_mm="",
        label_values="",
        problems=problem,
        is_good=False,
    )


def _lacks_labels(case: CaseFiles, cases: Sequence[CaseFiles], settings: CohortSettings) -> str:
    """Say that a case has no labels where it needs some."""
    is_needed = settings.labels == "required" or any(other.label is not None for other in cases)
    return "has no label map, as others have" if is_needed and case.label is None else ""


def _survey(case: CaseFiles, *, settings: CohortSettings) -> tuple[SurveyedCase, list[str]]:
    """Return the row of a case, and hashes of its images."""
    read = read_case(case, settings)
    row = SurveyedCase(
        case=case.id,
        files=len(case.files()),
        size="x".join(map(str, read.image.shape_ijk)),
        spacing_mm="x".join(f"{mm:.3g}" for mm in read.image.spacing_mm),
        label_values=_label_values(case, settings),
        problems="; ".join(finding.message for finding in read.findings),
        is_good=True,
    )
    return row, [content_hash(image) for image in read.originals]


def _label_values(case: CaseFiles, settings: CohortSettings) -> str:
    """Return the values of a label map, or its structures and what they are read as."""
    if case.label is None:
        return ""
    names = StructureNames(settings.task, settings.label_names)
    if case.objects:
        return describe_objects(case.objects, names)
    if case.reader is None and volume_suffix(case.label) == ".seg.nrrd":
        return describe_segments(case.label, names)
    own = case.reader.read_label_values(case) if case.reader else read_label_values(case.label)
    called = case.scheme.names if case.scheme is not None else {}
    values = whole_values(own.array_kji, case.label)
    return " ".join(f"{v}={called[v]}" if called.get(v) else str(v) for v in values)
