"""What ITK does not tell about a NIfTI file: whether it is whole, and whether its header agrees."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import (
    Affine,
    check_affine,
    describe_grid,
    is_same_grid,
)
from CrossModalSegLib.core.volume import Volume

FORM_TOLERANCE_VOXELS = 0.5
"""Largest disagreement of sform and qform,"""

FORM_TOLERANCE_RADIANS = 0.0015
"""or what comes of this angle: near half a turn the quaternion, stored in single precision, is
wrong by up to 0.0012 rad, half a voxel of a long volume with small voxels across."""

_HEADER_BYTES = 348
_SINGLE_FILE_MAGIC = b"n+1"
_CHUNK_VOXELS = 2**18


def check_nifti(path: Path) -> None:
    """Refuse a NIfTI file that is damaged or does not say clearly where its voxels are.

    ITK reads truncated files without complaint, takes NaN for 0, and picks one of two conflicting
    orientations or spacings.

    Raises:
        InputFileError: The file is not NIfTI-1, is truncated or corrupted, or holds NaN or
            infinite voxels.
        GeometryError: Neither sform nor qform is set, they conflict with each other or with the
            voxel size, or the axes are sheared.
    """
    _check_forms(_read_whole(path), path)


def _read_whole(path: Path) -> Any:
    """Return the header of a file of which not a byte is missing and every voxel is a number."""
    try:
        with _open(path) as stream:
            header = _parsed(stream.read(_HEADER_BYTES), path)
            stream.seek(int(header["vox_offset"]))
            found, unusable = _survey(stream, header.get_data_dtype())
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputFileError(
            f"{path} is not a whole gzip file: {error}.", hint="Copy or export the file again."
        ) from error
    voxels = math.prod(max(int(n), 1) for n in header.get_data_shape())
    expected = voxels * header.get_data_dtype().itemsize
    if found < expected:
        raise InputFileError(
            f"{path} is truncated: {found} bytes of voxels were found, {expected} expected.",
            hint="Copy or export the file again.",
        )
    require_numbers(unusable, voxels, path)
    return header


def require_numbers(unusable: int, voxels: int, path: Path) -> None:
    """Refuse an image of which some voxels are NaN or infinite.

    Raises:
        InputFileError: See above.
    """
    if unusable:
        raise InputFileError(
            f"{path} has {unusable} NaN or infinite voxels of {voxels}, expected none.",
            hint="Replace them (by the background, say) and save the image again.",
        )


def _parsed(block: bytes, path: Path) -> Any:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        header = cast("Any", Nifti1Header)(block, check=False)
        if header["sizeof_hdr"] == _HEADER_BYTES and header["magic"].item() == _SINGLE_FILE_MAGIC:
            header.get_data_dtype(), header.get_data_shape()  # raise if they are nonsense
            return header
    except (HeaderDataError, WrapStructError, KeyError):
        pass
    raise InputFileError(
        f"{path} is not a NIfTI-1 image: it does not begin with the header of one.",
        hint="Check that the file is what its name says, or export it again.",
    )


def _open(path: Path) -> gzip.GzipFile | BinaryIO:
    if path.name.lower().endswith(".gz"):
        return gzip.GzipFile(path)
    return path.open("rb")


def _survey(stream: gzip.GzipFile | BinaryIO, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Read to the end, where gzip verifies its checksum; count bytes and unusable voxels."""
    found = unusable = 0
    while chunk := stream.read(_CHUNK_VOXELS * dtype.itemsize):
        found += len(chunk)
        if dtype.kind in "fc":
            numbers = np.frombuffer(chunk, dtype, count=len(chunk) // dtype.itemsize)
            unusable += numbers.size - int(np.isfinite(numbers).sum())
    return found, unusable


def _check_forms(header: Any, path: Path) -> None:
    unit = header.get_xyzt_units()[0]
    if unit not in {"mm", "unknown"}:
        raise GeometryError(
            f"{path} measures in {unit}, expected mm.", hint="Convert the image to millimetres."
        )
    affines: dict[str, Affine | None] = {
        "sform": header.get_sform(coded=True)[0],
        "qform": header.get_qform(coded=True)[0],
    }
    shape = header.get_data_shape()
    grids = {name: _grid(affine, shape, name, path) for name, affine in affines.items()}
    sform, qform = grids["sform"], grids["qform"]
    if sform is None and qform is None:
        raise GeometryError(
            f"{path} has neither an sform nor a qform, so its left and right are unknown.",
            hint="Convert it again from the original, or set its orientation.",
        )
    if sform is not None:
        spacing_mm = np.abs(header["pixdim"][1:4].astype(np.float64))
        resized = sform.affine_ras @ np.diag([*(spacing_mm / sform.spacing_mm), 1.0])
        _require_agreement(sform, _grid(resized, shape, "pixdim", path), "pixdim", path)
        _require_agreement(sform, qform, "qform", path)


def _grid(
    affine_ras: Affine | None, shape_ijk: tuple[int, ...], name: str, path: Path
) -> Volume | None:
    if affine_ras is None:
        return None
    check_affine(affine_ras, f"{path} ({name})")
    return Volume(_stand_in(shape_ijk), affine_ras)


def _require_agreement(sform: Volume, other: Volume | None, name: str, path: Path) -> None:
    extent_mm = np.linalg.norm(np.subtract(sform.shape_ijk, 1) * sform.spacing_mm)
    tolerance_mm = max(
        FORM_TOLERANCE_VOXELS * min(sform.spacing_mm), FORM_TOLERANCE_RADIANS * float(extent_mm)
    )
    if other is not None and not is_same_grid(sform, other, tolerance_mm):
        raise GeometryError(
            f"{path}: its sform and {name} conflict: the sform says {describe_grid(sform)}, the "
            f"{name} says {describe_grid(other)}.",
            hint="Find out which one is right and set the other to it.",
        )


def _stand_in(shape_ijk: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return an array of that shape which occupies one byte."""
    i, j, k = (*shape_ijk, 1, 1)[:3]
    return np.broadcast_to(np.uint8(0), (k, j, i))
