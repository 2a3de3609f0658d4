"""What can be wrong with a cohort as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from CrossModalSegLib.core.errors import CohortError, CrossModalSegError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.cohort_record import CohortCase, CohortRecord


def combine_problems(problems: Sequence[CrossModalSegError], count: int) -> CrossModalSegError:
    """Return one error that names all problems of `count` cases."""
    kinds = {type(problem) for problem in problems}
    kind = kinds.pop() if len(kinds) == 1 else CohortError
    messages = "\n- ".join(problem.message for problem in problems)
    hints = " ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint))
    return kind(
        f"{len(problems)} problems in {count} cases; nothing was written:\n- {messages}\n",
        hint=f"{hints} Or leave these cases out.".strip(),
    )


def find_double_images(
    cases: Sequence[CohortCase], reporter: Reporter
) -> list[tuple[str, CohortError]]:
    """Return case and problem for each image that is there again under another subject.

    Twice under one subject is only worth a warning, and so is one image as two channels.
    """
    first_of: dict[str, CohortCase] = {}
    problems = []
    for case in cases:
        if len(set(case.image_hashes)) < len(case.image_hashes):
            message = f"Case {case.id!r} holds the same image as several of its channels."
            reporter.warning("double_image", message, "Check its files.")
        first = _first(case, first_of)
        if first is case:
            continue
        message = f"Cases {first.id!r} and {case.id!r} hold the same image"
        if first.subject == case.subject:
            reporter.warning("double_image", f"{message}.", "Leave one of them out.")
            continue
        error = CohortError(
            f"{message} under different subjects, {first.subject!r} and {case.subject!r}.",
            hint="Leave one of them out: a subject must not be in two splits.",
        )
        problems.append((case.id, error))
    return problems


def _first(case: CohortCase, first_of: dict[str, CohortCase]) -> CohortCase:
    """Return the first case that holds one of a case's images: an earlier one, or itself."""
    holders = [first_of.setdefault(content, case) for content in case.image_hashes]
    return next((holder for holder in holders if holder is not case), case)


def warn_of_missing_classes(record: CohortRecord, reporter: Reporter) -> None:
    """Warn of structures that no label map holds."""
    counts = record.statistics.class_voxels
    if counts is None:
        return
    for entry in record.task.classes:
        if counts[entry.value] == 0:
            reporter.warning(
                "missing_class",
                f"No case holds {entry.label} (class {entry.value}).",
                "Check the label maps and the task; a model cannot learn this structure from them.",
            )
