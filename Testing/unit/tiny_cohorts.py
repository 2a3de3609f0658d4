"""Tiny cohorts: blocks of noise, 4 subjects, a second to prepare and to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import write_volume


def tiny_cohort(
    folder: Path,
    modality: str,
    seed: int,
    labels: Literal["required", "ignored"],
    size: int = 16,
) -> Path:
    """Make images of one modality and prepare them as `cohort MODALITY` in a folder."""
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
        labels=labels,
    )
    output = folder / f"cohort {modality}"
    prepare_cohort(discover("folder", root, modality).cases, settings, output)
    return output
