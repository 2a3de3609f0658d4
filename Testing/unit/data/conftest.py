"""Tiny datasets and cohorts on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import CaseFiles
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.splits import SplitRule
from CrossModalSegLib.data.volume_files import write_volume

CohortMaker = Callable[..., Cohort]

AFFINE_RAS = np.diag([-2.0, -2.0, 2.0, 1.0])
"""LPS, 2 mm."""


def make_volumes(seed: int) -> tuple[Volume, Volume]:
    """Return a CT-like image and a label map in which class c fills a cube at its own place."""
    generator = np.random.default_rng(seed)
    image = generator.normal(0, 100, (16, 12, 16)).astype(np.float32)
    labels = np.zeros(image.shape, np.uint8)
    for value in (1, 2, 3, 4):
        start = 1 + 2 * value
        labels[4:10, start : start + 2, 3 : 3 + 2 * value] = value
        image[labels == value] += 60.0 * value
    return Volume(image, AFFINE_RAS), Volume(labels, AFFINE_RAS)


@pytest.fixture
def write_case(tmp_path: Path) -> Callable[..., CaseFiles]:
    """Write one case as files and return them."""

    def write(name: str, seed: int, *, folder: str = "data", labelled: bool = True) -> CaseFiles:
        place = tmp_path / folder / name
        place.mkdir(parents=True)
        image, labels = make_volumes(seed)
        write_volume(image, place / "image.nii.gz")
        if labelled:
            write_volume(labels, place / "label.nii.gz")
        label = place / "label.nii.gz" if labelled else None
        return CaseFiles(id=name, subject=name, image=place / "image.nii.gz", label=label)

    return write


@pytest.fixture
def settings() -> CohortSettings:
    """Return settings for small cardiac CT cohorts; everything trains."""
    task, modality = TASKS["cardiac"], MODALITIES["ct"]
    return CohortSettings(
        task=task,
        modality=modality,
        preprocessing=default_preprocessing(task, modality, matrix=(16, 16)),
        dataset="folder",
        split=SplitRule(fractions=(1.0, 0.0, 0.0)),
    )


@pytest.fixture
def make_cohort(
    tmp_path: Path, write_case: Callable[..., CaseFiles], settings: CohortSettings
) -> CohortMaker:
    """Write cases and prepare them as a cohort."""

    def make(name: str, seeds: range, *, labelled: bool = True) -> Cohort:
        cases = [write_case(f"{name}{seed}", seed, folder=name) for seed in seeds]
        used = replace(settings, labels="required" if labelled else "ignored")
        return prepare_cohort(cases, used, tmp_path / "cohorts" / name)

    return make
