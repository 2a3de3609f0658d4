"""Preparing a cohort: it appears at once, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import to_dict, write_json
from CrossModalSegLib.core.errors import CohortError, CrossModalSegError
from CrossModalSegLib.core.events import Reporter, silent_reporter
from CrossModalSegLib.data.adapters.case_files import CaseFiles, CaseProblem
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.case_pool import run_cases, usual_workers
from CrossModalSegLib.data.case_preparation import PreparedCase, prepare_case
from CrossModalSegLib.data.checks import check_spacings
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_problems import (
    combine_problems,
    find_double_images,
    warn_of_missing_classes,
)
from CrossModalSegLib.data.cohort_record import (
    COHORT_FILE,
    COHORT_VERSION,
    CohortRecord,
    listed,
)
from CrossModalSegLib.data.cohort_settings import CohortSettings, LabelUse
from CrossModalSegLib.data.domains import domain_text
from CrossModalSegLib.data.output_folders import replacing_folder, require_free
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.splits import split_cases
from CrossModalSegLib.data.statistics import CohortStatistics, describe_cohort
from CrossModalSegLib.data.unfinished import (
    case_key,
    forget_others,
    recall,
    remember,
    unfinished_folder,
)

__all__ = ["CohortSettings", "GoodCases", "LabelUse", "prepare_cohort", "prepare_good_cases"]


@dataclass(frozen=True)
class GoodCases:
    """A cohort of the cases that could be prepared, and why the others could not."""

    cohort: Cohort
    problems: tuple[CaseProblem, ...]


def prepare_cohort(
    cases: Sequence[CaseFiles],
    settings: CohortSettings,
    output: Path,
    *,
    reporter: Reporter | None = None,
    overwrite: bool = False,
) -> Cohort:
    """Prepare volumes as a cohort folder, all of them or none, one volume in memory at a time.

    Everything is written to a folder beside `output` that takes its name at the end; on an error
    or when cancelled it is removed, and what was at `output` stays. All cases are read before
    problems are reported, so that one run names them all.

    Args:
        cases: As an adapter found them.
        settings: How to prepare them.
        output: The cohort's folder.
        reporter: Hears of progress; may cancel between two cases.
        overwrite: Replace a cohort that is there.

    Raises:
        OutputExistsError: `output` exists and `overwrite` was not asked for.
        CohortError: There are no cases, names are double, labels are missing, one image is given
            under two subjects, or several cases have problems of different kinds.
        InputFileError: A file is missing, damaged or no such volume.
        GeometryError: An image and its label map have different grids.
        LabelError: A label map holds values that the task does not know.
        LeakageError: The dataset puts one subject into two splits.
        StorageError: The disk is full or not writable, or `output` is something else than a cohort.
        Cancelled: The job was cancelled.
    """
    reporter = reporter or silent_reporter()
    require_free(output, COHORT_FILE, overwrite=overwrite)
    chosen = _use_labels(_safely_named(cases, reporter), settings.labels)
    splits, split_rule = split_cases(chosen, settings.split)
    with replacing_folder(output) as folder:
        prepared, problems = _prepare_cases(chosen, splits, settings, folder, (1, reporter))
        problems += [error for _, error in find_double_images(_cases_of(prepared), reporter)]
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise combine_problems(problems, len(cases))
        _write_record(prepared, settings, split_rule, folder, reporter)
    return Cohort.open(output)


def prepare_good_cases(
    cases: Sequence[CaseFiles],
    settings: CohortSettings,
    output: Path,
    *,
    reporter: Reporter | None = None,
    overwrite: bool = False,
    workers: int = 0,
) -> GoodCases:
    """Prepare the cases that can be prepared, in several processes.

    A run that was cancelled or killed is taken up again by the next with the same settings: cases
    that are done, and whose files have not changed, are kept in a folder beside `output`.

    Args:
        cases: As an adapter found them.
        settings: How to prepare them.
        output: The cohort's folder.
        reporter: Hears of progress; may cancel between two cases.
        overwrite: Replace a cohort that is there.
        workers: Processes; each holds one case at a time. 0 for as many as are worth it.

    Raises:
        CrossModalSegError: As `prepare_cohort`, where no case is good.
    """
    reporter = reporter or silent_reporter()
    require_free(output, COHORT_FILE, overwrite=overwrite)
    named = _safely_named(cases, reporter)
    chosen, unlabelled = _with_labels(named, settings.labels)
    splits, split_rule = split_cases(named, settings.split)
    workers = workers or usual_workers(len(chosen))
    with unfinished_folder(output) as folder:
        prepared, errors = _resume_cases(chosen, splits, settings, folder, (workers, reporter))
        double = find_double_images(_cases_of(prepared), reporter)
        kept = [p for p in prepared if p.case.id not in {case for case, _ in double}]
        if not kept:
            problems = [*errors, *(error for _, error in double)]
            raise problems[0] if len(problems) == 1 else combine_problems(problems, len(cases))
        forget_others(folder, {item.case.id for item in kept})
        _write_record(kept, settings, split_rule, folder, reporter)
    found = [*unlabelled, *map(_problem, errors)]
    found += [CaseProblem(case=c, problem=e.message, hint=e.hint) for c, e in double]
    return GoodCases(Cohort.open(output), tuple(found))


def _problem(error: CrossModalSegError) -> CaseProblem:
    """Return an error that begins with its case's name as a row of a table."""
    start, _, rest = error.message.partition(": ")
    is_named = start.startswith("Case ") and rest != ""
    case = start.removeprefix("Case ").strip("'\"") if is_named else ""
    return CaseProblem(case=case, problem=rest if is_named else error.message, hint=error.hint)


def _write_record(
    prepared: Sequence[PreparedCase],
    settings: CohortSettings,
    split_rule: str,
    folder: Path,
    reporter: Reporter,
) -> None:
    """Write `cohort.json`, and warn of what is suspicious."""
    statistics, *further_statistics = (
        _describe(prepared, channel) for channel in range(len(settings.modalities))
    )
    record = CohortRecord(
        v=COHORT_VERSION,
        task=settings.task,
        modality=settings.modality,
        further_modalities=settings.further_modalities,
        dataset=settings.dataset,
        preprocessing=settings.preprocessing,
        split_rule=split_rule + domain_text(settings.domain, settings.split.seed),
        image_type=settings.image_type,
        statistics=statistics,
        further_statistics=tuple(further_statistics),
        cases=_cases_of(prepared),
        domain=settings.domain,
    )
    findings = [finding for item in prepared for finding in item.findings]
    for finding in (*findings, *check_spacings(record.cases)):
        message = f"Case {finding.case!r}: {finding.message}."
        reporter.warning(finding.kind, message, finding.hint)
    warn_of_missing_classes(record, reporter)
    write_json(folder / COHORT_FILE, to_dict(record))


def _cases_of(prepared: Sequence[PreparedCase]) -> tuple[Any, ...]:
    return tuple(item.case for item in prepared)


def _safely_named(cases: Sequence[CaseFiles], reporter: Reporter) -> list[CaseFiles]:
    """Return the cases sorted, with ids that are safe as file names and differ in any case."""
    if not cases:
        raise CohortError("There are no cases to prepare.", hint="Check the dataset's folder.")
    named = [replace(case, id=safe_case_id(case.id)) for case in cases]
    for old, new in zip(cases, named, strict=True):
        if old.id != new.id:
            reporter.warning("case_name", f"Case {old.id!r} is stored under the name {new.id!r}.")
    counts = Counter(case.id.casefold() for case in named)
    double = sorted(case.id for case in named if counts[case.id.casefold()] > 1)
    if double:
        raise CohortError(
            f"Several cases have the same name: {listed(double)}.",
            hint="Give each case a name of its own; capitals do not tell names apart.",
        )
    return sorted(named, key=lambda case: case.id)


def _use_labels(cases: list[CaseFiles], use: LabelUse) -> list[CaseFiles]:
    if use == "ignored":
        return [replace(case, label=None) for case in cases]
    missing = [case.id for case in cases if case.label is None]
    is_complete = not missing or (use == "optional" and len(missing) == len(cases))
    if not is_complete:
        raise CohortError(
            f"{len(missing)} of {len(cases)} cases have no label map: {listed(missing)}.",
            hint="Add the label maps, leave these cases out, or prepare without labels.",
        )
    return cases


def _with_labels(
    cases: list[CaseFiles], use: LabelUse
) -> tuple[list[CaseFiles], list[CaseProblem]]:
    """Return the cases that have the labels that are asked for, and what the others lack."""
    if use != "ignored" and any(case.label is not None for case in cases):
        bare = [case for case in cases if case.label is None]
        problems = [
            CaseProblem(
                case=case.id,
                problem="has no label map, as others have",
                hint="Add it, or prepare without labels.",
            )
            for case in bare
        ]
        return [case for case in cases if case.label is not None], problems
    return _use_labels(cases, use), []


_Means = tuple[int, Reporter]
"""Number of processes, and who hears of progress."""


def _prepare_cases(
    cases: Sequence[CaseFiles],
    splits: Mapping[str, Split],
    settings: CohortSettings,
    folder: Path,
    means: _Means,
    keys: Mapping[str, str] | None = None,
) -> tuple[list[PreparedCase], list[CrossModalSegError]]:
    """Prepare cases, and remember each that has a key."""
    workers, reporter = means
    prepare = partial(_prepare_one, splits=dict(splits), settings=settings, folder=folder)
    results: dict[int, PreparedCase] = {}
    problems: dict[int, CrossModalSegError] = {}
    for index, result in run_cases(prepare, cases, workers, reporter, "prepare"):
        if isinstance(result, PreparedCase):
            results[index] = result
            if keys:
                remember(folder, result, keys[result.case.id])
        else:
            named = f"Case {cases[index].id!r}: {result.message}"
            problems[index] = type(result)(named, hint=result.hint)
    return [results[n] for n in sorted(results)], [problems[n] for n in sorted(problems)]


def _prepare_one(
    files: CaseFiles, *, splits: dict[str, Split], settings: CohortSettings, folder: Path
) -> PreparedCase:
    return prepare_case(files, splits[files.id], settings, folder)


def _resume_cases(
    cases: Sequence[CaseFiles],
    splits: Mapping[str, Split],
    settings: CohortSettings,
    folder: Path,
    means: _Means,
) -> tuple[list[PreparedCase], list[CrossModalSegError]]:
    """Prepare the cases that an earlier try has not done."""
    keys = {case.id: case_key(case, splits[case.id], settings) for case in cases}
    done = {case.id: recall(folder, case.id, keys[case.id]) for case in cases}
    kept = [prepared for prepared in done.values() if prepared is not None]
    if kept:
        means[1].warning(
            "resumed", f"{len(kept)} of {len(cases)} cases were prepared by an earlier try.", ""
        )
    rest = [case for case in cases if done[case.id] is None]
    prepared, problems = _prepare_cases(rest, splits, settings, folder, means, keys)
    return sorted([*kept, *prepared], key=lambda item: item.case.id), problems


def _describe(prepared: Sequence[PreparedCase], channel: int) -> CohortStatistics:
    counts = [item.case.class_voxels for item in prepared if item.case.class_voxels is not None]
    return describe_cohort(
        [item.channels[channel].raw for item in prepared],
        [item.channels[channel].slices for item in prepared],
        sum(item.case.shape[0] for item in prepared),
        counts or None,
    )
