"""The bytes of volumes, read back by independent readers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.geometry import affine_from, ras_to_lps
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_encoding import (
    storable,
    write_mha,
    write_nifti,
    write_nrrd,
    write_nrrd_layers,
)

DIRECTIONS = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
RIGHT_HANDED = affine_from((0.6, 0.7, 8.0), DIRECTIONS, (-123.456789, 234.56789, -345.6789))
LEFT_HANDED = RIGHT_HANDED @ np.diag([-1.0, 1.0, 1.0, 1.0])
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
WRITERS: dict[str, Callable[[Volume, Path], None]] = {
    ".nii": partial(write_nifti, compressed=False),
    ".nii.gz": partial(write_nifti, compressed=True),
    ".nrrd": write_nrrd,
    ".mha": write_mha,
}


def volume_of(dtype: str, affine_ras: np.ndarray = RIGHT_HANDED) -> Volume:
    array = np.random.default_rng(0).uniform(0, 120, (4, 5, 6)).astype(dtype)
    return Volume(array, affine_ras)


@pytest.mark.parametrize("affine_ras", [RIGHT_HANDED, LEFT_HANDED], ids=["right", "left"])
@pytest.mark.parametrize("compressed", [True, False])
def test_nibabel_reads_our_nifti_from_both_forms(
    tmp_path: Path, affine_ras: np.ndarray, *, compressed: bool
) -> None:
    volume = volume_of("int16", affine_ras)
    path = tmp_path / ("a.nii.gz" if compressed else "a.nii")
    write_nifti(volume, path, compressed=compressed)
    image: Any = nibabel.Nifti1Image.from_filename(path)
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), volume.array_kji)
    for form in (image.header.get_sform(), image.header.get_qform()):
        np.testing.assert_allclose(form, affine_ras, atol=2e-5)
    assert (image.header["sform_code"], image.header["qform_code"]) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_pynrrd_reads_our_nrrd(tmp_path: Path) -> None:
    volume = volume_of("float32", LEFT_HANDED)
    write_nrrd(volume, tmp_path / "a.nrrd")
    array_ijk, header = nrrd.read(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(array_ijk.transpose(2, 1, 0), volume.array_kji)
    affine_lps = ras_to_lps(LEFT_HANDED)
    np.testing.assert_allclose(header["space directions"].T, affine_lps[:3, :3], rtol=1e-15)
    np.testing.assert_allclose(header["space origin"], affine_lps[:3, 3], rtol=1e-15)
    assert header["space"] == "left-posterior-superior"


def test_pynrrd_reads_our_layers_and_fields(tmp_path: Path) -> None:
    layers = np.random.default_rng(1).integers(0, 2, (4, 5, 6, 3), dtype=np.uint8)
    fields = {"Name": "Size: 2", "Scale": "2|3;4&"}
    write_nrrd_layers(layers, RIGHT_HANDED, tmp_path / "a.nrrd", fields)
    array, header = nrrd.read(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(array.transpose(3, 2, 1, 0), layers)
    assert header["kinds"] == ["list", "domain", "domain", "domain"]
    assert (header["Name"], header["Scale"]) == ("Size: 2", "2|3;4&")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", WRITERS)
def test_itk_reads_every_type_bit_for_bit(tmp_path: Path, suffix: str, dtype: str) -> None:
    volume = volume_of(dtype)
    path = tmp_path / f"a{suffix}"
    WRITERS[suffix](volume, path)
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    assert array.dtype == np.dtype(dtype)
    assert array.tobytes() == volume.array_kji.tobytes()


def test_voxels_are_brought_to_a_storable_form() -> None:
    assert storable(np.ones((2, 2, 2), bool)).dtype == np.uint8
    assert storable(np.ones((2, 2, 2), np.float16)).dtype == np.float32
    big_endian = np.arange(8, dtype=">i2").reshape(2, 2, 2)
    stored = storable(big_endian.transpose(2, 1, 0))
    assert stored.dtype.str == "<i2"
    assert stored.flags.c_contiguous
    np.testing.assert_array_equal(stored, big_endian.transpose(2, 1, 0))


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_same_volume_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    WRITERS[suffix](volume_of("float32"), first)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    WRITERS[suffix](volume_of("float32"), second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as Linux has it")
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_full_disk_does_not_go_unnoticed(suffix: str) -> None:
    with pytest.raises(OSError, match="No space left"):
        WRITERS[suffix](volume_of("float32"), Path("/dev/full"))
