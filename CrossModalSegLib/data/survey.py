"""What a dataset holds, case by case, before anything is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.case_pool import run_cases, usual_workers
from CrossModalSegLib.data.case_preparation import read_case
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.volume_files import read_label_values


@dataclass(frozen=True, kw_only=True)
class SurveyedCase:
    """One row of the survey.

    Attributes:
        case: Its name.
        files: How many files it is read from.
        size: Voxels along i, j, k; "" if it cannot be read.
        spacing_mm: Along i, j, k.
        label_values: The dataset's own values; "" without labels.
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
    look = partial(_survey, settings=settings)
    rows: dict[int, SurveyedCase] = {}
    used = workers or usual_workers(len(cases))
    for index, result in run_cases(look, cases, used, reporter, "survey"):
        if isinstance(result, SurveyedCase):
            rows[index] = result
            continue
        case = cases[index]
        rows[index] = SurveyedCase(
            case=case.id,
            files=len(case.files()),
            size="",
            spacing_mm="",
            label_values="",
            problems=result.message,
            is_good=False,
        )
    return [rows[index] for index in sorted(rows)]


def _survey(case: CaseFiles, *, settings: CohortSettings) -> SurveyedCase:
    read = read_case(case, settings)
    return SurveyedCase(
        case=case.id,
        files=len(case.files()),
        size="x".join(map(str, read.image.shape_ijk)),
        spacing_mm="x".join(f"{mm:.3g}" for mm in read.image.spacing_mm),
        label_values=_label_values(case),
        problems="; ".join(finding.message for finding in read.findings),
        is_good=True,
    )


def _label_values(case: CaseFiles) -> str:
    import numpy as np

    if case.label is None:
        return ""
    if case.reader is not None:
        own = case.reader.read_label_values(case)
    elif case.label.name.lower().endswith(".seg.nrrd"):
        return "segments"
    else:
        own = read_label_values(case.label)
    return " ".join(f"{value:g}" for value in np.unique(own.array_kji))
