"""NIfTI, NRRD and MHA as bytes.

Written here and not by ITK, because ITK's NIfTI writer reports no error when the disk is full.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.geometry import Affine, ras_to_lps
from CrossModalSegLib.core.volume import Volume

COMPRESSION_LEVEL = 4
"""Of zlib: several times faster on float images than the default 6, for about 6 % more bytes."""

NIFTI_SCANNER = 1
"""NIFTI_XFORM_SCANNER_ANAT, the code that every reader trusts for both sform and qform."""

NRRD_TYPES = {
    "int8": "int8",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned int",
    "int64": "int64",
    "uint64": "uint64",
    "float32": "float",
    "float64": "double",
}

_META_TYPES = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "int64": "MET_LONG_LONG",
    "uint64": "MET_ULONG_LONG",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}


def storable(array_kji: NDArray[Any]) -> NDArray[Any]:
    """Return voxels in C order, little-endian, in a type that all three formats have."""
    name = array_kji.dtype.name
    stored = {"bool": "uint8", "float16": "float32"}.get(name, name)
    return np.ascontiguousarray(array_kji, dtype=np.dtype(stored).newbyteorder("<"))


def write_nifti(volume: Volume, path: Path, *, compressed: bool) -> None:
    """Write NIfTI-1 with the same place in sform and qform."""
    from nibabel.nifti1 import Nifti1Image

    array_ijk = storable(volume.array_kji).transpose(2, 1, 0)
    image: Any = cast("Any", Nifti1Image)(array_ijk, None, dtype=array_ijk.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(volume.affine_ras, NIFTI_SCANNER)
    image.set_qform(volume.affine_ras, NIFTI_SCANNER)
    with path.open("wb") as stream:
        if not compressed:
            image.to_stream(stream)
            return
        with _gzip_stream(stream) as zipped:
            image.to_stream(zipped)


def write_nrrd(volume: Volume, path: Path, *, compressed: bool = True) -> None:
    """Write NRRD with gzip encoding, or as it is, which is much faster."""
    array = storable(volume.array_kji)
    write_nrrd_layers(array, volume.affine_ras, path, {}, compressed=compressed)


def write_nrrd_layers(
    array: NDArray[Any],
    affine_ras: Affine,
    path: Path,
    fields: Mapping[str, str],
    *,
    compressed: bool = True,
) -> None:
    """Write a three-dimensional array, or several layers of one grid, as NRRD.

    Args:
        array: Voxels (k, j, i), or (k, j, i, layer) with the layer fastest, as Slicer stores them.
        affine_ras: Voxel index (i, j, k) to RAS in mm.
        path: File to write.
        fields: Key-value pairs of the header; no line breaks.
        compressed: Whether to use gzip encoding.
    """
    array = storable(array)
    affine_lps = ras_to_lps(affine_ras)
    layered = array.ndim == 4
    directions = [_vector(affine_lps[:3, axis]) for axis in range(3)]
    header = [
        "NRRD0004",
        f"type: {NRRD_TYPES[array.dtype.name]}",
        f"dimension: {array.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in array.shape[::-1])}",
        f"space directions: {' '.join(['none'] * layered + directions)}",
        f"kinds: {' '.join(['list'] * layered + ['domain'] * 3)}",
        "endian: little",
        f"encoding: {'gzip' if compressed else 'raw'}",
        f"space origin: {_vector(affine_lps[:3, 3])}",
        *(f"{key}:={value}" for key, value in fields.items()),
    ]
    with path.open("wb") as stream:
        stream.write(("\n".join(header) + "\n\n").encode())
        if not compressed:
            stream.write(array.data)
            return
        with _gzip_stream(stream) as zipped:
            zipped.write(array.data)


def write_mha(volume: Volume, path: Path) -> None:
    """Write MetaImage with its data, zlib-compressed, in one file."""
    array = storable(volume.array_kji)
    affine_lps = ras_to_lps(volume.affine_ras)
    directions = affine_lps[:3, :3] / np.array(volume.spacing_mm)
    content = zlib.compress(array.data, COMPRESSION_LEVEL)
    header = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(content)}",
        f"TransformMatrix = {_numbers(directions.T.ravel())}",
        f"Offset = {_numbers(affine_lps[:3, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {_numbers(volume.spacing_mm)}",
        f"DimSize = {' '.join(str(n) for n in volume.shape_ijk)}",
        f"ElementType = {_META_TYPES[array.dtype.name]}",
        "ElementDataFile = LOCAL",
    ]
    with path.open("wb") as stream:
        stream.write(("\n".join(header) + "\n").encode())
        stream.write(content)


def _gzip_stream(stream: IO[bytes]) -> gzip.GzipFile:
    """Compress without name and time, so that the same volume always gives the same bytes."""
    return gzip.GzipFile(
        filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=stream, mtime=0
    )


def _numbers(values: Any) -> str:
    return " ".join(repr(float(value)) for value in values)


def _vector(values: Any) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"
