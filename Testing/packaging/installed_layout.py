"""Where Slicer puts the extension's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copyfile
from typing import Any

from Testing.packaging.list_installed_files import MODULE_FOLDERS, ROOT, files_to_install

SCRIPTED_MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")

Probe = Callable[[Path, Sequence[str]], dict[str, Any]]
"""Imports modules out of a folder and returns the report of start_up_probe.py."""


def destinations() -> dict[Path, Path]:
    """Return what belongs into the package: destination -> file of the tree.

    The module's files lie in the folder of all scripted modules, the library's in one of their own.
    """
    return {
        SCRIPTED_MODULES / ("" if folder == "CrossModalSeg" else folder) / file: ROOT
        / folder
        / file
        for folder in MODULE_FOLDERS
        for file in files_to_install(ROOT / folder)
    }


def lay_out(files: dict[Path, Path], root: Path) -> Path:
    """Copy files to their destinations below a folder; return the folder that holds the modules."""
    for destination, source in files.items():
        (root / destination).parent.mkdir(parents=True, exist_ok=True)
        copyfile(source, root / destination)
    return root / SCRIPTED_MODULES
