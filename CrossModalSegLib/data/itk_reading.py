"""Opening image files with SimpleITK, with errors that people understand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import Affine, affine_from, check_affine, lps_to_ras
from CrossModalSegLib.core.paths import VOLUME_SUFFIXES, volume_suffix
from CrossModalSegLib.data.nifti_header import check_nifti


def read_itk_image(path: Path) -> Any:
    """Read a file as a `SimpleITK.Image`.

    Raises:
        InputFileError: The file is missing, empty, damaged, or not NIfTI, NRRD or MHA.
        GeometryError: A NIfTI header is sheared, contradicts itself or says nothing.
    """
    suffix = volume_suffix(path)
    _require_readable(path)
    if not suffix:
        raise unknown_suffix(path)
    if suffix in {".nii", ".nii.gz"}:
        check_nifti(path)
    with without_itk_warnings():
        try:
            return SimpleITK.ReadImage(str(path))
        except RuntimeError as error:
            if "orthonormal" in str(error):
                raise _not_at_right_angles(path) from error
            raise InputFileError(
                f"{path} cannot be read as {suffix}: {_reason(error)}.",
                hint="Check that the file is whole and what its name says, or export it again.",
            ) from error


def read_itk_volume(path: Path) -> tuple[Any, Affine]:
    """Read one scalar three-dimensional image and its affine to RAS.

    A fourth axis of length 1 is dropped.

    Raises:
        InputFileError: As `read_itk_image`; the image is 2-D, 4-D, complex, or has several
            values a voxel.
        GeometryError: The axes are sheared or degenerate.
    """
    image = read_itk_image(path)
    size = image.GetSize()
    if len(size) == 4 and size[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise InputFileError(
            f"{path} is {len(size)}-D ({'x'.join(map(str, size))} voxels), expected one 3-D "
            "volume.",
            hint="Export a single volume: a stack of slices, or one time point or contrast.",
        )
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise InputFileError(
            f"{path} holds a {image.GetPixelIDTypeAsString()} with "
            f"{image.GetNumberOfComponentsPerPixel()} component(s) a voxel, expected one real "
            "number a voxel.",
            hint="Export a scalar (grey) volume: one channel, or the magnitude.",
        )
    return image, affine_of(image, path)


def affine_of(image: Any, where: Path | str) -> Affine:
    """Return the affine from voxel index to RAS in mm of a three-dimensional ITK image.

    Raises:
        GeometryError: The axes are sheared or degenerate.
    """
    directions = np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    affine_ras = lps_to_ras(affine_from(image.GetSpacing(), directions, image.GetOrigin()))
    check_affine(affine_ras, where)
    return affine_ras


def unknown_suffix(path: Path) -> InputFileError:
    """Return the error for a file whose ending is none that we know."""
    return InputFileError(
        f"{path} has an ending that is not known, expected one of {', '.join(VOLUME_SUFFIXES)}.",
        hint="Convert the image, or correct the file name.",
    )


def _require_readable(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            first = stream.read(1)
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else error.strerror
        raise InputFileError(
            f"{path} cannot be read: {reason}; expected an image file.",
            hint="Check the path and its spelling.",
        ) from error
    if not first:
        raise InputFileError(f"{path} is empty (0 bytes).", hint="Copy or export the file again.")


def _not_at_right_angles(path: Path) -> GeometryError:
    """Return the error for the small shear that ITK does not take in NIfTI and we would."""
    return GeometryError(
        f"{path}: the axes of its sform are slightly sheared, expected axes at right angles.",
        hint="Set its sform to its qform, or resample the image onto a rectangular grid.",
    )


def _reason(error: RuntimeError) -> str:
    """Return what ITK says, without the places in its source code."""
    last = str(error).strip().splitlines()[-1].removeprefix("sitk::ERROR: ")
    if last.startswith("Reason: "):  # errno of an unrelated call: the file has been opened before
        return "its data are not whole"
    return last.rstrip(".")


@contextmanager
def without_itk_warnings() -> Iterator[None]:
    """Keep ITK's notes about headers off standard error; what matters is checked here."""
    itk: Any = SimpleITK.ProcessObject
    shown = itk.GetGlobalWarningDisplay()
    itk.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        itk.SetGlobalWarningDisplay(shown)
