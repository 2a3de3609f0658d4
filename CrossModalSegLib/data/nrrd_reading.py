"""Reading the NRRD files that the library itself writes, quickly and without ITK.

Inside Slicer, results come back through such files while the program is in use: importing ITK and
looking at a file as carefully as at one of unknown origin would make it stutter.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.geometry import Affine, check_affine, lps_to_ras
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_encoding import NRRD_TYPES

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_DTYPES = {stored: name for name, stored in NRRD_TYPES.items()}
_FIXED = {"dimension": "3", "space": "left-posterior-superior", "endian": "little"}


def read_nrrd(path: Path) -> Volume:
    """Read a volume that `write_nrrd` wrote; geometry and voxels are exactly what was written.

    Raises:
        InputFileError: The file is missing, damaged, or NRRD as others write it.
        GeometryError: The axes are sheared or degenerate.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}; expected a volume.",
            hint="Check that the disk is not full and that the file was not deleted.",
        ) from error
    header, separator, data = content.partition(b"\n\n")
    try:
        fields = _fields(header if separator else b"")
        affine_ras = lps_to_ras(_affine_lps(fields))
        array_kji = _voxels(fields, data)
    except (KeyError, ValueError, zlib.error) as error:
        raise InputFileError(
            f"{path} is not a volume as the library writes it: {error}.",
            hint="It may be incomplete; run the step that makes it again.",
        ) from error
    check_affine(affine_ras, path)
    return Volume(array_kji, affine_ras)


def _fields(header: bytes) -> dict[str, str]:
    first, *lines = header.decode("utf-8").splitlines() or [""]
    if not first.startswith("NRRD"):
        raise ValueError("it does not begin with a header of NRRD")
    pairs = (line.partition(": ") for line in lines if ":=" not in line)
    fields = {key: value for key, _, value in pairs}
    for key, expected in _FIXED.items():
        if fields[key] != expected:
            raise ValueError(f"its {key} is {fields[key]}, expected {expected}")
    return fields


def _affine_lps(fields: dict[str, str]) -> Affine:
    affine = np.eye(4)
    directions = [_vector(text) for text in fields["space directions"].split()]
    affine[:3, :3] = np.array(directions).T
    affine[:3, 3] = _vector(fields["space origin"])
    return affine


def _vector(text: str) -> Sequence[float]:
    return [float(part) for part in text.strip("()").split(",")]


def _voxels(fields: dict[str, str], data: bytes) -> NDArray[Any]:
    dtype = np.dtype(_DTYPES[fields["type"]]).newbyteorder("<")
    shape_ijk = [int(size) for size in fields["sizes"].split()]
    if fields["encoding"] == "gzip":
        data = zlib.decompress(data, _GZIP_WINDOW, math.prod(shape_ijk) * dtype.itemsize)
    elif fields["encoding"] != "raw":
        raise ValueError(f"its encoding is {fields['encoding']}, expected gzip or raw")
    array: NDArray[Any] = np.frombuffer(data, dtype).reshape(shape_ijk[::-1])
    return array
