"""Which files are opened, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.data.itk_reading import read_itk_volume

ITK: Any = SimpleITK
NIFTI: Any = nibabel.Nifti1Image
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
ARRAY = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)


def itk_file(path: Path, size: list[int], pixel: int, components: int = 0) -> Path:
    SimpleITK.WriteImage(ITK.Image(size, pixel, components), str(path))
    return path


def nifti_file(path: Path, array: np.ndarray) -> Path:
    nibabel.save(NIFTI(array, AFFINE), path)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def text(path: Path) -> Path:
    path.write_text("hello world\n" * 50)
    return path


COLOURS = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing.nii.gz": (lambda p: p, "No such file"),
    "folder.nii.gz": (folder, "it is a folder"),
    "empty.nrrd": (empty, "0 bytes"),
    "empty.nii.gz": (empty, "0 bytes"),
    "unknown.png": (text, "expected one of .nii.gz"),
    "no_ending": (text, "expected one of .nii.gz"),
    "text.nrrd": (text, "cannot be read as .nrrd"),
    "text.mha": (text, "cannot be read as .mha"),
    "two.nii": (lambda p: nifti_file(p, ARRAY[..., 0]), "is 2-D"),
    "two.nrrd": (lambda p: itk_file(p, [4, 5], SimpleITK.sitkFloat32), "is 2-D"),
    "four.nii.gz": (lambda p: nifti_file(p, np.stack([ARRAY] * 2, -1)), "is 4-D .6x7x8x2"),
    "four.nrrd": (lambda p: itk_file(p, [4, 5, 6, 2], SimpleITK.sitkInt16), "is 4-D"),
    "five.nii": (lambda p: nifti_file(p, np.stack([ARRAY] * 2, -1)[:, :, :, None]), "is 5-D"),
    "vector.nrrd": (
        lambda p: itk_file(p, [4, 5, 6], SimpleITK.sitkVectorFloat32, 3),
        "3 component",
    ),
    "vector.mha": (lambda p: itk_file(p, [4, 5, 6], SimpleITK.sitkVectorUInt8, 2), "2 component"),
    "colours.nii": (lambda p: nifti_file(p, COLOURS), "3 component"),
    "complex.nii": (lambda p: nifti_file(p, ARRAY.astype(np.complex64)), "complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_volume_is_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    path = make(tmp_path / name)
    with pytest.raises(InputFileError, match=reason) as caught:
        read_itk_volume(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, *, compressed: bool) -> None:
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ARRAY), str(path), compressed)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputFileError, match="cannot be read"):
        read_itk_volume(path)


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path) -> None:
    stack = itk_file(tmp_path / "a.nrrd", [4, 5, 6, 1], SimpleITK.sitkInt16)
    assert read_itk_volume(stack)[0].GetSize() == (4, 5, 6)
    image, affine_ras = read_itk_volume(nifti_file(tmp_path / "a.nii", ARRAY[..., None]))
    assert image.GetSize() == (6, 7, 8)
    np.testing.assert_allclose(affine_ras, AFFINE, atol=1e-6)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_sheared_directions_are_refused(tmp_path: Path, suffix: str) -> None:
    image = ITK.GetImageFromArray(ARRAY)
    image.SetDirection([1, 0.4, 0, 0, 1, 0, 0, 0, 1])
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(image, str(path))
    with pytest.raises(GeometryError, match="sheared"):
        read_itk_volume(path)


def test_an_sform_that_only_itk_finds_sheared_is_a_matter_of_geometry(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 4e-4
    nibabel.save(NIFTI(ARRAY, sheared), tmp_path / "a.nii")
    with pytest.raises(GeometryError, match="slightly sheared"):
        read_itk_volume(tmp_path / "a.nii")


def test_reading_says_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    image = NIFTI(ARRAY, AFFINE)
    image.header["pixdim"][1:4] = 2.002, 2, 3  # a difference that only ITK remarks on
    nibabel.save(image, tmp_path / "a.nii")
    SimpleITK.ReadImage(str(tmp_path / "a.nii"))
    assert "WARNING" in capfd.readouterr().err
    read_itk_volume(tmp_path / "a.nii")
    assert capfd.readouterr() == ("", "")
    assert ITK.ProcessObject.GetGlobalWarningDisplay()
