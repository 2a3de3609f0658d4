"""Writing the files of a bundle: whole or not at all, as a folder or as a zip."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from CrossModalSegLib.bundle.archive import CONFIG_FILE, WEIGHTS_FILE
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.errors import OutputExistsError, storage_errors
from CrossModalSegLib.data.output_folders import replacing_folder, require_free

ZIP_SUFFIX = ".zip"

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
"""The same content gives the same zip, whenever it is made."""


def copy_bundle(bundle: Bundle, output: Path, *, overwrite: bool = False) -> None:
    """Copy a bundle byte by byte, from folder or zip to folder or zip.

    Raises:
        BundleError: The bundle is damaged.
        OutputExistsError: The output is there and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    require_free_output(output, overwrite=overwrite)
    pack_files(bundle.read_files(), output, bundle.config.name, overwrite=overwrite)


def pack_files(
    files: Mapping[str, bytes], output: Path, name: str, *, overwrite: bool = False
) -> None:
    """Write files by their names inside the bundle.

    Args:
        files: Content by name, separated by "/".
        output: A folder, or a file that ends in .zip.
        name: Folder inside the zip, as MONAI's specification asks for.
        overwrite: Whether a bundle that is there may be replaced.

    Raises:
        OutputExistsError: The output is there and `overwrite` is False.
        StorageError: The disk is full or not writable, or the output is something else.
    """
    require_free_output(output, overwrite=overwrite)
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    if is_zip_name(output):
        with atomic_write(output) as temporary:
            _write_zip(files, temporary, name)
        return
    with replacing_folder(output) as folder:
        for inner, content in files.items():
            path = folder / inner
            with storage_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as temporary:
                temporary.write_bytes(content)


def require_free_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that is there and must not be replaced.

    Raises:
        OutputExistsError: It exists, and `overwrite` was not asked for.
        StorageError: It is something else than a bundle, which is not overwritten.
    """
    if is_zip_name(output) and not output.is_dir():
        if output.exists() and not overwrite:
            raise OutputExistsError(output)
        return
    require_free(output, CONFIG_FILE, overwrite=overwrite)


def is_zip_name(output: Path) -> bool:
    """Tell whether a bundle of that name is a zip."""
    return output.suffix.lower() == ZIP_SUFFIX


def _write_zip(files: Mapping[str, bytes], path: Path, name: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for inner, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{name}/{inner}", date_time=_TIMESTAMP)
            entry.create_system = 3  # Unix: the same zip on every system
            entry.external_attr = 0o100644 << 16
            stored = inner == WEIGHTS_FILE  # weights hardly shrink
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
