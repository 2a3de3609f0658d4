"""DICOM folders as input, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from scipy.spatial.transform import Rotation

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.errors import (
    CohortError,
    ConfigError,
    CrossModalSegError,
    GeometryError,
    InputFileError,
    OutputExistsError,
)
from CrossModalSegLib.core.events import silent_reporter
from CrossModalSegLib.core.geometry import affine_from, ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.inference.files import SegmentOptions, segment_files
from Testing.unit.dicom_files import write_multi_frame, write_series

VolumeMaker = Callable[..., Volume]

CPU = SegmentOptions(device="cpu", precision="32-true", batch_size=4)
SHUFFLED = (4, 2, 0, 5, 1, 3)


@pytest.fixture
def scan(make_volume: VolumeMaker) -> Volume:
    """Return an oblique volume whose intensities are its classes."""
    turn = Rotation.from_euler("xyz", [12.0, -25, 40], degrees=True).as_matrix()
    return make_volume((6, 5, 7), affine_from((0.8, 1.2, 3.0), turn, (5.0, -8.0, 3.0)))


def segment(
    bundle: Bundle, inputs: list[Path], output: Path, options: SegmentOptions = CPU
) -> list[str]:
    cases = segment_files(bundle, inputs, output, options, silent_reporter())
    return [case.case for case in cases]


def assert_segments(bundle: Bundle, path: Path, scan: Volume) -> None:
    """Compare each class' voxels by their places in the patient."""
    found = highdicom.seg.segread(path)
    volume = found.get_volume(combine_segments=False)
    array, affine_lps = np.asarray(volume.array), np.asarray(volume.affine)
    for number, entry in enumerate(bundle.config.task.classes):
        assert found.get_segment_description(number + 1).segment_label == entry.label
        places = affine_lps @ _homogeneous(np.argwhere(array[..., number]))
        indices = np.argwhere(scan.array_kji == entry.value)[:, ::-1]
        expected = ras_to_lps(scan.affine_ras) @ _homogeneous(indices)
        assert indices.size > 0
        np.testing.assert_allclose(_sorted(places), _sorted(expected), atol=1e-3)


def _homogeneous(indices: Any) -> Any:
    return np.column_stack([indices, np.ones(len(indices))]).T


def _sorted(points: Any) -> Any:
    return points[:, np.lexsort(np.round(points[:3], 2))]


def test_a_series_becomes_a_dicom_object(tmp_path: Path, bundle: Bundle, scan: Volume) -> None:
    files = write_series(tmp_path / "Müller 1", scan, order=SHUFFLED)
    assert segment(bundle, [tmp_path / "Müller 1"], tmp_path / "out") == ["Müller 1"]
    written = tmp_path / "out" / "Müller 1.dcm"
    assert_segments(bundle, written, scan)
    referred = dcmread(written).ReferencedSeriesSequence[0]
    assert referred.SeriesInstanceUID == dcmread(files[0]).SeriesInstanceUID
    by = dcmread(written).SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert by.AlgorithmName == "bands"
    assert bundle.content_hash.startswith(by.AlgorithmVersion)
    said = json.loads((tmp_path / "out" / "Müller 1.json").read_text(encoding="utf-8"))
    assert said["output"] == "Müller 1.dcm"


def test_a_multi_frame_file_becomes_a_dicom_segmentation(
    tmp_path: Path, bundle: Bundle, scan: Volume
) -> None:
    path = write_multi_frame(tmp_path / "all.dcm", scan, frame_order=SHUFFLED)
    assert segment(bundle, [path], tmp_path / "seg.dcm") == ["all"]
    assert_segments(bundle, tmp_path / "seg.dcm", scan)


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd", ".mha"])
def test_other_endings_are_written_when_asked_for(
    tmp_path: Path, bundle: Bundle, scan: Volume, suffix: str
) -> None:
    write_series(tmp_path / "in", scan, order=SHUFFLED)
    segment(bundle, [tmp_path / "in"], tmp_path / f"one{suffix}")
    options = replace(CPU, suffix=suffix)
    segment(bundle, [tmp_path / "in"], tmp_path / "out", options)
    for path in (tmp_path / f"one{suffix}", tmp_path / "out" / f"in{suffix}"):
        labels = read_segmentation(path, bundle.config.task)
        assert np.array_equal(labels.array_kji, scan.array_kji)
        np.testing.assert_allclose(labels.affine_ras, scan.affine_ras, atol=1e-4)


def test_only_the_chosen_structures_are_segments(
    tmp_path: Path, bundle: Bundle, scan: Volume
) -> None:
    write_series(tmp_path / "in", scan)
    options = replace(CPU, structures=("AA",))
    segment(bundle, [tmp_path / "in"], tmp_path / "seg.dcm", options)
    (only,) = dcmread(tmp_path / "seg.dcm").SegmentSequence
    assert only.SegmentLabel == "Ascending aorta"


def test_every_patient_of_a_folder_becomes_a_file(
    tmp_path: Path, bundle: Bundle, make_volume: VolumeMaker
) -> None:
    for number, name in enumerate(("anna", "bert")):
        volume = make_volume((6, 5, 7), seed=number)
        write_series(tmp_path / "in" / name / "series", volume, PatientID=name)
    assert segment(bundle, [tmp_path / "in"], tmp_path / "out") == ["anna", "bert"]
    for number, name in enumerate(("anna", "bert")):
        scan = make_volume((6, 5, 7), seed=number)
        assert_segments(bundle, tmp_path / "out" / f"{name}.dcm", scan)


@pytest.fixture
def study(tmp_path: Path, make_volume: VolumeMaker) -> Path:
    """Return a folder with one study: two MR series, a CT and a localiser."""
    common: dict[str, Any] = {"StudyInstanceUID": "1.2.3", "PatientID": "p"}
    for number, (name, modality) in enumerate(
        (("bSSFP cor", "MR"), ("T1 cor", "MR"), ("CTA", "CT"))
    ):
        volume = make_volume((6, 5, 7), seed=number)
        tags: dict[str, Any] = {**common, "SeriesDescription": name, "Modality": modality}
        write_series(tmp_path / "study" / f"s{number}", volume, **tags)
    one_slice = make_volume((1, 5, 7), seed=9)
    write_series(tmp_path / "study" / "loc", one_slice, **common, SeriesDescription="localiser")
    return tmp_path / "study"


def test_of_several_series_one_is_chosen_by_its_description(
    bundle: Bundle, study: Path, tmp_path: Path, make_volume: VolumeMaker
) -> None:
    options = replace(CPU, series="t1")
    assert segment(bundle, [study], tmp_path / "seg.dcm", options) == ["study"]
    assert_segments(bundle, tmp_path / "seg.dcm", make_volume((6, 5, 7), seed=1))
    assert segment(bundle, [study / "s0"], tmp_path / "two.dcm") == ["s0"]
    assert_segments(bundle, tmp_path / "two.dcm", make_volume((6, 5, 7), seed=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CPU, r"has several series of MR: .*'T1 cor'.*'bSSFP cor'.*'localiser'"),
        (replace(CPU, series="flair"), r"no series of MR whose description has 'flair': .*'CTA'"),
    ],
)
def test_without_a_clear_choice_the_series_are_listed(
    bundle: Bundle, study: Path, tmp_path: Path, options: SegmentOptions, message: str
) -> None:
    with pytest.raises(CohortError, match=message) as caught:
        segment(bundle, [study], tmp_path / "seg.dcm", options)
    assert "--series" in caught.value.hint
    assert not (tmp_path / "seg.dcm").exists()


def test_what_is_no_regular_volume_is_refused(
    bundle: Bundle, tmp_path: Path, make_volume: VolumeMaker
) -> None:
    gap = (0.0, 2.0, 4.0, 8.0, 10.0, 12.0)
    write_series(tmp_path / "gap", make_volume((6, 5, 7)), places_mm=gap)
    with pytest.raises(GeometryError, match="slices are missing"):
        segment(bundle, [tmp_path / "gap"], tmp_path / "seg.dcm")
    tilted = np.diag([1.0, 1.0, 2.0, 1.0])
    tilted[1, 2] = 0.6  # as with a tilted gantry
    write_series(tmp_path / "tilt", make_volume((6, 5, 7), tilted))
    with pytest.raises(GeometryError, match=r"sheared.*gantry tilt"):
        segment(bundle, [tmp_path / "tilt"], tmp_path / "seg.dcm")
    write_series(tmp_path / "one", make_volume((1, 5, 7)))
    with pytest.raises(GeometryError, match="single slice"):
        segment(bundle, [tmp_path / "one"], tmp_path / "seg.dcm")


@pytest.mark.parametrize(
    ("inputs", "output", "error", "message"),
    [
        (("a.nii.gz",), "seg.dcm", ConfigError, "no DICOM series to which it could refer"),
        (("series",), "there.dcm", OutputExistsError, "there.dcm exists"),
        (("series",), "series/IM0000.dcm", ConfigError, "would replace the input"),
        (("mixed",), "out", CohortError, "volume files and DICOM files"),
        (("series", "empty"), "out", ConfigError, "given beside other inputs"),
        (("empty",), "out", InputFileError, "no volumes that can be read"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    bundle: Bundle,
    tmp_path: Path,
    make_volume: VolumeMaker,
    inputs: tuple[str, ...],
    output: str,
    error: type[CrossModalSegError],
    message: str,
) -> None:
    volume = make_volume((6, 5, 7))
    write_series(tmp_path / "series", volume)
    write_series(tmp_path / "mixed", volume)
    for path in ("a.nii.gz", "mixed/a.nii.gz"):
        write_volume(volume, tmp_path / path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.dcm").write_text("mine")
    with pytest.raises(error, match=message):
        segment(bundle, [tmp_path / name for name in inputs], tmp_path / output)
    assert (tmp_path / "there.dcm").read_text() == "mine"


def test_series_and_volumes_may_be_given_together(
    bundle: Bundle, tmp_path: Path, make_volume: VolumeMaker
) -> None:
    one, two = make_volume((6, 5, 7)), make_volume((6, 5, 7), seed=1)
    write_series(tmp_path / "one", one)
    write_volume(two, tmp_path / "two.nii.gz")
    cases = segment(bundle, [tmp_path / "one", tmp_path / "two.nii.gz"], tmp_path / "out")
    assert cases == ["one", "two"]
    assert_segments(bundle, tmp_path / "out" / "one.dcm", one)
    labels = read_segmentation(tmp_path / "out" / "two.nii.gz", bundle.config.task)
    assert np.array_equal(labels.array_kji, two.array_kji)
