"""Preparing what can be prepared, in several processes, and going on after a stop."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from CrossModalSegLib.core.errors import Cancelled, CohortError, InputFileError, StorageError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.data import case_preparation, cohort_writer
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort_writer import (
    CohortSettings,
    prepare_cohort,
    prepare_good_cases,
)

WriteCase = Callable[..., CaseFiles]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "cohort"


@pytest.fixture
def four(write_case: WriteCase) -> list[CaseFiles]:
    return [write_case(name, seed) for seed, name in enumerate("abcd")]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def test_good_cases_are_prepared_and_the_others_listed(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    truncate(four[1].image)
    four[2] = replace(four[2], label=None)
    good = prepare_good_cases(four, settings, output)
    assert [case.id for case in good.cohort.cases] == ["a", "d"]
    assert [problem.case for problem in good.problems] == ["c", "b"]
    assert "no label map" in good.problems[0].problem
    assert "not a whole gzip file" in good.problems[1].problem
    assert [path.name for path in output.parent.iterdir()] == ["cohort"]
    assert sorted(path.name for path in output.iterdir()) == ["cases", "cohort.json"]


def test_the_second_of_two_subjects_with_one_image_is_left_out(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    shutil.copy(four[0].image, four[3].image)
    good = prepare_good_cases(four, settings, output)
    assert [case.id for case in good.cohort.cases] == ["a", "b", "c"]
    assert "hold the same image under different subjects" in good.problems[0].problem
    assert not (output / "cases" / "d").exists()


def test_without_a_good_case_nothing_is_written(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    for files in four:
        truncate(files.image)
    with pytest.raises(InputFileError, match="4 problems in 4 cases"):
        prepare_good_cases(four, settings, output)
    assert not any(output.parent.iterdir())


def test_several_processes_make_the_same_cohort(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    alone = prepare_cohort(four, settings, output.with_name("alone"))
    truncate(four[3].image)
    events: list[Event] = []
    together = prepare_good_cases(
        four, settings, output, workers=2, reporter=Reporter(sinks=[events.append])
    )
    assert [case.id for case in together.cohort.cases] == ["a", "b", "c"]
    assert [problem.case for problem in together.problems] == ["d"]
    for first, second in zip(alone.cases[:3], together.cohort.cases, strict=True):
        assert first.checksums == second.checksums
    assert [e["done"] for e in events if e["event"] == "progress"] == [1, 2, 3, 4]


def stop_after(count: int) -> Reporter:
    token = CancelToken()

    def hear(event: Event) -> None:
        if event["event"] == "progress" and event["done"] == count:
            token.set()

    return Reporter(sinks=[hear], cancel=token)


def test_a_stopped_run_goes_on_where_it_was(
    four: list[CaseFiles],
    settings: CohortSettings,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = prepare_cohort(four, settings, output.with_name("whole"))
    with pytest.raises(Cancelled):
        prepare_good_cases(four, settings, output, reporter=stop_after(2))
    assert not output.exists()
    touched = four[0]
    shutil.copy(four[0].image, four[0].image.with_suffix(".copy"))
    four[0].image.with_suffix(".copy").replace(touched.image)  # as if it was downloaded again
    prepared: list[str] = []
    prepare = case_preparation.prepare_case

    def listen(files: CaseFiles, *rest: Any) -> Any:
        prepared.append(files.id)
        return prepare(files, *rest)

    monkeypatch.setattr(cohort_writer, "prepare_case", listen)
    good = prepare_good_cases(four, settings, output)
    assert prepared == ["a", "c", "d"]
    assert good.cohort.content_hash == whole.content_hash
    good.cohort.verify()


def test_other_settings_begin_anew(
    four: list[CaseFiles],
    settings: CohortSettings,
    output: Path,
) -> None:
    with pytest.raises(Cancelled):
        prepare_good_cases(four, settings, output, reporter=stop_after(2))
    other = replace(settings, image_type="float32")
    cohort = prepare_good_cases(four[1:], other, output).cohort
    assert [case.id for case in cohort.cases] == ["b", "c", "d"]
    assert sorted(path.name for path in (output / "cases").iterdir()) == ["b", "c", "d"]
    assert cohort.images(cohort.cases[0]).dtype == np.float32
    cohort.verify()


def test_a_damaged_memory_of_what_was_done_is_not_used(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    with pytest.raises(Cancelled):
        prepare_good_cases(four, settings, output, reporter=stop_after(2))
    unfinished = output.with_name(".cohort.unfinished")
    (unfinished / "done" / "a.json").write_text("{")
    (unfinished / "cases" / "b" / "image.npy").unlink()
    prepare_good_cases(four, settings, output).cohort.verify()


def test_two_runs_do_not_work_in_one_folder(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    unfinished = output.with_name(".cohort.unfinished")
    unfinished.mkdir(parents=True)
    other = psutil.Process(1)
    (unfinished / "owner").write_text(f"1 {other.create_time():.0f}")
    with pytest.raises(StorageError, match="Process 1 is preparing"):
        prepare_good_cases(four, settings, output)
    (unfinished / "owner").write_text("1 12")  # the number was given to another program since
    prepare_good_cases(four, settings, output)


def test_a_process_that_dies_is_told(
    four: list[CaseFiles], settings: CohortSettings, output: Path
) -> None:
    deadly = replace(four[0], reader=Deadly())
    with pytest.raises(CohortError, match="ended unexpectedly"):
        prepare_good_cases([deadly, *four[1:]], settings, output, workers=2)


class Deadly:
    """A reader that cannot be rebuilt in another process."""

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        return (case.image,)

    def read_image(self, case: CaseFiles) -> Any:
        raise AssertionError(case)

    def read_label_values(self, case: CaseFiles) -> Any:
        raise AssertionError(case)

    def __reduce__(self) -> Any:
        import os

        return os._exit, (3,)
