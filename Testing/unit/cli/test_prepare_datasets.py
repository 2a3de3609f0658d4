"""Known datasets from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.command import NegativeAnswer, UsageError
from CrossModalSegLib.cli.inspect import Inspect
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.errors import CohortError, CrossModalSegError, OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort import Cohort, require_disjoint_subjects
from CrossModalSegLib.data.volume_files import write_volume


def write_pair(image: Path, label: Path, values: tuple[int, ...], seed: int) -> None:
    array = np.random.default_rng(seed).normal(100, 30, (8, 10, 12)).astype(np.float32)
    labels = np.zeros(array.shape, np.int16)
    for row, value in enumerate(values):
        labels[2:6, row + 1, 3:9] = value
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    write_volume(Volume(array, affine), image)
    write_volume(Volume(labels, affine), label)


@pytest.fixture
def mmwhs(tmp_path: Path) -> Path:
    """Write six CT cases, of which one is a published test case."""
    root = tmp_path / "mmwhs"
    for number in (1001, 1002, 1003, 1004, 1005, 1006):
        stem = root / "ct_train" / f"ct_train_{number}"
        files = [stem.with_name(f"{stem.name}_{part}.nii.gz") for part in ("image", "label")]
        write_pair(files[0], files[1], (205, 420, 500, 820), number)
    return root


@pytest.fixture
def brats(tmp_path: Path) -> Path:
    """Write eight patients with two modalities."""
    root = tmp_path / "brats"
    for number in range(8):
        name = f"BraTS2021_{number:05d}"
        for offset, kind in enumerate(("t1", "t2")):
            files = [root / name / f"{name}_{part}.nii.gz" for part in (kind, "seg")]
            files[1].unlink(missing_ok=True)
            write_pair(files[0], files[1], (1, 2, 4), 10 * number + offset)
    return root


def prepare(root: Path, **options: Any) -> Prepare:
    given = {"root": root, "modality": ("ct",), "task": "cardiac", "matrix": (8, 8)}
    return Prepare(**{**given, "output": root.parent / "cohort", **options})


def test_a_dataset_is_recognised_and_split_as_published(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    prepare(mmwhs, recipe="dataset").run(reporter)
    cohort = Cohort.open(mmwhs.parent / "cohort")
    assert [case.id for case in cohort.in_split("test")] == ["ct_train_1003"]
    assert len(cohort.in_split("validation")) == 1
    assert cohort.preprocessing.intensity.kind == "fixed_zscore"
    assert cohort.preprocessing.matrix == (8, 8)
    assert "SIFA and its successors: ct_train_1003" in cohort.record.split_rule
    assert heard.summary["dataset"] == "mmwhs, MMWHS CT: 6 cases"
    assert heard.summary["split"] == cohort.record.split_rule


@pytest.mark.parametrize(("split", "sizes"), [("50/0/50", (3, 0, 3)), ("4/1/1", None)])
def test_shares_may_be_given(
    mmwhs: Path, reporter: Reporter, split: str, sizes: tuple[int, int, int] | None
) -> None:
    if sizes is None:
        with pytest.raises(UsageError, match="70/10/20"):
            prepare(mmwhs, split=split).run(reporter)
        return
    prepare(mmwhs, split=split).run(reporter)
    cohort = Cohort.open(mmwhs.parent / "cohort")
    found = tuple(len(cohort.in_split(name)) for name in ("train", "validation", "test"))
    assert found == sizes


def test_published_cases_of_a_dataset_without_any_are_a_usage_error(
    brats: Path, reporter: Reporter
) -> None:
    with pytest.raises(UsageError, match="No test cases are published"):
        prepare(brats, modality=("t1",), task="whole_tumour", split="published", domain="all").run(
            reporter
        )


def test_co_registered_modalities_need_a_domain_and_then_share_nobody(
    brats: Path, reporter: Reporter
) -> None:
    with pytest.raises(UsageError, match="would be paired"):
        prepare(brats, modality=("t1",), task="brain_tumour").run(reporter)
    cohorts = []
    for modality, domain in (("t1", "source"), ("t2", "target")):
        output = brats.parent / domain
        options: dict[str, Any] = {
            "modality": (modality,),
            "task": "brain_tumour",
            "split": "80/20",
        }
        prepare(brats, output=output, domain=domain, **options).run(reporter)
        cohorts.append(Cohort.open(output))
    assert len(cohorts[0].cases) + len(cohorts[1].cases) == 8
    require_disjoint_subjects(*cohorts)
    assert f"only subjects of the {cohorts[0].record.domain} domain" in cohorts[0].record.split_rule


def test_several_modalities_become_the_channels_of_each_case(
    brats: Path, reporter: Reporter, heard: Any
) -> None:
    (brats / "BraTS2021_00003" / "BraTS2021_00003_t2.nii.gz").unlink()
    options: dict[str, Any] = {"task": "brain_tumour", "domain": "all", "split": "80/20"}
    with pytest.raises(NegativeAnswer):  # one case lacks an image
        prepare(brats, modality=("t2", "t1"), **options).run(reporter)
    cohort = Cohort.open(brats.parent / "cohort")
    assert [modality.name for modality in cohort.modalities] == ["t2", "t1"]
    assert len(cohort.cases) == 7
    assert cohort.images(cohort.cases[0]).shape == (8, 2, 8, 8)
    assert heard.summary["modality"] == "t2, t1"
    assert heard.summary["left_out"][0]["case"] == "BraTS2021_00003"


def test_one_series_is_named_for_each_modality(brats: Path, reporter: Reporter) -> None:
    with pytest.raises(UsageError, match="1 entries for 2 modalities"):
        prepare(brats, modality=("t1", "t2"), series=("x",)).run(reporter)
    with pytest.raises(UsageError, match="names no modality"):
        prepare(brats, modality=()).run(reporter)


def test_a_dry_run_lists_cases_and_writes_nothing(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    broken = mmwhs / "ct_train" / "ct_train_1002_image.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-50])
    (mmwhs / "ct_train" / "copy of 1001.nii.gz").write_bytes(b"")
    with pytest.raises(NegativeAnswer):
        prepare(mmwhs, dry_run=True).run(reporter)
    assert not (mmwhs.parent / "cohort").exists()
    rows = {row["case"]: row for row in heard.summary["cases"]}
    assert rows["ct_train_1001"] == {
        "case": "ct_train_1001",
        "files": 2,
        "size": "12x10x8",
        "spacing_mm": "1x1x2",
        "label_values": "0 205 420 500 820",
        "problems": "",
    }
    assert "not a whole gzip file" in rows["ct_train_1002"]["problems"]
    assert heard.summary["left_out"][0]["case"] == "copy of 1001.nii.gz"


def test_bad_cases_are_listed_and_the_answer_is_negative(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    broken = mmwhs / "ct_train" / "ct_train_1002_image.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-50])
    (mmwhs / "ct_train" / "ct_train_1004_label.nii.gz").unlink()
    with pytest.raises(NegativeAnswer):
        prepare(mmwhs).run(reporter)
    assert len(Cohort.open(mmwhs.parent / "cohort").cases) == 4
    assert {row["case"] for row in heard.summary["left_out"]} == {"ct_train_1002", "ct_train_1004"}


def test_a_dataset_of_which_nothing_can_be_used_is_an_error(
    tmp_path: Path, reporter: Reporter
) -> None:
    (tmp_path / "d" / "ct_train").mkdir(parents=True)
    write_pair(tmp_path / "x.nii.gz", tmp_path / "d/ct_train/ct_train_1001_label.nii.gz", (205,), 0)
    with pytest.raises(CohortError, match="label map and no image"):
        prepare(tmp_path / "d").run(reporter)


def test_images_that_another_cohort_has_are_told(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    prepare(mmwhs).run(reporter)
    first = mmwhs.parent / "cohort"
    prepare(mmwhs, output=mmwhs.parent / "second", against=(first,)).run(reporter)
    kinds = [event["kind"] for event in heard.of("warning")]
    assert kinds == ["shared_with_other_domain"]


def test_the_program_prepares_in_two_processes_and_ends_with_1_if_a_case_is_bad(
    mmwhs: Path,
) -> None:
    broken = mmwhs / "ct_train" / "ct_train_1002_image.nii.gz"
    broken.write_bytes(broken.read_bytes()[:-50])
    command = [sys.executable, "-m", "CrossModalSegLib", "prepare", "--root", str(mmwhs)]
    command += ["--modality", "ct", "--task", "cardiac", "--output", str(mmwhs.parent / "c")]
    command += ["--workers", "2", "--progress", "json", "--matrix", "8", "8"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 1, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["event"] == "done"
    assert last["summary"]["left_out"][0]["case"] == "ct_train_1002"
    assert len(Cohort.open(mmwhs.parent / "c").cases) == 5


def test_inspect_draws_a_sheet_and_lists_classes(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    prepare(mmwhs).run(Reporter())
    folder = mmwhs.parent / "cohort"
    Inspect(cohort=folder, verify=True).run(reporter)
    picture = mmwhs.parent / "cohort-contact-sheet.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    (preview,) = heard.of("preview")
    assert preview["caption"] == "6 of 6 cases"
    classes = heard.summary["classes"]
    assert [row["class"] for row in classes][:2] == ["0 background", "1 Myocardium"]
    assert classes[1]["cases"] == 6
    assert classes[1]["mean_volume_ml"] > 0
    assert len(heard.summary["cases"]) == 6
    with pytest.raises(OutputExistsError):
        Inspect(cohort=folder).run(reporter)
    Inspect(cohort=folder, overwrite=True).run(Reporter())


def test_inspect_shows_unlabelled_cohorts_and_refuses_other_folders(
    mmwhs: Path, reporter: Reporter, heard: Any
) -> None:
    prepare(mmwhs, labels="ignored").run(Reporter())
    Inspect(cohort=mmwhs.parent / "cohort").run(reporter)
    assert "classes" not in heard.summary
    with pytest.raises(CrossModalSegError, match="is not a cohort"):
        Inspect(cohort=mmwhs).run(reporter)
