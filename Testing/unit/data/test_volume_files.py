"""Volumes keep every bit and their place through files; bad ones are refused."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import (
    InputFileError,
    LabelError,
    OutputExistsError,
    StorageError,
)
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data import volume_files
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume

CARDIAC = TASKS["cardiac"]
SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
Numbers = tuple[float, float, float]
AFFINE = affine_from((0.6, 0.6, 8.0), np.diag([-1.0, -1.0, 1.0]), (10, 20, -30))


def labels_of(*values: float, dtype: type = np.uint8) -> Volume:
    array: np.ndarray = np.zeros((2, 3, 4), dtype)
    array.flat[: len(values)] = values
    return Volume(array, AFFINE)


@settings(deadline=None, max_examples=40)
@given(
    degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    flip=st.sampled_from([1.0, -1.0]),
    spacing_mm=st.tuples(*[st.floats(0.3, 10)] * 3),
    origin_mm=st.tuples(*[st.floats(-250, 250)] * 3),
    shape=st.tuples(*[st.integers(1, 20)] * 3).filter(lambda shape: shape != (1, 1, 1)),
    suffix=st.sampled_from(SUFFIXES),
)
@example(  # the quaternion of a half turn is wrong by most
    degrees=(-174.25, 170.21875, 60.125),
    flip=-1.0,
    spacing_mm=(1.0, 0.3046875, 10.0),
    origin_mm=(0.0, 0.0, 0.0),
    shape=(14, 1, 1),
    suffix=".nii",
)
def test_what_is_written_is_read_back(
    degrees: Numbers,
    flip: float,
    spacing_mm: Numbers,
    origin_mm: Numbers,
    shape: tuple[int, int, int],
    suffix: str,
) -> None:
    directions = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * [flip, 1, 1]
    array = np.random.default_rng(0).normal(0, 1000, shape).astype(np.float32)
    volume = Volume(array, affine_from(spacing_mm, directions, origin_mm))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"Fällé 1{suffix}"
        write_volume(volume, path)
        read = read_image(path)
    assert read.array_kji.tobytes() == volume.array_kji.tobytes()
    tolerance_mm = 2e-5 if suffix.startswith(".nii") else 1e-9  # NIfTI stores single precision
    np.testing.assert_allclose(read.affine_ras, volume.affine_ras, rtol=0, atol=tolerance_mm)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_unusable_voxels_are_counted(tmp_path: Path, suffix: str, value: float) -> None:
    write_volume(labels_of(1, value, value, dtype=np.float32), tmp_path / f"a{suffix}")
    with pytest.raises(InputFileError, match="2 NaN or infinite voxels of 24"):
        read_image(tmp_path / f"a{suffix}")


def test_numbers_beyond_single_precision_are_infinite(tmp_path: Path) -> None:
    write_volume(labels_of(1, 1e300, dtype=np.float64), tmp_path / "a.nrrd")
    with pytest.raises(InputFileError, match="1 NaN or infinite"):
        read_image(tmp_path / "a.nrrd")


def test_a_constant_image_is_refused(tmp_path: Path) -> None:
    write_volume(Volume(np.full((2, 3, 4), 7, np.int16), AFFINE), tmp_path / "a.nii.gz")
    with pytest.raises(InputFileError, match="every voxel is 7"):
        read_image(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_are_uint8_whatever_they_were_stored_as(tmp_path: Path, dtype: type) -> None:
    write_volume(labels_of(0, 1, 4, dtype=dtype), tmp_path / "a.nii.gz")
    labels = read_labels(tmp_path / "a.nii.gz", task=CARDIAC)
    assert labels.array_kji.dtype == np.uint8
    assert labels.array_kji.ravel()[:3].tolist() == [0, 1, 4]


def test_an_empty_label_map_is_a_label_map(tmp_path: Path) -> None:
    write_volume(labels_of(0), tmp_path / "a.nii.gz")
    assert not read_labels(tmp_path / "a.nii.gz", task=CARDIAC).array_kji.any()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("broken", [0.5, np.nan, np.inf])
def test_labels_are_whole_numbers(tmp_path: Path, suffix: str, broken: float) -> None:
    write_volume(labels_of(1, broken, dtype=np.float32), tmp_path / f"a{suffix}")
    with pytest.raises((LabelError, InputFileError), match=r"whole numbers|NaN or infinite"):
        read_labels(tmp_path / f"a{suffix}")


def test_unknown_labels_are_counted_and_the_known_ones_named(tmp_path: Path) -> None:
    write_volume(labels_of(1, 205, 205, 500, dtype=np.int16), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError, match=r"205 \(2 voxels\), 500 \(1 voxels\).* 3 LVC"):
        read_labels(tmp_path / "a.nii.gz", task=CARDIAC)


def test_a_data_sets_own_values_are_mapped(tmp_path: Path) -> None:
    write_volume(labels_of(0, 205, 420, 600, dtype=np.int16), tmp_path / "a.nii.gz")
    labels = read_labels(tmp_path / "a.nii.gz", task=CARDIAC, value_map={205: 1, 420: 2, 600: 0})
    assert labels.array_kji.ravel()[:4].tolist() == [0, 1, 2, 0]


def test_values_that_the_map_lacks_are_refused(tmp_path: Path) -> None:
    write_volume(labels_of(205, 421, dtype=np.int16), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError, match=r"421 \(1 voxels\), expected 0, 205"):
        read_labels(tmp_path / "a.nii.gz", value_map={205: 1})


def test_a_map_cannot_lead_to_values_that_the_task_does_not_know(tmp_path: Path) -> None:
    write_volume(labels_of(205, dtype=np.int16), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError, match=r"9 \(1 voxels\), which task 'cardiac' does not know"):
        read_labels(tmp_path / "a.nii.gz", task=CARDIAC, value_map={205: 9})


def test_labels_above_255_need_a_map(tmp_path: Path) -> None:
    write_volume(labels_of(300, dtype=np.int16), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError, match="expected 0 to 255"):
        read_labels(tmp_path / "a.nii.gz")


def test_a_slicer_segmentation_is_read_by_its_names(tmp_path: Path) -> None:
    labels = labels_of(0, 1, 4)
    write_segmentation(labels, CARDIAC, tmp_path / "a.seg.nrrd")
    read = read_labels(tmp_path / "a.seg.nrrd", task=CARDIAC)
    np.testing.assert_array_equal(read.array_kji, labels.array_kji)


def test_an_output_is_never_overwritten_silently(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    write_volume(labels_of(1), path)
    with pytest.raises(OutputExistsError):
        write_volume(labels_of(2), path)
    assert read_labels(path).array_kji.max() == 1
    write_volume(labels_of(2), path, overwrite=True)
    assert read_labels(path).array_kji.max() == 2


def test_missing_folders_are_made(tmp_path: Path) -> None:
    write_volume(labels_of(1), tmp_path / "new" / "folder" / "a.mha")
    assert (tmp_path / "new" / "folder" / "a.mha").exists()


@pytest.mark.parametrize("name", ["a.png", "a", "a.seg.nrrd"])
def test_other_endings_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match=r"expected one of \.nii"):
        write_volume(labels_of(1), tmp_path / name)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(_: Volume, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.nrrd"
    write_volume(labels_of(1), path)
    monkeypatch.setitem(volume_files._WRITERS, ".nrrd", fill_the_disk)
    with pytest.raises(StorageError, match="the disk is full"):
        write_volume(labels_of(2), path, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.nrrd"]
    assert read_labels(path).array_kji.max() == 1
