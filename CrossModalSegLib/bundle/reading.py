"""Reading a bundle: strict, bounded, without torch and without executing anything."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from CrossModalSegLib.bundle.archive import (
    CONFIG_FILE,
    METADATA_FILE,
    WEIGHTS_FILE,
    Archive,
    damaged,
    open_archive,
    require_bundle_files,
)
from CrossModalSegLib.bundle.metadata import BundleMetadata
from CrossModalSegLib.bundle.schema import BUNDLE_VERSION, BundleConfig
from CrossModalSegLib.core.config import from_dict, parse_json
from CrossModalSegLib.core.errors import BundleError, ConfigError

T = TypeVar("T")

MAX_HEADER_BYTES = 16 * 2**20
"""Of a safetensors file; ours have a few hundred bytes a layer."""

_LENGTH_BYTES = 8
_PICKLE_STARTS = (b"PK\x03\x04", b"\x80")
"""Of files that PyTorch saves: a zip of pickles, a pickle."""

_HEADER_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a header of another shape than expected leads to."""


class Bundle:
    """A model package whose description was read and checked; its weights were not read yet.

    Attributes:
        path: The folder or zip.
        config: What prediction goes by.
        metadata: The same in MONAI's words.
    """

    def __init__(self, archive: Archive, config: BundleConfig, metadata: BundleMetadata) -> None:
        self.path = archive.path
        self.config = config
        self.metadata = metadata
        self._archive = archive

    @property
    def num_bytes(self) -> int:
        """Size of all files, unpacked."""
        return sum(self._archive.sizes.values())

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of description and weights: the same as a folder and as a zip."""
        digest = hashlib.sha256()
        for name in (CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE):
            content = self._archive.read(name)
            digest.update(f"{name}:{len(content)}:".encode())
            digest.update(content)
        return digest.hexdigest()

    def read_weights(self) -> bytes:
        """Return the weights file.

        Raises:
            BundleError: It is gone or damaged.
        """
        return self._archive.read(WEIGHTS_FILE)

    def read_files(self) -> dict[str, bytes]:
        """Return every file by name, to copy the bundle.

        Raises:
            BundleError: One is gone or damaged.
        """
        return {name: self._archive.read(name) for name in self._archive.sizes}


def read_bundle(path: Path | str) -> Bundle:
    """Read and check a bundle's description, and that its weights file is whole.

    Args:
        path: Folder or zip.

    Raises:
        BundleError: It is missing, damaged, of another program or version, or dangerous.
    """
    archive = open_archive(Path(path))
    require_bundle_files(archive)
    config = _read_description(archive, CONFIG_FILE, BundleConfig)
    metadata = _read_description(archive, METADATA_FILE, BundleMetadata)
    _check_weights_file(archive)
    return Bundle(archive, config, metadata)


def _read_description(archive: Archive, name: str, cls: type[T]) -> T:
    where = f"{archive.path}: {name}"
    try:
        content = parse_json(archive.read(name).decode("utf-8"), where)
        if cls is BundleConfig:
            _require_version(content, where)
        _require_finite(content, where)
        return from_dict(cls, content, where)
    except UnicodeDecodeError as error:
        raise damaged(archive.path, f"{name} is not UTF-8 text") from error
    except ConfigError as error:
        hint = error.hint or "The bundle is damaged or foreign; get it again."
        raise BundleError(_located(error.message, where), hint=hint) from error


def _located(message: str, where: str) -> str:
    return message if where in message else f"{where}: {message}"


def _require_version(content: dict[str, Any], where: str) -> None:
    version = content.get("v")
    if version != BUNDLE_VERSION:
        raise ConfigError(
            f"{where} has version {version!r}, expected {BUNDLE_VERSION}.",
            hint="Use the version of this program that wrote the bundle, or a newer one.",
        )


def _require_finite(content: Any, where: str) -> None:
    """Refuse numbers like 1e999, which become infinite when read."""
    pending = [content]
    while pending:
        value = pending.pop()
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where} holds a number that is too large.")
        if isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value


def _check_weights_file(archive: Archive) -> None:
    """Refuse a weights file that is truncated or not safetensors, by its header.

    Format: https://huggingface.co/docs/safetensors: the header's length in 8 bytes, a JSON header,
    then the tensors without gaps.
    """
    path, size = archive.path, archive.sizes[WEIGHTS_FILE]
    start = archive.read(WEIGHTS_FILE, _LENGTH_BYTES)
    length = int.from_bytes(start, "little")
    if start.startswith(_PICKLE_STARTS):
        raise BundleError(
            f"{path} was refused: {WEIGHTS_FILE} is a PyTorch file (pickle) under another name, "
            "which can run code when it is loaded; expected safetensors.",
            hint="Do not use it; ask whoever made it for weights in safetensors.",
        )
    if len(start) < _LENGTH_BYTES or length > min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
        raise damaged(path, f"{WEIGHTS_FILE} is truncated or no safetensors file")
    header = archive.read(WEIGHTS_FILE, _LENGTH_BYTES + length)[_LENGTH_BYTES:]
    try:
        content = json.loads(header)
        ends = [
            int(entry["data_offsets"][1]) for key, entry in content.items() if key != "__metadata__"
        ]
    except _HEADER_ERRORS as error:
        raise damaged(path, f"{WEIGHTS_FILE} has no readable header") from error
    expected = _LENGTH_BYTES + length + max(ends, default=0)
    if size != expected:
        raise damaged(path, f"{WEIGHTS_FILE} has {size} bytes, expected {expected}")
