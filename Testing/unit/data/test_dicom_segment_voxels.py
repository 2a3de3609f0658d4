"""Voxels of DICOM segmentations, against what highdicom wrote and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from, reorient
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.dicom_reading import read_series
from CrossModalSegLib.data.dicom_segment_voxels import segmentation_notes, segmentation_voxels
from Testing.unit.dicom_files import write_series
from Testing.unit.label_object_files import write_segmentation_object

TURN = Rotation.from_euler("xyz", [12, -25, 40], degrees=True).as_matrix()
NAMES = ("liver", "spleen")


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    array = np.random.default_rng(1).integers(0, 900, (6, 7, 9)).astype(np.float32)
    volume = Volume(array, affine_from((0.7, 1.3, 2.5), TURN, (12.5, -30.25, 5.0)))
    return write_series(tmp_path / "scan", volume)


@pytest.fixture
def grid(series: list[Path]) -> Volume:
    return read_series(series)


def landmark(grid: Volume) -> Volume:
    """Return segments 1 and 2 that look different from every side, in some of the slices."""
    array = np.zeros(grid.shape_kji, np.uint8)
    array[1, 2, 2:8] = 1
    array[1, 3:6, 2] = 2
    array[2:5, 2, 2] = 2
    array[4, 5, 7] = 1
    return grid.with_array(array)


def masks_of(labels: Volume) -> list[Volume]:
    return [labels.with_array((labels.array_kji == n).astype(np.uint8)) for n in (1, 2)]


def read(path: Path, grid: Volume) -> np.ndarray[Any, Any]:
    found = np.zeros(grid.shape_kji, np.uint8)
    for number, where in segmentation_voxels(path, {1, 2}, grid):
        assert not found[where].any()
        found[where] = number
    return found


CODES = ("LPS", "RPS", "LAS", "LPI", "RAI", "PLS", "SPL", "IRA")
"""The series' own axes, mirrored in each direction, turned in plane, and cut in another plane."""


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        *(("BINARY", code) for code in CODES),
        *(("FRACTIONAL", code) for code in ("RAI", "SPL")),
        *(("LABELMAP", code) for code in ("RAI", "IRA")),
    ],
)
def test_frames_are_placed_by_their_own_geometry(
    tmp_path: Path, series: list[Path], grid: Volume, kind: str, code: str
) -> None:
    labels = landmark(grid)
    written = reorient(labels, code)
    given = written if kind == "LABELMAP" else masks_of(written)
    path = write_segmentation_object(tmp_path / "s.dcm", series, given, NAMES, kind=kind)
    assert dcmread(path).NumberOfFrames < written.shape_kji[0] * 2  # empty frames are left out
    np.testing.assert_array_equal(read(path, grid), labels.array_kji)


def test_the_order_of_frames_does_not_count(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    labels = landmark(grid)
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks_of(labels), NAMES)
    dataset = dcmread(path)
    frames = dataset.pixel_array
    order = np.random.default_rng(0).permutation(len(frames))
    groups = dataset.PerFrameFunctionalGroupsSequence
    dataset.PerFrameFunctionalGroupsSequence = [groups[n] for n in order]
    bits = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path, grid), labels.array_kji)


def test_highdicom_reads_the_same(tmp_path: Path, series: list[Path], grid: Volume) -> None:
    generator = np.random.default_rng(2)
    masks = [
        grid.with_array(generator.integers(0, 2, grid.shape_kji).astype(np.uint8)) for _ in "ab"
    ]
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks, NAMES)
    theirs = highdicom.seg.segread(path).get_volume().array  # slices in the other direction
    for number in (1, 2):
        mine = np.zeros(grid.shape_kji, bool)
        for _, where in segmentation_voxels(path, {number}, grid):
            mine[where] = True
        np.testing.assert_array_equal(mine, masks[number - 1].array_kji)
        np.testing.assert_array_equal(mine[::-1], theirs[..., number - 1])


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_frames_are_read(
    tmp_path: Path, series: list[Path], grid: Volume, syntax: UID
) -> None:
    labels = landmark(grid)
    path = write_segmentation_object(
        tmp_path / "s.dcm",
        series,
        masks_of(labels),
        NAMES,
        kind="FRACTIONAL",
        transfer_syntax_uid=syntax,
    )
    np.testing.assert_array_equal(read(path, grid), labels.array_kji)


@pytest.mark.parametrize("columns", [8, 9])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_frames_may_begin_within_a_byte_and_files_be_deflated(
    tmp_path: Path, columns: int, syntax: UID
) -> None:
    array = np.random.default_rng(1).integers(0, 900, (6, 7, columns)).astype(np.float32)
    series = write_series(tmp_path / "other", Volume(array, np.diag([-1.0, -1.0, 2.0, 1.0])))
    labels = landmark(read_series(series))
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks_of(labels), NAMES)
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    np.testing.assert_array_equal(read(path, labels), labels.array_kji)


def test_of_fractions_at_least_one_half_counts_and_is_told(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    fractions = np.zeros(grid.shape_kji, np.float32)
    fractions[2, 3, 2:6] = 0.2, 0.49, 0.5, 0.9
    given = [grid.with_array(fractions)]
    path = write_segmentation_object(
        tmp_path / "s.dcm", series, given, NAMES[:1], kind="FRACTIONAL", max_fractional_value=100
    )
    assert np.argwhere(read(path, grid)).tolist() == [[2, 3, 4], [2, 3, 5]]
    assert "at least one half" in segmentation_notes(path)[0]


def moved(grid: Volume, change: np.ndarray[Any, Any]) -> Volume:
    return Volume(grid.array_kji, grid.affine_ras @ change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (affine_from((1, 1, 1), np.eye(3), (0.5, 0, 0)), "does not lie on the voxels"),
        (affine_from((1, 1, 1), np.eye(3), (0, 0, 0.4)), "does not lie on the voxels"),
        (affine_from((1.1, 1, 1), np.eye(3), (0, 0, 0)), "does not lie on the voxels"),
        (affine_from((2, 2, 1), np.eye(3), (0, 0, 0)), "does not lie on the voxels"),
        (affine_from((1, 1, 1), np.eye(3), (4, 0, 0)), "lie outside the series' 9x7x6 voxels"),
        (affine_from((1, 1, 1), np.eye(3), (0, 0, -2)), "lie outside the series'"),
    ],
)
def test_a_segmentation_of_another_grid_is_refused(
    tmp_path: Path, series: list[Path], grid: Volume, change: Any, message: str
) -> None:
    labels = moved(landmark(grid), change)
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks_of(labels), NAMES)
    with pytest.raises(GeometryError, match=message):
        read(path, grid)


def test_what_headers_round_is_the_same_voxel(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    labels = landmark(grid)
    nudged = moved(labels, affine_from((1.002, 1, 1), np.eye(3), (0.03, 0, 0)))
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks_of(nudged), NAMES)
    np.testing.assert_array_equal(read(path, grid), labels.array_kji)


def test_damaged_segmentations_are_refused(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    path = write_segmentation_object(tmp_path / "s.dcm", series, masks_of(landmark(grid)), NAMES)
    whole = dcmread(path)
    del whole.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    whole.save_as(tmp_path / "nowhere.dcm")
    with pytest.raises(InputFileError, match="frame 1 has no PlanePositionSequence"):
        read(tmp_path / "nowhere.dcm", grid)
    whole = dcmread(path)
    whole.PixelData = whole.PixelData[:8]
    whole.save_as(tmp_path / "short.dcm")
    with pytest.raises(InputFileError, match="its pixels cannot be read"):
        read(tmp_path / "short.dcm", grid)
    with pytest.raises(InputFileError, match="cannot be understood as DICOM"):
        read(Path(__file__), grid)


def test_an_encoding_without_decoder_is_named(
    tmp_path: Path, series: list[Path], grid: Volume
) -> None:
    path = write_segmentation_object(
        tmp_path / "s.dcm",
        series,
        masks_of(landmark(grid)),
        NAMES,
        kind="FRACTIONAL",
        transfer_syntax_uid=RLELossless,
    )
    content = path.read_bytes()
    uid, other = b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.9\0"
    path.write_bytes(content.replace(uid, other, 1))
    with pytest.raises(InputFileError, match=r"encoded as 1\.2\.840\.10008\.1\.2\.9"):
        read(path, grid)
