"""The bundles that a user has: those that ship with the program and those in the user's folder."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from CrossModalSegLib.bundle.packing import copy_bundle
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig, require_bundle_name
from CrossModalSegLib.core.errors import BundleError, ConfigError, UnknownNameError
from CrossModalSegLib.data.output_folders import remove_folder

HOME_VARIABLE = "CROSSMODALSEG_HOME"
"""Environment variable with the folder of everything that the program keeps for a user."""


@dataclass(frozen=True, kw_only=True)
class LibraryEntry:
    """One bundle of a library.

    Attributes:
        name: Unique in the library.
        path: Its folder.
        origin: Whether it ships with the program or is the user's.
        num_bytes: Size on the disk.
        config: What it says; None if it cannot be used.
        problem: Why it cannot be used, or "".
    """

    name: str
    path: Path
    origin: Literal["shipped", "user"]
    num_bytes: int
    config: BundleConfig | None = None
    problem: str = ""


class ModelLibrary:
    """Lists, finds, imports, exports and deletes bundles by name.

    Args:
        folder: The user's bundles, one folder each; by default below `user_folder()`.
        shipped: Bundles that are never changed; by default those of this package.
    """

    def __init__(self, folder: Path | None = None, shipped: Path | None = None) -> None:
        self.folder = user_folder() / "models" if folder is None else folder
        self.shipped = _shipped_folder() if shipped is None else shipped

    def entries(self) -> list[LibraryEntry]:
        """Return all bundles by name, unusable ones with the reason."""
        shipped = [_describe(path, "shipped") for path in _bundle_folders(self.shipped)]
        own = [_describe(path, "user") for path in _bundle_folders(self.folder)]
        return sorted([*shipped, *own], key=lambda entry: (entry.name, entry.origin))

    @property
    def num_bytes(self) -> int:
        """Size of the user's bundles on the disk."""
        return sum(_size(path) for path in _bundle_folders(self.folder))

    def open(self, name_or_path: str | Path) -> Bundle:
        """Read a bundle of the library by name, or any bundle by path.

        Raises:
            UnknownNameError: There is neither a bundle of that name nor a file.
            BundleError: It cannot be used.
        """
        name = str(name_or_path)
        path = self._find(name) or (Path(name) if _is_there(name) else None)
        if path is None:
            raise self._unknown(name)
        return read_bundle(path)

    def import_bundle(
        self, source: Path | str, *, name: str = "", overwrite: bool = False
    ) -> LibraryEntry:
        """Check a bundle and copy it into the user's folder.

        Args:
            source: Folder or zip.
            name: Name in the library; by default the bundle's own.
            overwrite: Whether a bundle of that name may be replaced.

        Raises:
            BundleError: It cannot be used, or a bundle that ships has its name.
            ConfigError: The name is no name.
            OutputExistsError: There is one of that name and `overwrite` is False.
            StorageError: The disk is full or not writable.
        """
        bundle = read_bundle(source)
        name = name or bundle.config.name
        require_bundle_name(name)
        if (self.shipped / name).exists():
            raise BundleError(
                f"A model named {name!r} ships with the program.",
                hint="Import the bundle under another name (--name).",
            )
        copy_bundle(bundle, self.folder / name, overwrite=overwrite)
        return _describe(self.folder / name, "user")

    def export(self, name: str, output: Path | str, *, overwrite: bool = False) -> None:
        """Copy a bundle out of the library, to a folder or a file that ends in .zip.

        Raises:
            UnknownNameError: There is no bundle of that name.
            BundleError: It cannot be used.
            OutputExistsError: The output is there and `overwrite` is False.
            StorageError: The disk is full or not writable.
        """
        copy_bundle(read_bundle(self._require(name)), Path(output), overwrite=overwrite)

    def delete(self, name: str) -> None:
        """Remove one of the user's bundles; nothing outside the user's folder is ever removed.

        Raises:
            UnknownNameError: There is no bundle of that name.
            BundleError: It ships with the program, or is a link to somewhere else.
            StorageError: It is not ours to remove.
        """
        path = self._require(name)
        if path.parent != self.folder:
            raise BundleError(
                f"The model {name!r} ships with the program and cannot be deleted.",
                hint="Only imported models can be.",
            )
        if path.is_symlink() or path.resolve().parent != self.folder.resolve():
            raise BundleError(
                f"{path} is a link to {path.resolve()}, outside the library.",
                hint="Remove the link yourself.",
            )
        remove_folder(path)

    def _names(self) -> list[str]:
        return [p.name for f in (self.shipped, self.folder) for p in _bundle_folders(f)]

    def _find(self, name: str) -> Path | None:
        if not _is_name(name):
            return None
        places = (self.shipped / name, self.folder / name)
        return next((path for path in places if path.is_dir()), None)

    def _require(self, name: str) -> Path:
        path = self._find(name)
        if path is None:
            raise self._unknown(name)
        return path

    def _unknown(self, name: str) -> UnknownNameError:
        names = self._names()
        error = UnknownNameError("model", name, names)
        if not names:
            error.hint = "There are no models yet; import one, or give the path of a bundle."
        return error


def user_folder() -> Path:
    """Return the folder of what the program keeps for a user; it need not exist.

    `CROSSMODALSEG_HOME` if set, else the place that the operating system has for such data.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "CrossModalSeg"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "CrossModalSeg"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "crossmodalseg"


def _shipped_folder() -> Path:
    return Path(str(resources.files("CrossModalSegLib") / "pretrained"))


def _bundle_folders(folder: Path) -> list[Path]:
    """Return the folders in a library that have the name of a bundle."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and _is_name(path.name))


def _is_there(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except OSError:  # no name that this system takes
        return False


def _is_name(name: str) -> bool:
    try:
        require_bundle_name(name)
    except ConfigError:
        return False
    return True


def _describe(path: Path, origin: Literal["shipped", "user"]) -> LibraryEntry:
    config, problem = None, ""
    try:
        config = read_bundle(path).config
    except BundleError as error:
        problem = str(error)
    return LibraryEntry(
        name=path.name,
        path=path,
        origin=origin,
        num_bytes=_size(path),
        config=config,
        problem=problem,
    )


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)
