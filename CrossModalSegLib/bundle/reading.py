"""Reading bundles. Nothing in them is executed, and nothing outside them is touched."""

from __future__ import annotations

import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from CrossModalSegLib.bundle.schema import (
    BUNDLE_VERSION,
    CARD_FILE,
    CONFIG_FILE,
    LICENSE_FILE,
    METADATA_FILE,
    REQUIRED_FILES,
    WEIGHTS_FILE,
    BundleConfig,
)
from CrossModalSegLib.core.config import from_dict, parse_json
from CrossModalSegLib.core.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

MAX_TEXT_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_FILES = 64

ALLOWED_SUFFIXES = (".json", ".safetensors", ".md", ".txt", ".toml", ".png", ".svg", ".csv")
ALLOWED_FILES = (LICENSE_FILE,)

_HINT = "Export the model again, or get it from where it was published."


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked; its weights are still on the disk.

    Attributes:
        path: Folder or zip file.
        config: `configs/config.json`.
        metadata: `configs/metadata.json`, with MONAI's keys.
        size_bytes: Of all files, unpacked.
    """

    path: Path
    config: BundleConfig
    metadata: dict[str, Any]
    size_bytes: int

    def read_text(self, name: str) -> str:
        """Return a text file of the bundle, or "" if it has none of that name.

        Raises:
            BundleError: The file is too large or not UTF-8.
        """
        files = _open(self.path)
        return _text(files, name) if name in files.sizes else ""

    @property
    def card(self) -> str:
        """The documentation in Markdown."""
        return self.read_text(CARD_FILE)

    def read_weights(self) -> dict[str, Tensor]:
        """Return the weights of the deployed networks.

        Raises:
            BundleError: The file is damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return load(_open(self.path).read(WEIGHTS_FILE))
        except (SafetensorError, ValueError, zipfile.BadZipFile) as error:
            raise _refused(self.path, f"{WEIGHTS_FILE} is damaged: {error}") from error


@dataclass(frozen=True)
class _Files:
    """The files of a folder or an archive, checked by name and size before any is read."""

    path: Path
    sizes: dict[str, int]

    def read(self, name: str) -> bytes:
        if self.path.is_dir():
            return (self.path / name).read_bytes()
        with zipfile.ZipFile(self.path) as archive, archive.open(name) as stream:
            content = stream.read(self.sizes[name] + 1)
        if len(content) != self.sizes[name]:
            raise _refused(self.path, f"{name} is not as large as the archive says")
        return content


def read_bundle(path: Path) -> Bundle:
    """Read a bundle's texts and check all its files.

    Args:
        path: A folder, or a zip file of one.

    Raises:
        BundleError: It is missing, damaged, foreign, of another version, or holds anything that a
            bundle must not hold.
    """
    files = _open(path)
    missing = [name for name in REQUIRED_FILES if name not in files.sizes]
    if missing:
        raise _refused(path, f"it lacks {', '.join(missing)}")
    try:
        content = parse_json(_text(files, CONFIG_FILE), CONFIG_FILE)
        if content.get("v") != BUNDLE_VERSION:
            raise _refused(
                path, f"its format has version {content.get('v')!r}, expected {BUNDLE_VERSION}"
            )
        config = from_dict(BundleConfig, content, CONFIG_FILE)
        metadata = parse_json(_text(files, METADATA_FILE), METADATA_FILE)
    except ConfigError as error:
        raise _refused(path, str(error)) from error
    return Bundle(path, config, metadata, sum(files.sizes.values()))


def unpack_bundle(path: Path, folder: Path) -> None:
    """Copy the checked files of a bundle, and nothing else, into an existing folder.

    Raises:
        BundleError: See `read_bundle`.
    """
    read_bundle(path)
    files = _open(path)
    for name in files.sizes:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files.read(name))


def _open(path: Path) -> _Files:
    if path.is_dir():
        sizes = _folder_sizes(path)
    elif path.is_file():
        sizes = _archive_sizes(path)
    else:
        raise _refused(path, "there is no such file or folder")
    if len(sizes) > MAX_FILES:
        raise _refused(path, f"it holds {len(sizes)} files, expected at most {MAX_FILES}")
    for name, size in sizes.items():
        _check_file(path, name, size)
    return _Files(path, sizes)


def _folder_sizes(path: Path) -> dict[str, int]:
    sizes = {}
    for entry in path.rglob("*"):
        if entry.is_symlink():
            raise _refused(path, f"{entry.name} is a link")
        if entry.is_file():
            sizes[entry.relative_to(path).as_posix()] = entry.stat().st_size
    return sizes


def _archive_sizes(path: Path) -> dict[str, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise _refused(path, f"it is no zip file: {error}") from error
    sizes: dict[str, int] = {}
    for entry in entries:
        if entry.filename in sizes:
            raise _refused(path, f"{entry.filename!r} is in it twice")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _refused(path, f"{entry.filename!r} is a link")
        if entry.flag_bits & 0x1:
            raise _refused(path, f"{entry.filename!r} is encrypted")
        sizes[entry.filename] = entry.file_size
    return sizes


def _check_file(path: Path, name: str, size: int) -> None:
    """Refuse names that lead outside, kinds that could be executed, and sizes that are no model."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or ":" in name:
        raise _refused(path, f"{name!r} lies outside the bundle")
    if name not in ALLOWED_FILES and pure.suffix.lower() not in ALLOWED_SUFFIXES:
        raise _refused(path, f"{name!r} is not a kind of file that a bundle holds")
    limit = MAX_WEIGHTS_BYTES if name == WEIGHTS_FILE else MAX_TEXT_BYTES
    if size > limit:
        raise _refused(path, f"{name!r} has {size} bytes, expected at most {limit}")


def _text(files: _Files, name: str) -> str:
    try:
        return files.read(name).decode("utf-8")
    except (UnicodeDecodeError, zipfile.BadZipFile, OSError) as error:
        raise _refused(files.path, f"{name} cannot be read: {error}") from error


def _refused(path: Path, reason: str) -> BundleError:
    return BundleError(f"{path} is not a usable model bundle: {reason}.", hint=_HINT)
