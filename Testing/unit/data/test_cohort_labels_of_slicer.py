"""Labels that were drawn in Slicer: cropped to what they hold, one segment a structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.cohort_writer import CohortSettings, prepare_cohort
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import write_volume

TASK, MODALITY = TASKS["cardiac"], MODALITIES["mr_bssfp"]


def test_a_cropped_segmentation_gives_the_same_cohort_as_a_label_map(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    affine = affine_from((2.0, 3.0, 2.0), np.diag([-1.0, -1.0, 1.0]), (5.0, -7.0, 11.0))
    image = Volume(generator.normal(size=(12, 9, 10)).astype(np.float32), affine)
    labels = np.zeros((12, 9, 10), np.uint8)
    labels[3:9, 2:7, 4:8] = generator.integers(1, 5, (6, 5, 4))
    cropped_affine = affine.copy()
    cropped_affine[:3, 3] = (affine @ [4, 2, 3, 1])[:3]
    cropped = Volume(np.ascontiguousarray(labels[3:9, 2:7, 4:8]), cropped_affine)

    write_volume(image, tmp_path / "image.nii.gz")
    write_volume(image.with_array(labels), tmp_path / "label.nii.gz")
    write_segmentation(cropped, TASK, tmp_path / "label.seg.nrrd")
    settings = CohortSettings(
        task=TASK,
        modality=MODALITY,
        preprocessing=default_preprocessing(TASK, MODALITY, matrix=(16, 16)),
        dataset="folder",
    )
    stored = []
    for name in ("label.nii.gz", "label.seg.nrrd"):
        case = CaseFiles(
            id="a", subject="a", image=tmp_path / "image.nii.gz", label=tmp_path / name
        )
        cohort = prepare_cohort([case], settings, tmp_path / f"cohort {name}")
        stored.append(np.array(cohort.labels(cohort.cases[0])))
    assert stored[0].any()
    np.testing.assert_array_equal(stored[0], stored[1])
