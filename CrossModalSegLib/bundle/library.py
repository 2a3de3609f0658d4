"""Where models live on this computer: a user folder, shared by all versions of Slicer."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from CrossModalSegLib.bundle.reading import Bundle, read_bundle, unpack_bundle
from CrossModalSegLib.bundle.schema import CONFIG_FILE
from CrossModalSegLib.bundle.writing import zip_bundle
from CrossModalSegLib.core.errors import BundleError, UnknownNameError
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.output_folders import replacing_folder, require_free

HOME_VARIABLE = "CROSSMODALSEG_HOME"


def user_folder() -> Path:
    """Return the folder of everything that is kept for this user.

    `CROSSMODALSEG_HOME` overrides the platform's usual place.
    """
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "CrossModalSeg"


class ModelLibrary:
    """The bundles of a user, by name."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_folder() / "models"

    def names(self) -> list[str]:
        """Return the names of all models, whether they can be read or not."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and p.name[0] != ".")

    def open(self, name_or_path: str) -> Bundle:
        """Return a model by name, or a bundle anywhere by its path.

        Raises:
            UnknownNameError: There is neither such a model nor such a path.
            BundleError: The bundle cannot be used.
        """
        if name_or_path in self.names():
            return read_bundle(self.folder / name_or_path)
        if Path(name_or_path).exists():
            return read_bundle(Path(name_or_path))
        raise UnknownNameError("model", name_or_path, [*self.names(), "PATH"])

    def add(self, path: Path, name: str = "", *, overwrite: bool = False) -> str:
        """Copy a bundle, folder or zip, into the library.

        Returns:
            The name under which it is known.

        Raises:
            BundleError: It is damaged, foreign or dangerous; nothing is copied.
            OutputExistsError: There is a model of that name.
        """
        bundle = read_bundle(path)
        name = safe_case_id(name or bundle.config.name)
        target = self.folder / name
        require_free(target, CONFIG_FILE, overwrite=overwrite)
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing_folder(target) as partial:
            unpack_bundle(path, partial)
        return name

    def export(self, name: str, archive: Path, *, overwrite: bool = False) -> None:
        """Pack a model into a zip file that `add` reads anywhere.

        Raises:
            UnknownNameError: There is no such model.
            OutputExistsError: `archive` exists.
        """
        zip_bundle(self._existing(name), archive, overwrite=overwrite)

    def remove(self, name: str) -> None:
        """Delete a model.

        Raises:
            UnknownNameError: There is no such model.
            BundleError: The folder of that name is no bundle.
        """
        folder = self._existing(name)
        if not (folder / CONFIG_FILE).is_file():
            raise BundleError(
                f"{folder} is not a model bundle, so it is not deleted.", hint="Remove it yourself."
            )
        shutil.rmtree(folder)

    def size_bytes(self, name: str) -> int:
        """Return how much of the disk a model takes."""
        return sum(p.stat().st_size for p in self._existing(name).rglob("*") if p.is_file())

    def _existing(self, name: str) -> Path:
        if name not in self.names():
            raise UnknownNameError("model", name, self.names())
        return self.folder / name
