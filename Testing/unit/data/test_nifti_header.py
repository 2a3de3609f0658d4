"""What is refused before ITK reads a NIfTI file."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.data.nifti_header import check_nifti

NIFTI: Any = nibabel.Nifti1Image
STRAIGHT = np.diag([2.0, 2.0, 3.0, 1.0])


def zooms_of(affine: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.norm(affine[:3, :3], axis=0))


def write(
    path: Path, sform: np.ndarray | None, qform: np.ndarray | None, unit: str | None = None
) -> Path:
    array = np.random.default_rng(0).integers(0, 1000, (40, 30, 20)).astype(np.int16)
    image = NIFTI(array, None)
    image.header.set_zooms(np.diag(STRAIGHT)[:3] if sform is None else zooms_of(sform))
    image.set_sform(sform, 1 if sform is not None else 0)
    image.set_qform(qform, 1 if qform is not None else 0)
    if unit:
        image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["ä b.nii", "ä b.nii.gz"])
def test_a_whole_file_passes(tmp_path: Path, name: str) -> None:
    check_nifti(write(tmp_path / name, STRAIGHT, STRAIGHT))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name, STRAIGHT, STRAIGHT)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputFileError, match=r"truncated|not a whole gzip"):
        check_nifti(path)


def test_data_that_were_truncated_before_compression_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", STRAIGHT, STRAIGHT)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:-1]))
    with pytest.raises(InputFileError, match=r"47999 bytes .* 48000 expected"):
        check_nifti(path)


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", STRAIGHT, STRAIGHT)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputFileError, match="not a whole gzip"):
        check_nifti(path)


@pytest.mark.parametrize("content", [b"x", b"hello world\n" * 100, bytes(1000), b"\xff" * 1000])
@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes, *, compressed: bool) -> None:
    path = tmp_path / ("a.nii.gz" if compressed else "a.nii")
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(InputFileError, match=r"not a NIfTI-1 image|truncated"):
        check_nifti(path)


def test_text_called_nii_gz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_text("hello world")
    with pytest.raises(InputFileError, match="not a whole gzip file"):
        check_nifti(path)


@pytest.mark.parametrize(
    "other",
    [
        np.diag([-2.0, 2.0, 3.0, 1.0]),
        affine_from((2, 2, 3), np.eye(3), (50, 0, 0)),
        affine_from((2, 2, 3), Rotation.from_euler("z", 5, degrees=True).as_matrix(), (0, 0, 0)),
    ],
)
def test_conflicting_forms_are_both_named(tmp_path: Path, other: np.ndarray) -> None:
    path = write(tmp_path / "a.nii", STRAIGHT, other)
    with pytest.raises(GeometryError, match=r"sform says .* qform says"):
        check_nifti(path)


def test_the_rounding_of_quaternions_is_no_conflict(tmp_path: Path) -> None:
    turned = Rotation.from_euler("xyz", [179.99, 12, 33], degrees=True).as_matrix()
    affine = affine_from((0.6, 0.6, 8), turned, (-100, 50, 20))
    check_nifti(write(tmp_path / "a.nii", affine, affine))


def test_a_voxel_size_that_contradicts_the_sform_is_refused(tmp_path: Path) -> None:
    image = NIFTI(np.zeros((40, 30, 20), np.int16), STRAIGHT)
    image.header["pixdim"][1:4] = 2.1, 2, 3
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="sform and pixdim conflict"):
        check_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_unusable_voxels_are_counted_before_itk_calls_them_zero(tmp_path: Path, dtype: str) -> None:
    array = np.zeros((40, 30, 20), dtype)
    array[3, 4, 5], array[5, 4, 3] = np.nan, -np.inf
    nibabel.save(NIFTI(array, STRAIGHT), tmp_path / "a.nii.gz")
    with pytest.raises(InputFileError, match="2 NaN or infinite voxels of 24000"):
        check_nifti(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("single", ["sform", "qform"])
def test_one_form_is_enough(tmp_path: Path, single: str) -> None:
    sform = STRAIGHT if single == "sform" else None
    qform = STRAIGHT if single == "qform" else None
    check_nifti(write(tmp_path / "a.nii", sform, qform))


def test_an_image_without_orientation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="neither an sform nor a qform"):
        check_nifti(write(tmp_path / "a.nii", None, None))


def test_shear_is_refused_by_name(tmp_path: Path) -> None:
    sheared = STRAIGHT.copy()
    sheared[0, 1] = 0.5
    with pytest.raises(GeometryError, match=r"a\.nii \(sform\): the axes are sheared"):
        check_nifti(write(tmp_path / "a.nii", sheared, STRAIGHT))


def test_units_other_than_millimetres_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match="micron"):
        check_nifti(write(tmp_path / "a.nii", STRAIGHT, STRAIGHT, "micron"))
