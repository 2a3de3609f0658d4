"""Cohorts whose cases have several images, and that those with one are as they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.core.errors import CohortError, ConfigError, LeakageError, MismatchError
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import CaseFiles, Discovery, discover
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.cohort import (
    Cohort,
    require_disjoint_subjects,
    require_same_channels,
)
from CrossModalSegLib.data.cohort_record import read_record
from CrossModalSegLib.data.cohort_writer import (
    CohortSettings,
    prepare_cohort,
    prepare_good_cases,
)
from CrossModalSegLib.data.contact_sheet import case_table, class_table, write_contact_sheet
from CrossModalSegLib.data.preprocessing import default_preprocessing, prepare_image
from CrossModalSegLib.data.sampling import ClassBalance, SliceSampler, UnpairedSampler
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.statistics import describe_cohort, sample_intensities
from CrossModalSegLib.data.survey import survey_cases
from CrossModalSegLib.data.volume_files import read_image, write_volume

NAMES = ("t1", "ct")
AFFINE_RAS = np.diag([-2.0, -2.0, 2.0, 1.0])
FINE_RAS = np.diag([-1.0, -1.0, 2.0, 1.0])

FIELDS_OF_OLD = (
    *("v", "task", "modality", "dataset", "preprocessing", "split_rule", "image_type"),
    *("statistics", "cases"),
)
"""What `cohort.json` held when the format was new."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write four cases of T1 and CT, the CT on a finer grid with the corner at another place."""
    for case in range(4):
        generator = np.random.default_rng(case)
        folder = tmp_path / "raw" / f"p{case}"
        t1 = generator.normal(500, 100, (8, 12, 14)).astype(np.float32)
        labels = np.zeros(t1.shape, np.uint8)
        for value in (1, 2, 3):
            labels[2:6, 2 * value : 2 * value + 2, 3:9] = value
        t1 += 80.0 * labels
        ct = np.repeat(np.repeat(labels * 100.0 - 50.0, 2, axis=1), 2, axis=2)
        ct += generator.normal(0, 5, ct.shape)
        fine = FINE_RAS.copy()
        fine[:2, 3] = 0.5, 0.5  # two fine voxels fill a coarse one
        write_volume(Volume(t1, AFFINE_RAS), folder / "image_t1.nii.gz")
        write_volume(Volume(ct.astype(np.float32), fine), folder / "image_ct.nii.gz")
        write_volume(Volume(labels, AFFINE_RAS), folder / "label.nii.gz")
    return tmp_path / "raw"


def settings_of(*names: str, **options: Any) -> CohortSettings:
    task = TASKS["brain_tumour"]
    modalities = [MODALITIES[name] for name in names]
    each = [default_preprocessing(task, entry, matrix=(12, 14)) for entry in modalities]
    rule = SplitRule(fractions=(0.5, 0.25, 0.25))
    return CohortSettings(
        task=task,
        modality=modalities[0],
        further_modalities=tuple(modalities[1:]),
        preprocessing=combine_preprocessing(each),
        dataset="folder",
        **{"split": rule, "image_type": "float32", **options},
    )


def found_in(root: Path, *names: str) -> Discovery:
    return discover("folder", root, names, is_strict=False)


def make(root: Path, output: Path, *names: str, **options: Any) -> Cohort:
    return prepare_cohort(found_in(root, *names).cases, settings_of(*names, **options), output)


@pytest.fixture
def cohort(root: Path, tmp_path: Path) -> Cohort:
    return make(root, tmp_path / "cohort", *NAMES)


def old_hash(cohort: Cohort) -> str:
    """Return the hash by the definition of the first version, of the fields that it had."""
    content = json.loads((cohort.folder / "cohort.json").read_text(encoding="utf-8"))
    old = {name: content[name] for name in FIELDS_OF_OLD}
    settings = old["preprocessing"]
    names = ("slicing", "matrix", "intensity", "spacing_mm")
    old["preprocessing"] = {name: settings[name] for name in names}
    rule = old["preprocessing"]["intensity"]
    rule.pop("fixed_range")
    for case in old["cases"]:
        for name in ("sources", "further_hashes"):
            case.pop(name)
    return hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()


def test_one_image_a_case_is_stored_and_hashed_as_ever(root: Path, tmp_path: Path) -> None:
    cohort = make(root, tmp_path / "one", "t1")
    (first, *_) = cohort.cases
    assert cohort.images(first).shape == first.shape == (8, 12, 14)
    assert cohort.channels(first).shape == (8, 1, 12, 14)
    assert cohort.content_hash == old_hash(cohort)


def test_a_record_without_the_later_fields_is_read_and_has_the_same_hash(
    root: Path, tmp_path: Path
) -> None:
    cohort = make(root, tmp_path / "one", "t1")
    path = cohort.folder / "cohort.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for name in ("further_modalities", "further_statistics"):
        content.pop(name)
    content["preprocessing"].pop("further_intensities")
    for case in content["cases"]:
        case.pop("further_hashes")
        case["sources"].pop("further_images")
    path.write_text(json.dumps(content), encoding="utf-8")
    again = Cohort.open(cohort.folder)
    assert again.record == cohort.record
    assert again.content_hash == cohort.content_hash


def test_channels_lie_behind_slices_each_prepared_by_its_own_rule(
    root: Path, cohort: Cohort
) -> None:
    assert [modality.name for modality in cohort.modalities] == list(NAMES)
    first = cohort.cases[0]
    images = cohort.images(first)
    assert images.shape == (8, 2, 12, 14)
    t1 = read_image(root / "p0" / "image_t1.nii.gz")
    alone = prepare_image(t1, settings_of("t1").preprocessing)
    assert np.array_equal(images[:, 0], alone)
    assert np.array_equal(cohort.channels(first), images)
    cohort.verify()


def test_the_second_image_is_brought_to_the_grid_of_the_first(cohort: Cohort) -> None:
    """Each class of the labels has its own grey value in the CT: they fit voxel for voxel."""
    for case in cohort.cases:
        ct, labels = cohort.images(case)[:, 1], cohort.labels(case)
        assert labels is not None
        low, high = MODALITIES["ct"].window_hu or (0.0, 0.0)
        expected = (labels * 100.0 - 50.0 - low) / (high - low) * 2 - 1
        inner = np.ones(labels.shape, bool)
        for axis in (1, 2):  # smoothing blurs the borders of the structures alone
            for step in (1, -1):
                inner &= np.roll(labels, step, axis) == labels
        np.testing.assert_allclose(ct[inner], expected[inner], atol=0.05)
        assert np.abs(ct - expected).max() < 0.15


def test_the_order_of_the_modalities_is_the_order_of_the_channels(
    root: Path, cohort: Cohort, tmp_path: Path
) -> None:
    other = make(root, tmp_path / "other", *reversed(NAMES), labels="ignored")
    assert [modality.name for modality in other.modalities] == ["ct", "t1"]
    assert other.content_hash != cohort.content_hash
    assert np.array_equal(other.cases[0].spacing_mm, (1.0, 1.0, 2.0))  # that of the CT
    assert np.array_equal(cohort.cases[0].spacing_mm, (2.0, 2.0, 2.0))
    assert other.cases[0].image_hashes == cohort.cases[0].image_hashes[::-1]


def test_each_channel_has_its_statistics(root: Path, cohort: Cohort, tmp_path: Path) -> None:
    alone = make(root, tmp_path / "one", "t1")
    assert cohort.statistics == alone.statistics
    (of_ct,) = cohort.record.further_statistics
    raw = [
        sample_intensities(read_image(root / case.id / "image_ct.nii.gz").array_kji)
        for case in cohort.cases
    ]
    slices = [sample_intensities(cohort.images(case)[:, 1]) for case in cohort.cases]
    counts = [case.class_voxels for case in cohort.cases if case.class_voxels]
    assert of_ct == describe_cohort(raw, slices, 32, counts)


def test_a_case_that_lacks_a_modality_is_left_out_with_its_reason(
    root: Path, tmp_path: Path
) -> None:
    (root / "p1" / "image_ct.nii.gz").unlink()
    found = found_in(root, *NAMES)
    good = prepare_good_cases(found.cases, settings_of(*NAMES), tmp_path / "c", workers=1)
    assert [case.id for case in good.cohort.cases] == ["p0", "p2", "p3"]
    (problem,) = found.problems
    assert problem.case == "p1"
    assert "no image of modality ct" in problem.problem


def test_an_image_elsewhere_is_the_problem_of_its_case_alone(root: Path, tmp_path: Path) -> None:
    path = root / "p2" / "image_ct.nii.gz"
    far = FINE_RAS.copy()
    far[:3, 3] = 900
    write_volume(Volume(read_image(path).array_kji, far), path, overwrite=True)
    found = found_in(root, *NAMES)
    good = prepare_good_cases(found.cases, settings_of(*NAMES), tmp_path / "c", workers=1)
    assert len(good.cohort.cases) == 3
    assert [p.case for p in good.problems] == ["p2"]
    assert "no place in common" in good.problems[0].problem


def test_what_is_resampled_or_suspicious_says_which_image_it_is(root: Path, tmp_path: Path) -> None:
    labels = read_image(root / "p0" / "label.nii.gz")
    t2 = np.where(labels.array_kji > 0, 0.0, 500.0)
    t2[0] += np.random.default_rng(0).normal(0, 100, t2[0].shape)
    write_volume(labels.with_array(t2.astype(np.float32)), root / "p0" / "image_t2.nii.gz")
    events: list[Event] = []
    found = found_in(root, "t1", "t2", "ct")
    settings = settings_of("t1", "t2", "ct", split=SplitRule(fractions=(1.0, 0.0, 0.0)))
    prepare_cohort(found.cases, settings, tmp_path / "c", reporter=Reporter(sinks=[events.append]))
    warned = {event["kind"]: event["message"] for event in events if event["event"] == "warning"}
    assert "its CT image has another grid than the first" in warned["resampled"]
    assert "T2 MR: 100% of its labelled voxels lie outside the body" in warned["labels_outside"]


def test_a_stopped_preparation_goes_on_to_the_same_cohort(
    root: Path, cohort: Cohort, tmp_path: Path
) -> None:
    output = tmp_path / "parts"
    found, settings = found_in(root, *NAMES), settings_of(*NAMES)
    broken = root / "p3" / "image_ct.nii.gz"
    content = broken.read_bytes()
    seen: list[int] = []

    def stop(event: Event) -> None:
        if event["event"] == "progress" and event["done"] == 2:
            seen.append(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_good_cases(
            found.cases, settings, output, reporter=Reporter(sinks=[stop]), workers=1
        )
    assert seen
    assert broken.read_bytes() == content
    events: list[Event] = []
    good = prepare_good_cases(
        found.cases, settings, output, reporter=Reporter(sinks=[events.append]), workers=1
    )
    assert any(event.get("kind") == "resumed" for event in events)
    assert good.cohort.content_hash == cohort.content_hash


def test_the_same_image_as_two_channels_is_worth_a_warning(root: Path, tmp_path: Path) -> None:
    for case in range(4):
        source = root / f"p{case}" / "image_t1.nii.gz"
        source.with_name("image_t2.nii.gz").write_bytes(source.read_bytes())
    events: list[Event] = []
    cases = found_in(root, "t1", "t2").cases
    reporter = Reporter(sinks=[events.append])
    prepare_cohort(cases, settings_of("t1", "t2"), tmp_path / "c", reporter=reporter)
    double = [event for event in events if event.get("kind") == "double_image"]
    assert len(double) == 4


def test_domains_that_share_any_image_are_found(root: Path, cohort: Cohort, tmp_path: Path) -> None:
    """Under another name, as second image of one and only image of the other."""
    ct = root / "p0" / "image_ct.nii.gz"
    other = tmp_path / "raw2" / "x0"
    other.mkdir(parents=True)
    (other / "image_ct.nii.gz").write_bytes(ct.read_bytes())
    cases = found_in(tmp_path / "raw2", "ct").cases
    target = prepare_cohort(cases, settings_of("ct", labels="ignored"), tmp_path / "target")
    with pytest.raises(LeakageError, match="p0/x0"):
        require_disjoint_subjects(cohort, target)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(further_modalities=[]),
        lambda c: c["cases"][0].update(further_hashes=[]),
        lambda c: c.update(further_statistics=[]),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    cohort: Cohort, change: Callable[[dict[str, Any]], object]
) -> None:
    path = cohort.folder / "cohort.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CohortError, match="differ in number of images"):
        read_record(cohort.folder)


def test_settings_need_a_rule_for_each_modality() -> None:
    with pytest.raises(ConfigError, match="for 1 images a case, expected 2: t1, ct"):
        replace(settings_of("t1"), further_modalities=(MODALITIES["ct"],))


def test_samplers_give_channels_in_order(cohort: Cohort) -> None:
    sampler = SliceSampler(cohort, "train", 3, seed=1, balance=ClassBalance())
    assert sampler.slice_shape == (12, 14)
    batch = sampler.next()
    assert batch.images.shape == (3, 2, 12, 14)
    case = cohort.in_split("train")[1]
    read = sampler.read([8 + 5])
    assert np.array_equal(read.images[0].numpy(), cohort.images(case)[5])


def test_domains_need_as_many_images(root: Path, cohort: Cohort, tmp_path: Path) -> None:
    target = make(root, tmp_path / "one", "t1")
    with pytest.raises(MismatchError, match=r"2 images \(t1, ct\).* 1 \(t1\)"):
        require_same_channels(cohort, target)
    with pytest.raises(MismatchError, match="expected as many"):
        UnpairedSampler(cohort, target, 2, seed=0)
    require_same_channels(cohort, cohort)


def test_tables_and_the_contact_sheet_show_all_images(cohort: Cohort, tmp_path: Path) -> None:
    (row, *_) = case_table(cohort)
    images = np.asarray(cohort.images(cohort.cases[0]), np.float32)
    assert row["median_ct"] == pytest.approx(float(np.median(images[:, 1])))
    assert "median_t1" in row
    classes = class_table(cohort)
    assert classes[3]["mean_ct"] > classes[0]["mean_ct"]
    assert write_contact_sheet(cohort, tmp_path / "sheet.png") == 4
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_survey_names_the_files_of_all_images(root: Path) -> None:
    rows = survey_cases(found_in(root, *NAMES).cases, settings_of(*NAMES), Reporter(), workers=1)
    assert [row.files for row in rows] == [3] * 4
    assert rows[0].size == "14x12x8"
    assert "another grid" in rows[0].problems
    assert all(row.is_good for row in rows)


def test_the_sources_of_all_images_are_kept(root: Path, cohort: Cohort) -> None:
    sources = cohort.cases[0].sources
    assert sources.image.endswith("image_t1.nii.gz")
    assert sources.further_images == (str(root / "p0" / "image_ct.nii.gz"),)


def test_a_case_knows_all_its_files() -> None:
    second = CaseFiles(id="a", subject="a", image=Path("two.nii"))
    case = CaseFiles(
        id="a", subject="a", image=Path("one.nii"), label=Path("label.nii"), further=(second,)
    )
    assert case.files() == (Path("one.nii"), Path("label.nii"), Path("two.nii"))
    assert [place.image.name for place in case.images] == ["one.nii", "two.nii"]
