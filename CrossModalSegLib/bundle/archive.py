"""The files of a folder or zip that nobody vouches for: listed, checked, bounded; nothing is run.

Every name and size is checked before any content is read. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from CrossModalSegLib.core.errors import BundleError

METADATA_FILE = "configs/metadata.json"
CONFIG_FILE = "configs/config.json"
WEIGHTS_FILE = "models/model.safetensors"
README_FILE = "docs/README.md"
LICENCE_FILE = "LICENSE"

MAX_FILES = 64
MAX_JSON_BYTES = 4 * 2**20
MAX_DOCUMENT_BYTES = 16 * 2**20
MAX_WEIGHTS_BYTES = 2 * 2**30
MAX_TOTAL_BYTES = MAX_WEIGHTS_BYTES + 64 * 2**20

MAX_LIST_BYTES = 2**20
"""Of the list of files in a zip."""

MAX_RATIO, RATIO_APPLIES_FROM_BYTES = 200, 2**20
"""Trained weights hardly shrink; what shrinks more than this was made to swell."""

_END_BYTES = 22
_MAX_END_BYTES = 2**16 + _END_BYTES + 20
"""Of the record that ends a zip, with the longest comment and what precedes it in zip64."""

_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
"""What every zip program writes and every Python reads."""

_DOCUMENT = re.compile(r"LICENSE|docs/[^/]+\.(md|txt|png)")
_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
_MAC_FORKS = "__macosx/"

_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


class Archive(ABC):
    """The files of a bundle by their names inside it.

    Attributes:
        path: The folder or zip.
        sizes: Bytes of each file by name, separated by "/".
    """

    def __init__(self, path: Path, sizes: Mapping[str, int]) -> None:
        self.path = path
        self.sizes = sizes
        _require_sizes(path, sizes)

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open one file for reading."""

    def read(self, name: str, count: int | None = None) -> bytes:
        """Return a file's content, or its first `count` bytes.

        Raises:
            BundleError: The file cannot be read, is damaged, or is not as long as was listed.
        """
        expected = self.sizes[name] if count is None else min(count, self.sizes[name])
        with _readable(self.path, name), self.open(name) as stream:
            content = stream.read(expected)
            is_longer = count is None and stream.read(1) != b""  # the end checks a zip's checksum
        if len(content) != expected or is_longer:
            raise damaged(self.path, f"{name} is not as long as it says")
        return content


class FolderArchive(Archive):
    """A bundle as a folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, dict(_walk(path)))

    def open(self, name: str) -> IO[bytes]:
        """Open one file for reading; links that came in since the listing are not followed."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.path / name, flags), "rb")


class ZipArchive(Archive):
    """A bundle as a zip, with or without one folder around everything, as MONAI packs it."""

    def __init__(self, path: Path) -> None:
        if path.stat().st_size > MAX_TOTAL_BYTES:
            raise dangerous(path, f"it has more than {MAX_TOTAL_BYTES} bytes")
        _require_short_list(path)
        with _readable(path, "the list of its files"), zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if _is_wanted(path, entry)]
        prefix = _common_folder([entry.filename for entry in entries])
        _require_distinct(path, [entry.filename for entry in entries])
        super().__init__(path, {e.filename.removeprefix(prefix): e.file_size for e in entries})
        self._prefix = prefix

    def open(self, name: str) -> IO[bytes]:
        """Open one file for reading."""
        with zipfile.ZipFile(self.path) as archive:  # the stream keeps the file open by itself
            return archive.open(self._prefix + name)


def open_archive(path: Path) -> Archive:
    """List the files of a bundle.

    Raises:
        BundleError: There is nothing, it is neither a folder nor a zip, or it holds names, links
            or sizes that no bundle has.
    """
    if path.is_dir():
        return FolderArchive(path)
    if not path.is_file():
        raise BundleError(
            f"There is no bundle at {path}.", hint="Give a bundle's folder or its .zip file."
        )
    with _readable(path, "the file"):
        is_zip = zipfile.is_zipfile(path)
    if not is_zip:
        raise BundleError(
            f"{path} is no bundle, expected a folder or a zip with {CONFIG_FILE}.",
            hint="If it was downloaded, download it again; checkpoints of training runs (.ckpt) "
            "and PyTorch files (.pt) are no bundles.",
        )
    return ZipArchive(path)


def require_bundle_files(archive: Archive) -> None:
    """Refuse archives that lack a part of our bundles, or hold what is none.

    Raises:
        BundleError: It is no bundle, one of another program, or has unexpected files.
    """
    names = set(archive.sizes)
    if METADATA_FILE in names and CONFIG_FILE not in names:
        raise BundleError(
            f"{archive.path} is a MONAI bundle of another program: it has no {CONFIG_FILE}.",
            hint="Only bundles that CrossModalSeg wrote can be used; run this one with MONAI.",
        )
    missing = sorted({METADATA_FILE, CONFIG_FILE, WEIGHTS_FILE} - names)
    if missing:
        raise BundleError(
            f"{archive.path} is no complete bundle: {', '.join(missing)} missing.",
            hint="Give the folder or zip that training or `models export` wrote.",
        )
    unexpected = sorted(name for name in names if _limit(name) is None)
    if unexpected:
        raise dangerous(archive.path, f"it holds {', '.join(unexpected[:5])}, expected no such")


def damaged(path: Path, reason: str) -> BundleError:
    """Return the error for a bundle that was not copied whole."""
    return BundleError(f"{path} is damaged: {reason}.", hint="Get the bundle again.")


def dangerous(path: Path, reason: str) -> BundleError:
    """Return the error for a bundle that no honest program writes."""
    return BundleError(
        f"{path} was refused: {reason} in a bundle.", hint="Do not use it; ask whoever made it."
    )


def _limit(name: str) -> int | None:
    """Return the most bytes that a file of that name may have; None if there is no such file."""
    if name == WEIGHTS_FILE:
        return MAX_WEIGHTS_BYTES
    if name in {METADATA_FILE, CONFIG_FILE}:
        return MAX_JSON_BYTES
    return MAX_DOCUMENT_BYTES if _DOCUMENT.fullmatch(name) else None


def _require_sizes(path: Path, sizes: Mapping[str, int]) -> None:
    if len(sizes) > MAX_FILES:
        raise dangerous(path, f"it holds {len(sizes)} files, expected at most {MAX_FILES}")
    for name, size in sizes.items():
        limit = _limit(name)
        if limit is not None and size > limit:
            raise dangerous(path, f"{name} has {size} bytes, expected at most {limit}")
    if sum(sizes.values()) > MAX_TOTAL_BYTES:
        raise dangerous(path, f"its files have more than {MAX_TOTAL_BYTES} bytes together")


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield name and size of each file below `folder`; refuse links and special files."""
    pending, count = [folder], 0
    while pending:
        with _readable(folder, "the list of its files"):
            found = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
            entries = [(entry, entry.stat(follow_symlinks=False)) for entry in found]
        for entry, status in entries:
            count += 1
            name = Path(entry.path).relative_to(folder).as_posix()
            if count > 2 * MAX_FILES:
                raise dangerous(folder, f"it holds more than {2 * MAX_FILES} files and folders")
            if entry.is_symlink() or _is_junction(Path(entry.path)):
                raise dangerous(folder, f"{name} is a link, expected no links")
            if stat.S_ISDIR(status.st_mode):
                pending.append(Path(entry.path))
            elif not stat.S_ISREG(status.st_mode):
                raise dangerous(folder, f"{name} is a special file, expected none")
            elif entry.name.lower() not in _LITTER:
                yield name, status.st_size


def _is_junction(path: Path) -> bool:
    """Tell whether a folder is a Windows junction (known to Python 3.12 and later)."""
    return bool(getattr(path, "is_junction", lambda: False)())


def _require_short_list(path: Path) -> None:
    """Refuse a zip whose list of files would fill the memory: it is read as a whole.

    Its length stands in the record that ends a zip (APPNOTE 4.3.16).
    """
    with _readable(path, "its end"), path.open("rb") as stream:
        stream.seek(-min(path.stat().st_size, _MAX_END_BYTES), os.SEEK_END)
        tail = stream.read()
    end = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END_BYTES + 4)
    length = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    has_large_form = end >= 20 and tail[end - 20 : end - 16] == b"PK\x06\x07"  # zip64
    if length > MAX_LIST_BYTES or has_large_form:
        raise dangerous(path, f"its list of files is made for more than {MAX_LIST_BYTES} bytes")


def _is_wanted(path: Path, entry: zipfile.ZipInfo) -> bool:
    """Tell whether an entry of a zip is a file of ours; refuse what no bundle has."""
    _require_safe_name(path, entry.orig_filename)
    _require_plain(path, entry)
    is_litter = entry.filename.rpartition("/")[2].lower() in _LITTER
    is_fork = entry.filename.lower().startswith(_MAC_FORKS)
    return not (entry.is_dir() or is_litter or is_fork)


def _require_plain(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse links, and files that are packed in a way that hides what they are."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise dangerous(path, f"{entry.filename} is a link, expected no links")
    if entry.flag_bits & 0x1:
        raise dangerous(path, f"{entry.filename} is encrypted, expected no encryption")
    if entry.compress_type not in _COMPRESSIONS:
        raise dangerous(
            path,
            f"{entry.filename} is compressed by method {entry.compress_type}, expected none "
            "or deflate",
        )
    swells = entry.file_size > MAX_RATIO * max(1, entry.compress_size)
    if swells and entry.file_size > RATIO_APPLIES_FROM_BYTES:
        raise dangerous(
            path, f"{entry.filename} swells from {entry.compress_size} to {entry.file_size} bytes"
        )


def _require_safe_name(path: Path, name: str) -> None:
    """Refuse names that would lead out of the bundle, on any system."""
    parts = name.removesuffix("/").split("/")
    is_plain = name.isprintable() and not set(name) & set('\\:*?"<>|')
    if not is_plain or not {"", ".", ".."}.isdisjoint(parts):
        raise dangerous(path, f"it holds a file named {name!r}, expected no such paths")


def _require_distinct(path: Path, names: Iterable[str]) -> None:
    """Refuse the same name twice, capitals aside: systems differ in which one they take."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise dangerous(path, f"it holds {name} twice, expected once")
        seen.add(name.casefold())


def _common_folder(names: list[str]) -> str:
    """Return "folder/" if everything lies in one folder that is not part of a bundle itself."""
    tops = {name.partition("/")[0] for name in names}
    has_folders = all("/" in name for name in names)
    if len(tops) != 1 or not has_folders or tops <= {"configs", "models", "docs"}:
        return ""
    return f"{tops.pop()}/"


@contextmanager
def _readable(path: Path, what: str) -> Iterator[None]:
    """Turn every way in which a file can fail to be read into one error."""
    try:
        yield
    except _ZIP_ERRORS as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise damaged(path, f"{what} cannot be read ({reason})") from error
