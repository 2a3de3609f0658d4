"""Enhanced (multi-frame) DICOM files, whose frames come in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_frames import frame_layout
from CrossModalSegLib.data.dicom_reading import find_series, read_series
from Testing.unit.dicom_files import write_multi_frame


@pytest.fixture
def scan() -> Volume:
    turn = Rotation.from_euler("xyz", [25, -35, 50], degrees=True).as_matrix()
    array = np.random.default_rng(1).integers(0, 900, (5, 6, 7)).astype(np.float32)
    return Volume(array, affine_from((0.7, 1.3, 2.5), turn, (12.5, -30.25, 5.0)))


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_frames_are_sorted_by_position(
    tmp_path: Path, scan: Volume, order: tuple[int, ...]
) -> None:
    path = write_multi_frame(tmp_path / "m.dcm", scan, frame_order=order)
    ((series,), _) = find_series([path])
    assert series.problem == ""
    volume = read_series(series.files)
    assert np.array_equal(volume.array_kji, scan.array_kji)
    np.testing.assert_allclose(volume.affine_ras, scan.affine_ras, atol=1e-5)
    layout = frame_layout(path)
    assert layout is not None
    assert layout.order == tuple(np.argsort(order))


def changed(path: Path, change: str) -> Path:
    dataset = dcmread(path)
    groups = dataset.PerFrameFunctionalGroupsSequence
    if change == "gap":
        del groups[2]
        dataset.NumberOfFrames = 4
        dataset.PixelData = dataset.PixelData[: 4 * 6 * 7 * 2]
    elif change == "one place":
        position = groups[1].PlanePositionSequence[0].ImagePositionPatient
        groups[2].PlanePositionSequence[0].ImagePositionPatient = position
    elif change == "turned":
        plane = Dataset()
        plane.ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
        groups[1].PlaneOrientationSequence = [plane]
    elif change == "scales":
        for number, group in enumerate(groups, start=1):
            scale = Dataset()
            scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = number, 0, "US"
            group.PixelValueTransformationSequence = [scale]
    elif change == "no place":
        del groups[3].PlanePositionSequence
    dataset.save_as(path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("gap", "slices are missing.*between frame 2 and frame 3"),
        ("one place", "lie at one place"),
        ("turned", "turned or spaced differently"),
        ("scales", "intensity scales of their own"),
        ("no place", "do not say where they lie"),
    ],
)
def test_frames_that_are_no_regular_volume_are_refused(
    tmp_path: Path, scan: Volume, change: str, message: str
) -> None:
    path = changed(write_multi_frame(tmp_path / "m.dcm", scan), change)
    ((series,), _) = find_series([path])
    assert series.problem
    with pytest.raises(GeometryError, match=message):
        read_series([path])


def test_files_without_functional_groups_have_no_layout(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"no DICOM")
    assert frame_layout(tmp_path / "x.dcm") is None
    assert frame_layout(tmp_path / "missing.dcm") is None
