"""Folders that appear and disappear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from CrossModalSegLib.core.errors import OutputExistsError, StorageError, storage_errors


def require_free(output: Path, marker: str, *, overwrite: bool) -> None:
    """Refuse an output that is there and must not be replaced. An empty folder is free.

    Args:
        output: The folder that is to be made.
        marker: A file that every folder of the same kind has; nothing else is ever replaced.
        overwrite: Whether a folder of the same kind may be replaced.

    Raises:
        OutputExistsError: It exists, and `overwrite` was not asked for.
        StorageError: It is something else, which is not overwritten.
    """
    is_empty_folder = output.is_dir() and not any(output.iterdir())
    if not output.exists() or is_empty_folder:
        return
    if not overwrite:
        raise OutputExistsError(output)
    if not (output / marker).is_file():
        raise StorageError(
            f"{output} exists and holds no {marker}: it is something else, which is not "
            "overwritten.",
            hint="Choose another output, or remove it yourself.",
        )


@contextmanager
def replacing_folder(output: Path) -> Iterator[Path]:
    """Yield a new folder beside `output` that takes its place when the block succeeds.

    When the block fails the new folder is removed and what was at `output` stays.

    Raises:
        StorageError: The disk is full or not writable.
    """
    output = output.absolute()
    mark = uuid4().hex[:8]
    temporary = output.with_name(f".{output.name}.{mark}.partial")
    try:
        with storage_errors(output):
            temporary.mkdir(parents=True)
        yield temporary
        with storage_errors(output):
            swap_folders(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def swap_folders(temporary: Path, output: Path) -> None:
    """Put `temporary` in the place of `output`, and remove what was there.

    Raises:
        OSError: It is not possible; what was there stays.
    """
    replaced = output.with_name(f".{output.name}.{uuid4().hex[:8]}.replaced")
    try:
        _swap(temporary, output, replaced)
    finally:
        if output.exists():
            shutil.rmtree(replaced, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; it is gone at once, however long that takes.

    Raises:
        StorageError: It is not ours to remove; all of it stays.
    """
    doomed = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.deleted")
    with storage_errors(folder):
        folder.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _swap(temporary: Path, output: Path, replaced: Path) -> None:
    """Put `temporary` in the place of `output`; a failure brings the old folder back."""
    try:
        if output.exists():
            output.replace(replaced)
        temporary.replace(output)
    except BaseException:
        if replaced.exists() and not output.exists():
            replaced.replace(output)
        raise
