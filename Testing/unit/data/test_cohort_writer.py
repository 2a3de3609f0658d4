"""Preparing a cohort."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import (
    Cancelled,
    CohortError,
    CrossModalSegError,
    GeometryError,
    InputFileError,
    LabelError,
    LeakageError,
    OutputExistsError,
    StorageError,
)
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data import case_preparation
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort_writer import CohortSettings, LabelUse, prepare_cohort
from CrossModalSegLib.data.preprocessing import prepare_image, prepare_labels
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

WriteCase = Callable[..., CaseFiles]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "cohort"


def remains(output: Path) -> list[str]:
    return sorted(path.name for path in output.parent.iterdir()) if output.parent.exists() else []


def test_a_cohort_holds_the_prepared_slices(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    files = write_case("a ü", seed=1)
    cohort = prepare_cohort([files], settings, output)
    (case,) = cohort.cases
    assert files.label is not None
    image, labels = read_image(files.image), read_labels(files.label)
    expected = prepare_image(image, settings.preprocessing)
    assert cohort.images(case).dtype == np.float16
    assert np.array_equal(cohort.images(case), expected.astype(np.float16))
    stored = cohort.labels(case)
    assert stored is not None
    assert np.array_equal(stored, prepare_labels(labels, settings.preprocessing))
    assert case.class_voxels is not None
    assert list(case.class_voxels) == np.bincount(np.ravel(stored), minlength=5).tolist()
    assert min(case.class_voxels) > 0
    assert cohort.statistics.raw.maximum == image.array_kji.max()


def test_the_record_has_what_the_contract_names(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    rule = SplitRule(fractions=(0.5, 0.5, 0.0), seed=4)
    cohort = prepare_cohort(
        [write_case("b", 2), write_case("a", 1)], replace(settings, split=rule), output
    )
    record = cohort.record
    assert (record.v, record.dataset, record.split_rule) == (1, "folder", rule.text)
    assert (cohort.task, cohort.modality) == (settings.task, settings.modality)
    assert cohort.preprocessing == settings.preprocessing
    assert [case.id for case in cohort.cases] == ["a", "b"]
    assert {case.split for case in cohort.cases} == {"train", "validation"}
    assert cohort.cases[0].sources.image.endswith("image.nii.gz")
    assert {path.name for path in (output / "cases" / "a").iterdir()} == {
        "image.npy",
        "label.npy",
        "slice_classes.npy",
    }


def test_the_affine_of_a_case_places_its_slices_in_the_patient(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    files = write_case("a", seed=1)
    assert files.label is not None
    original = read_labels(files.label)
    cohort = prepare_cohort([files], settings, output)
    (case,) = cohort.cases
    prepared = Volume(np.asarray(cohort.labels(case)), np.array(case.affine_ras))
    for value in (1, 2, 3, 4):
        np.testing.assert_allclose(
            centre_ras(prepared, value), centre_ras(original, value), atol=1e-6
        )
    assert case.spacing_mm == pytest.approx(prepared.spacing_mm)


def centre_ras(labels: Volume, value: int) -> NDArray[np.float64]:
    centre_kji = np.argwhere(labels.array_kji == value).mean(axis=0)
    return np.asarray(labels.affine_ras @ [*centre_kji[::-1], 1.0])


def test_float32_is_stored_when_asked_for(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    cohort = prepare_cohort([write_case("a", 1)], replace(settings, image_type="float32"), output)
    assert cohort.images(cohort.cases[0]).dtype == np.float32


def test_progress_is_reported_case_by_case(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    events: list[Event] = []
    cases = [write_case("a", 1), write_case("b", 2)]
    prepare_cohort(cases, settings, output, reporter=Reporter(sinks=[events.append]))
    assert [e["done"] for e in events if e["event"] == "progress"] == [1, 2]


def test_ignored_labels_are_never_opened(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    files = write_case("a", 1)
    assert files.label is not None
    files.label.write_bytes(b"not a volume")
    cohort = prepare_cohort([files], replace(settings, labels="ignored"), output)
    assert not cohort.is_labelled
    assert cohort.cases[0].sources.label is None
    assert not list(output.glob("cases/*/label*"))


@pytest.mark.parametrize("use", ["required", "optional"])
def test_missing_labels_are_named(
    write_case: WriteCase, settings: CohortSettings, output: Path, use: LabelUse
) -> None:
    cases = [write_case("a", 1), write_case("b", 2, labelled=False)]
    with pytest.raises(CohortError, match=r"1 of 2 cases have no label map: b"):
        prepare_cohort(cases, replace(settings, labels=use), output)


def test_optional_labels_may_all_be_absent(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    used = replace(settings, labels="optional")
    assert not prepare_cohort([write_case("a", 1, labelled=False)], used, output).is_labelled


def break_image(files: CaseFiles) -> CaseFiles:
    files.image.write_bytes(b"")
    return files


def break_grid(files: CaseFiles) -> CaseFiles:
    assert files.label is not None
    labels = read_labels(files.label)
    moved = labels.affine_ras.copy()
    moved[0, 3] += 10
    write_volume(Volume(labels.array_kji, moved), files.label, overwrite=True)
    return files


def break_values(files: CaseFiles) -> CaseFiles:
    assert files.label is not None
    labels = read_labels(files.label)
    array = labels.array_kji.copy()
    array[0, 0, 0] = 9
    write_volume(labels.with_array(array), files.label, overwrite=True)
    return files


@pytest.mark.parametrize(
    ("breaks", "error"),
    [(break_image, InputFileError), (break_grid, GeometryError), (break_values, LabelError)],
)
def test_a_bad_case_is_named_and_nothing_is_written(
    write_case: WriteCase,
    settings: CohortSettings,
    output: Path,
    breaks: Callable[[CaseFiles], CaseFiles],
    error: type[CrossModalSegError],
) -> None:
    cases = [write_case("fine", 1), breaks(write_case("bad one", 2))]
    with pytest.raises(error, match="Case 'bad one'"):
        prepare_cohort(cases, settings, output)
    assert remains(output) == []


def test_different_grids_name_both_files(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    files = break_grid(write_case("a", 1))
    with pytest.raises(GeometryError) as caught:
        prepare_cohort([files], settings, output)
    assert str(files.image) in caught.value.message
    assert str(files.label) in caught.value.message


def test_all_bad_cases_are_named_together(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    cases = [break_image(write_case("a", 1)), write_case("b", 2), break_values(write_case("c", 3))]
    with pytest.raises(CohortError, match=r"(?s)2 problems in 3 cases.*Case 'a'.*Case 'c'"):
        prepare_cohort(cases, settings, output)
    cases = [break_image(write_case("d", 4)), break_image(write_case("e", 5))]
    with pytest.raises(InputFileError, match=r"(?s)Case 'd'.*Case 'e'"):
        prepare_cohort(cases, settings, output)
    assert remains(output) == []


def test_one_image_under_two_subjects_is_an_error(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    with pytest.raises(CohortError, match=r"'a' and 'b' hold the same image under different"):
        prepare_cohort([write_case("a", 1), write_case("b", 1)], settings, output)


def test_one_image_twice_for_one_subject_is_a_warning(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    events: list[Event] = []
    cases = [replace(write_case(name, 1), subject="s") for name in ("a", "b")]
    prepare_cohort(cases, settings, output, reporter=Reporter(sinks=[events.append]))
    assert [e["kind"] for e in events if e["event"] == "warning"] == ["double_image"]


def test_a_class_that_no_case_holds_is_a_warning(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    files = write_case("a", 1)
    assert files.label is not None
    labels = read_labels(files.label)
    array = np.where(labels.array_kji == 4, 0, labels.array_kji).astype(np.uint8)
    write_volume(labels.with_array(array), files.label, overwrite=True)
    events: list[Event] = []
    prepare_cohort([files], settings, output, reporter=Reporter(sinks=[events.append]))
    (warning,) = [e for e in events if e["event"] == "warning"]
    assert "Ascending aorta" in warning["message"]


def test_names_that_are_no_file_names_are_changed_with_a_warning(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    events: list[Event] = []
    files = replace(write_case("a", 1), id="site/1")
    cohort = prepare_cohort([files], settings, output, reporter=Reporter(sinks=[events.append]))
    assert cohort.cases[0].id == "site_1"
    assert [e["kind"] for e in events if e["event"] == "warning"] == ["case_name"]


@pytest.mark.parametrize("second", ["a", "A"])
def test_double_names_are_an_error(
    write_case: WriteCase, settings: CohortSettings, output: Path, second: str
) -> None:
    cases = [write_case("a", 1), replace(write_case("b", 2), id=second)]
    with pytest.raises(CohortError, match="the same name"):
        prepare_cohort(cases, settings, output)


def test_a_subject_in_two_prescribed_splits_is_leakage(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    first = replace(write_case("a", 1), subject="s", split="train")
    second = replace(write_case("b", 2), subject="s", split="test")
    with pytest.raises(LeakageError, match="'s'"):
        prepare_cohort([first, second], settings, output)


def test_an_empty_dataset_is_an_error(settings: CohortSettings, output: Path) -> None:
    with pytest.raises(CohortError, match="no cases"):
        prepare_cohort([], settings, output)


def test_cancelling_leaves_nothing(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    token = CancelToken()

    def cancel_after_the_first(event: Event) -> None:
        if event["event"] == "progress":
            token.set()

    reporter = Reporter(sinks=[cancel_after_the_first], cancel=token)
    with pytest.raises(Cancelled):
        prepare_cohort(
            [write_case("a", 1), write_case("b", 2)], settings, output, reporter=reporter
        )
    assert remains(output) == []


def test_a_full_disk_is_told_and_leaves_nothing(
    write_case: WriteCase,
    settings: CohortSettings,
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = write_case("a", 1)

    def full(_path: Path, _array: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(case_preparation, "_write_array", full)
    with pytest.raises(StorageError, match="disk is full"):
        prepare_cohort([files], settings, output)
    assert remains(output) == []


def test_an_existing_cohort_is_replaced_only_when_asked_and_only_by_success(
    write_case: WriteCase, settings: CohortSettings, output: Path
) -> None:
    first = prepare_cohort([write_case("a", 1)], settings, output)
    with pytest.raises(OutputExistsError):
        prepare_cohort([write_case("b", 2)], settings, output)
    with pytest.raises(InputFileError):
        prepare_cohort([break_image(write_case("c", 3))], settings, output, overwrite=True)
    first.verify()
    second = prepare_cohort([write_case("d", 4)], settings, output, overwrite=True)
    assert [case.id for case in second.cases] == ["d"]
    assert sorted(path.name for path in (output / "cases").iterdir()) == ["d"]
    assert remains(output) == ["cohort"]
