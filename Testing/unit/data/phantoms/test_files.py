"""Phantoms as files, and what a study makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.phantoms.files import (
    BRAIN,
    PhantomOptions,
    case_name_of,
    image_name_of,
    subject_seeds,
    write_brain_subjects,
    write_cardiac_subjects,
)
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.volume_files import read_image, read_labels

COARSE = PhantomGrid(matrix_ijk=(24, 24, 21), spacing_mm=(8.0, 8.0, 8.0))
OPTIONS = PhantomOptions(grid=COARSE)


@pytest.fixture(scope="module")
def brains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of six brains in two modalities."""
    folder = tmp_path_factory.mktemp("brains")
    seeds = subject_seeds(0, BRAIN, 6)
    write_brain_subjects(folder, ["t1", "t2"], seeds, Reporter(), OPTIONS)
    return folder


def prepare(root: Path, output: Path, modality: str, **options: object) -> Cohort:
    command = Prepare(
        dataset="folder",
        root=root,
        modality=(modality,),
        output=output,
        **{"task": "brain_tumour", "matrix": (24, 24), "split": "80/20", **options},  # type: ignore[arg-type]
    )
    command.run(Reporter())
    return Cohort.open(output)


def test_seeds_of_groups_are_disjoint_and_grow_at_their_end() -> None:
    first, second = subject_seeds(0, "source", 30), subject_seeds(0, "target", 30)
    assert not set(first) & set(second)
    assert len(set(first)) == 30
    assert subject_seeds(0, "source", 40)[:30] == first
    assert not set(first) & set(subject_seeds(1, "source", 30))


def test_cases_hold_all_modalities_on_the_labels_grid(brains: Path) -> None:
    cases = sorted(brains.iterdir())
    seeds = subject_seeds(0, BRAIN, 6)
    assert [case.name for case in cases] == [
        case_name_of(BRAIN, number, seed) for number, seed in enumerate(seeds, start=1)
    ]
    labels = read_labels(cases[0] / "label.nii.gz")
    assert set(np.unique(labels.array_kji)) <= {0, 1, 2, 3}
    for modality in ("t1", "t2"):
        image = read_image(cases[0] / image_name_of(modality))
        np.testing.assert_allclose(image.affine_ras, labels.affine_ras)
        assert image.shape_ijk == labels.shape_ijk


def test_cases_that_are_there_are_kept_or_refused(tmp_path: Path) -> None:
    seeds = subject_seeds(0, "ct", 2)
    grid = PhantomGrid(matrix_ijk=(12, 8, 12), spacing_mm=(6.0, 6.0, 6.0))
    reporter = Reporter()
    first, *_ = write_cardiac_subjects(
        tmp_path, "ct", seeds[:1], reporter, PhantomOptions(grid=grid)
    )
    mark = first / "mark"
    mark.touch()
    with pytest.raises(OutputExistsError):
        write_cardiac_subjects(tmp_path, "ct", seeds, reporter, PhantomOptions(grid=grid))
    resumed = PhantomOptions(grid=grid, resume=True, labelled=False)
    both = write_cardiac_subjects(tmp_path, "ct", seeds, reporter, resumed)
    assert mark.exists()
    assert [(case / "label.nii.gz").exists() for case in both] == [True, False]


def test_a_cohort_takes_the_image_of_its_modality(brains: Path, tmp_path: Path) -> None:
    t1, t2 = (prepare(brains, tmp_path / m, m, domain="all") for m in ("t1", "t2"))
    assert [case.subject for case in t1.cases] == [case.subject for case in t2.cases]
    assert {case.content_hash for case in t1.cases}.isdisjoint(
        case.content_hash for case in t2.cases
    )
    assert t1.is_labelled


def test_parts_of_the_tumour_are_one_class_of_the_task_whole_tumour(
    brains: Path, tmp_path: Path
) -> None:
    parts = prepare(brains, tmp_path / "parts", "t2", domain="all")
    whole = prepare(brains, tmp_path / "whole", "t2", domain="all", task="whole_tumour")
    for case, union in zip(parts.cases, whole.cases, strict=True):
        assert union.class_voxels is not None
        assert case.class_voxels is not None
        assert len(union.class_voxels) == 2
        assert union.class_voxels[1] == sum(case.class_voxels[1:]) > 0


def test_the_domains_of_a_study_share_no_patient(brains: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="paired"):
        prepare(brains, tmp_path / "nothing", "t1")
    source = prepare(brains, tmp_path / "source", "t1", domain="source")
    target = prepare(brains, tmp_path / "target", "t2", domain="target", labels="ignored")
    patients = [{case.subject for case in cohort.cases} for cohort in (source, target)]
    assert not patients[0] & patients[1]
    assert patients[0] | patients[1] == {case.name for case in brains.iterdir()}
    assert (source.is_labelled, target.is_labelled) == (True, False)
