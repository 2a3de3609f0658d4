"""Models that take several images of a case, on the command line's terms."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
from torch import Tensor

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.errors import (
    CohortError,
    ConfigError,
    CrossModalSegError,
    InputFileError,
)
from CrossModalSegLib.core.events import silent_reporter
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.inference.files import SegmentOptions, segment_files
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.methods.base import Method
from Testing.unit.dicom_files import write_series

VolumeMaker = Callable[..., Volume]

CPU = SegmentOptions(device="cpu", precision="32-true", batch_size=4)


@pytest.fixture
def pair(
    tmp_path: Path, config: BundleConfig, method: Method, monkeypatch: pytest.MonkeyPatch
) -> Bundle:
    """Return a model that takes T1 and T2 and names each pixel by its T2 intensity."""

    class SecondBands(type(method)):  # type: ignore[misc]
        takes_several_images = True

        def logits(self, x_t: Tensor) -> Tensor:
            scores: Tensor = self.bands(x_t[:, 1:])
            return scores

    monkeypatch.setitem(METHODS, "second", SecondBands)
    t1, t2 = MODALITIES["t1"], MODALITIES["t2"]
    settings = config.preprocessing
    config = replace(
        config,
        name="pair",
        method="second",
        modalities=Modalities(source=t1, target=t1, inputs=(t1, t2)),
        preprocessing=replace(settings, further_intensities=(settings.intensity,)),
    )
    weights = {
        name: tensor for name, tensor in method.state_dict().items() if name.startswith("bands.")
    }
    return write_bundle(tmp_path / "pair", config, weights)


def segment(
    bundle: Bundle, inputs: list[Path], output: Path, options: SegmentOptions = CPU
) -> list[str]:
    cases = segment_files(bundle, inputs, output, options, silent_reporter())
    return [case.case for case in cases]


def test_the_images_of_one_case_are_given_in_order(
    tmp_path: Path, pair: Bundle, make_volume: VolumeMaker
) -> None:
    t1, t2 = make_volume((6, 5, 7)), make_volume((6, 5, 7), seed=1)
    write_volume(t1, tmp_path / "t1.nii.gz")
    write_volume(t2, tmp_path / "t2.mha")
    inputs = [tmp_path / "t1.nii.gz", tmp_path / "t2.mha"]
    assert segment(pair, inputs, tmp_path / "seg.nii.gz") == ["t1"]
    labels = read_segmentation(tmp_path / "seg.nii.gz", pair.config.task)
    assert np.array_equal(labels.array_kji, t2.array_kji)
    said = json.loads((tmp_path / "seg.json").read_text(encoding="utf-8"))
    assert said["inputs"] == [str(path) for path in inputs]
    assert said["modalities"] == ["t1", "t2"]
    segment(pair, inputs[::-1], tmp_path / "other.nii.gz")
    labels = read_segmentation(tmp_path / "other.nii.gz", pair.config.task)
    assert np.array_equal(labels.array_kji, t1.array_kji)


def test_cases_of_a_folder_have_an_image_of_each_modality(
    tmp_path: Path, pair: Bundle, make_volume: VolumeMaker
) -> None:
    for number, case in enumerate("ab"):
        for other, name in enumerate(("t1", "t2", "flair")):
            volume = make_volume((6, 5, 7), seed=10 * number + other)
            write_volume(volume, tmp_path / "in" / case / f"image_{name}.nii.gz")
    assert segment(pair, [tmp_path / "in"], tmp_path / "out") == ["a", "b"]
    for number, case in enumerate("ab"):
        labels = read_segmentation(tmp_path / "out" / f"{case}.nii.gz", pair.config.task)
        expected = make_volume((6, 5, 7), seed=10 * number + 1).array_kji
        assert np.array_equal(labels.array_kji, expected)


def test_series_of_one_study_become_a_dicom_object_of_the_first(
    tmp_path: Path, pair: Bundle, make_volume: VolumeMaker
) -> None:
    t1, t2 = make_volume((6, 5, 7)), make_volume((6, 5, 7), seed=1)
    for name, volume in (("t1", t1), ("t2", t2)):
        write_series(tmp_path / "p" / name, volume, StudyInstanceUID="1.2", SeriesDescription=name)
    segment(pair, [tmp_path / "p" / "t1", tmp_path / "p" / "t2"], tmp_path / "seg.dcm")
    found = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    upwards = int(np.sign(found.affine[2, 0]))  # highdicom lists slices in an order of its own
    assert np.array_equal(np.asarray(found.array)[::upwards], t2.array_kji)
    with pytest.raises(CohortError, match="several series of MR") as caught:
        segment(pair, [tmp_path / "p"], tmp_path / "two.dcm")
    assert "the series' folder" in caught.value.hint


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        (("a.nii.gz",), InputFileError, "1 image was given, expected 2: the model takes T1.*T2"),
        (("a.nii.gz", "b.nii.gz", "c.nii.gz"), InputFileError, "3 images were given, expected 2"),
        (("a.nii.gz", "a.nii.gz"), ConfigError, "One image was given for two"),
        (("folder",), CohortError, "'x' has no image of modality t2"),
        (("flat",), CohortError, "one image.* for t1 and t2"),
    ],
)
def test_too_few_or_too_many_images_are_refused(
    tmp_path: Path,
    pair: Bundle,
    make_volume: VolumeMaker,
    inputs: tuple[str, ...],
    error: type[CrossModalSegError],
    message: str,
) -> None:
    for name in ("a.nii.gz", "b.nii.gz", "c.nii.gz", "folder/x/image_t1.nii.gz", "flat/a.nii.gz"):
        write_volume(make_volume((6, 5, 7)), tmp_path / name)
    with pytest.raises(error, match=message):
        segment(pair, [tmp_path / name for name in inputs], tmp_path / "out")
    assert not (tmp_path / "out").exists()
