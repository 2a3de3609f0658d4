"""TensorFlow's record files, without TensorFlow: the first `Example` of a file.

A record is length (uint64), checksum of the length (uint32), content, checksum of the content
(uint32), little-endian; checksums are masked CRC-32C (`data.crc32c`). The content is a protocol
buffer message::

    Example { Features features = 1 }        Features { map<string, Feature> feature = 1 }
    Feature { oneof: BytesList = 1, FloatList = 2, Int64List = 3 }, each with repeated value = 1
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.data.crc32c import masked_crc32c

_HEADER, _FOOTER_BYTES = struct.Struct("<QI"), 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_RECORD_BYTES = 2**30

_SIZES = {"data_vol": "dsize_dim", "label_vol": "lsize_dim"}
"""Names under which the SIFA release stores the sizes of its arrays. That of its labels says one
slice where three are stored."""

_SLICE_SHAPE = (256, 256, 3)
"""Shape of its arrays where no size is stored."""


@dataclass(frozen=True)
class Example:
    """The features of one record: bytes, or numbers."""

    path: Path
    features: dict[str, bytes | NDArray[Any]]

    def volume(self, name: str) -> NDArray[np.float32]:
        """Return the float32 array `name` in the shape that the record gives.

        Raises:
            InputFileError: There is no such array, or its size is another.
        """
        value = self.features.get(name)
        if value is None:
            raise _damaged(self.path, f"it has no {name!r}, but {', '.join(self.features)}")
        if isinstance(value, bytes):
            if len(value) % 4:
                raise _damaged(self.path, f"{name!r} has {len(value)} bytes, not whole numbers")
            value = np.frombuffer(value, "<f4")
        shape = next((s for s in self._shapes(name) if np.prod(s) == value.size), None)
        if shape is None:
            raise _damaged(self.path, f"{name!r} has {value.size} numbers, expected {_SLICE_SHAPE}")
        return value.astype(np.float32).reshape(shape)

    def _shapes(self, name: str) -> Iterator[tuple[int, ...]]:
        """Yield the array's own size, the image's (labels are stored in it, too), and the usual."""
        for prefix in (_SIZES.get(name, name), *_SIZES.values()):
            sizes = [self.features.get(f"{prefix}{axis}") for axis in range(3)]
            yield tuple(int(s[0]) for s in sizes if isinstance(s, np.ndarray) and s.size == 1)
        yield _SLICE_SHAPE


def read_example(path: Path, *, is_verified: bool = False) -> Example:
    """Read the first record of a file as an `Example`.

    Args:
        path: The file.
        is_verified: Whether the checksum of its content was compared already.

    Raises:
        InputFileError: The file is missing, truncated, damaged, or not of this kind.
    """
    try:
        with path.open("rb") as stream:
            header = stream.read(_HEADER.size)
            if len(header) < _HEADER.size:
                raise _damaged(path, "it is truncated")
            length, checksum = _HEADER.unpack(header)
            if masked_crc32c(header[:8]) != checksum or length > _MAX_RECORD_BYTES:
                raise _damaged(path, "it does not begin with a record")
            content = stream.read(length)
            footer = stream.read(_FOOTER_BYTES)
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from error
    if len(content) < length or len(footer) < _FOOTER_BYTES:
        raise _damaged(path, "it is truncated")
    if not is_verified and struct.pack("<I", masked_crc32c(content)) != footer:
        raise _damaged(path, "its content does not fit its checksum")
    try:
        return Example(path, dict(_features(content)))
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise _damaged(path, f"its record cannot be understood ({error})") from error


def _features(content: bytes) -> Iterator[tuple[str, bytes | NDArray[Any]]]:
    for _, features in _only(content, 1):
        for _, entry in _only(features, 1):
            parts = dict(_fields(entry))
            key, feature = parts.get(1), parts.get(2, b"")
            if isinstance(key, bytes) and isinstance(feature, bytes):
                yield key.decode(), _value(feature)


def _value(feature: bytes) -> bytes | NDArray[Any]:
    for kind, content in _fields(feature):
        if not isinstance(content, bytes):
            raise TypeError("a list is not a message")
        values = [value for number, value in _fields(content) if number == 1]
        if kind == 1:
            return b"".join(value for value in values if isinstance(value, bytes))
        if kind == 2:
            packed = b"".join(value for value in values if isinstance(value, bytes))
            return np.frombuffer(packed, "<f4")
        if kind == 3:
            return np.array(list(_integers(values)), dtype=np.int64)
    return np.zeros(0, np.float32)


def _integers(values: list[bytes | int]) -> Iterator[int]:
    """Yield integers, packed or not; negative ones are two's complement."""
    for value in values:
        if isinstance(value, int):
            yield _signed(value)
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield _signed(number)


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _only(content: bytes, wanted: int) -> Iterator[tuple[int, bytes]]:
    for number, value in _fields(content):
        if number == wanted and isinstance(value, bytes):
            yield number, value


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the number and value of each field of a message."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(content, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if size < 0 or at + size > len(content):
            raise ValueError(f"field {number} does not fit")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _damaged(path: Path, reason: str) -> InputFileError:
    return InputFileError(
        f"{path} is no usable TFRecord: {reason}.", hint="Download the file again."
    )
