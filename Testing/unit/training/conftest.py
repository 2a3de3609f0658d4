"""Tiny cohorts and runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import write_volume

TINY_SETTINGS = (
    "method.iterations=6",
    "method.backbone.width=4",
    "method.backbone.levels=3",
    "training.batch_size=3",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.validate_every=3",
    "training.preview_every=6",
)


@pytest.fixture
def tiny_settings() -> tuple[str, ...]:
    """Return overrides that make a run of any method a matter of seconds."""
    return TINY_SETTINGS


@pytest.fixture(scope="session")
def cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepare a labelled CT cohort and an unlabelled MR cohort of blocks, 16x16, 4 subjects."""
    folder = tmp_path_factory.mktemp("cohorts")
    return {
        "source": _cohort(folder, "ct", seed=1, labels="required"),
        "target": _cohort(folder, "mr_bssfp", seed=2, labels="ignored"),
    }


@pytest.fixture(scope="session")
def padded_cohorts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Prepare the same with 24x24 slices: smaller ones are too small for the critics of GLUA."""
    folder = tmp_path_factory.mktemp("padded cohorts")
    return {
        "source": _cohort(folder, "ct", seed=1, labels="required", size=24),
        "target": _cohort(folder, "mr_bssfp", seed=2, labels="ignored", size=24),
    }


def _cohort(folder: Path, modality: str, seed: int, labels: str, size: int = 16) -> Path:
    root = folder / f"raw {modality}"
    generator = np.random.default_rng(seed)
    for case in range(4):
        classes = np.zeros((6, 16, 16), dtype=np.uint8)
        for value in range(1, 5):
            row, column = generator.integers(0, 12, size=2)
            classes[1:5, row : row + 4, column : column + 4] = value
        classes = classes.transpose(1, 0, 2)  # coronal slices lie along j
        noise = generator.normal(0, 20, classes.shape)
        image = (classes * 100.0 - 200 + noise).astype(np.float32)
        affine = np.diag([-2.0, -2.0, -2.0, 1.0])
        write_volume(Volume(image, affine), root / f"{modality}_{case}" / "image.nii.gz")
        write_volume(Volume(classes, affine), root / f"{modality}_{case}" / "label.nii.gz")
    task, kind = TASKS["cardiac"], MODALITIES[modality]
    settings = CohortSettings(
        task=task,
        modality=kind,
        preprocessing=default_preprocessing(task, kind, matrix=(size, size)),
        dataset="folder",
        labels=labels,  # type: ignore[arg-type]
    )
    output = folder / f"cohort {modality}"
    prepare_cohort(discover("folder", root, modality).cases, settings, output)
    return output
