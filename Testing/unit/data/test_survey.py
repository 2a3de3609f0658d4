"""What a dry run tells, which must be what preparing would tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.events import silent_reporter
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.cohort_writer import prepare_good_cases
from CrossModalSegLib.data.label_schemes import LabelScheme
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.survey import SurveyedCase, survey_cases
from CrossModalSegLib.data.volume_files import read_labels, write_volume

WriteCase = Callable[..., CaseFiles]


def survey(cases: list[CaseFiles], settings: CohortSettings) -> dict[str, SurveyedCase]:
    rows = survey_cases(cases, settings, silent_reporter(), workers=1)
    return {row.case: row for row in rows}


def test_size_spacing_and_values_are_listed(
    write_case: WriteCase, settings: CohortSettings
) -> None:
    row = survey([write_case("a", 1)], settings)["a"]
    assert (row.files, row.size, row.spacing_mm) == (2, "16x12x16", "2x2x2")
    assert (row.label_values, row.problems, row.is_good) == ("0 1 2 3 4", "", True)


def test_what_preparing_would_leave_out_is_bad(
    write_case: WriteCase, settings: CohortSettings, tmp_path: Path
) -> None:
    cases = [write_case(name, seed) for seed, name in enumerate("abcd")]
    cases[1] = replace(cases[1], label=None)
    shutil.copy(cases[0].image, cases[2].image)
    cases[3].image.write_bytes(cases[3].image.read_bytes()[:-80])
    used = replace(settings, labels="optional")
    rows = survey(cases, used)
    assert [row.is_good for row in rows.values()] == [True, False, False, False]
    assert rows["b"].problems == "has no label map, as others have"
    assert rows["c"].problems == "holds the same image as a"
    assert "not a whole gzip file" in rows["d"].problems
    good = prepare_good_cases(cases, used, tmp_path / "cohort", workers=1)
    assert [case.id for case in good.cohort.cases] == ["a"]


def test_labels_that_are_ignored_are_not_opened(
    write_case: WriteCase, settings: CohortSettings
) -> None:
    case = write_case("a", 1)
    assert case.label is not None
    case.label.write_bytes(b"")
    row = survey([case], replace(settings, labels="ignored"))["a"]
    assert (row.is_good, row.label_values) == (True, "")


def test_segments_are_listed_with_what_they_are_read_as(
    write_case: WriteCase, settings: CohortSettings
) -> None:
    case = write_case("a", 1)
    assert case.label is not None
    path = case.label.with_name("label.seg.nrrd")
    write_segmentation(read_labels(case.label), settings.task, path)
    row = survey([replace(case, label=path)], settings)["a"]
    expected = "Myocardium=1, Left atrium=2, Left ventricle=3, Ascending aorta=4"
    assert row.label_values == expected
    said = replace(settings, label_names={"Ascending aorta": ""})
    row = survey([replace(case, label=path)], said)["a"]
    assert row.label_values.endswith("Ascending aorta=0")
    assert row.is_good


@pytest.mark.parametrize(("names", "expected"), [({}, "0 1 2 3 4"), ({1: "LV"}, "0 1=LV 2 3 4")])
def test_names_of_values_stand_beside_them(
    write_case: WriteCase, settings: CohortSettings, names: dict[int, str], expected: str
) -> None:
    case = replace(write_case("a", 1), scheme=LabelScheme(names=names))
    assert survey([case], settings)["a"].label_values == expected


def test_empty_labels_are_told(write_case: WriteCase, settings: CohortSettings) -> None:
    case = write_case("a", 1)
    assert case.label is not None
    labels = read_labels(case.label)
    empty = labels.with_array(np.zeros_like(labels.array_kji))
    write_volume(empty, case.label, overwrite=True)
    row = survey([case], settings)["a"]
    assert row.is_good
    assert "none of the task's structures" in row.problems
