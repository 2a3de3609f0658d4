"""Errors that users can cause, with what was got, what was expected and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class CrossModalSegError(Exception):
    """Base of every error that the library raises on purpose.

    Args:
        message: What was got and what was expected.
        hint: What to do about it.
    """

    kind: ClassVar[str] = "error"
    """Stable name of the error in events (CONTRACTS: Events)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return message and hint in one line."""
        return f"{self.message} {self.hint}".strip()


class InputFileError(CrossModalSegError):
    """A file is missing, damaged or not the kind of image that was expected."""

    kind = "input_file"


class GeometryError(CrossModalSegError):
    """Grids do not fit together or cannot be represented."""

    kind = "geometry"


class LabelError(CrossModalSegError):
    """A label map holds values that the task does not know, or labels are missing."""

    kind = "label"


class ConfigError(CrossModalSegError):
    """A configuration has an unknown key or a value of the wrong type."""

    kind = "config"


class UnknownNameError(ConfigError):
    """A name is not in a registry.

    Args:
        what: The kind of thing, e.g. "method".
        name: The name that was given.
        known: The names that exist.
    """

    kind = "unknown_name"

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"No {what} {name!r}.", hint=suggestion(name, names))


class CohortError(CrossModalSegError):
    """A cohort folder, or the data from which one is made, is not usable."""

    kind = "cohort"


class LeakageError(CrossModalSegError):
    """The same subject is in two places that must not share subjects."""

    kind = "leakage"


class RunError(CrossModalSegError):
    """A training run's folder is not usable for what was asked."""

    kind = "run"


class BundleError(CrossModalSegError):
    """A model bundle is damaged, foreign or dangerous."""

    kind = "bundle"


class MismatchError(CrossModalSegError):
    """A bundle is used on another task or modality than it was made for."""

    kind = "mismatch"


class OutputExistsError(CrossModalSegError):
    """An output is already there and overwriting was not asked for."""

    kind = "output_exists"

    def __init__(self, path: Path | str) -> None:
        super().__init__(
            f"{path} exists already.", hint="Choose another output, or pass --overwrite."
        )


class StorageError(CrossModalSegError):
    """A file could not be written: disk full, no permission, read-only."""

    kind = "storage"


class MissingDependencyError(CrossModalSegError):
    """A Python package or system library that is needed here is not installed."""

    kind = "missing_dependency"


class DeviceError(CrossModalSegError):
    """The compute device that was asked for is not there or is not enough."""

    kind = "device"


class MemoryShortageError(DeviceError):
    """The memory of the device, or of the computer, ran out."""

    kind = "out_of_memory"


class UnexpectedError(CrossModalSegError):
    """An error that nobody foresaw, as an event.

    Args:
        error: What was raised; its traceback goes to standard error.
    """

    kind: ClassVar[str] = "unexpected"

    def __init__(self, error: BaseException) -> None:
        super().__init__(
            f"Something unforeseen happened: {type(error).__name__}: {error}".rstrip(": "),
            hint="This is a fault of the program. Please report it with the lines on standard "
            "error.",
        )


class Cancelled(CrossModalSegError):  # noqa: N818  (a state that users ask for, not a failure)
    """The user cancelled the job."""

    kind = "cancelled"

    def __init__(self) -> None:
        super().__init__("Cancelled.")


_STORAGE_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space, or choose another disk."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or choose another disk."),
    errno.EFBIG: ("files may not be that large here", "Choose another disk, or a higher limit."),
    errno.EACCES: ("permission was denied", "Choose a folder that you may write to."),
    errno.EPERM: ("permission was denied", "Choose a folder that you may write to."),
    errno.EROFS: ("the file system is read-only", "Choose a folder that you may write to."),
}


@contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turn a failure of the disk while writing `path` into a `StorageError`.

    Raises:
        StorageError: The disk is full, write-protected or not ours to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE_REASONS:
            raise
        reason, hint = _STORAGE_REASONS[error.errno]
        raise StorageError(f"{path} could not be written: {reason}.", hint=hint) from error


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest known name, or all of them."""
    names = list(known)
    if not names:
        return "There are none yet."
    close = difflib.get_close_matches(name, names, n=1)
    listed = f"Choose one of: {', '.join(names)}."
    return f"Did you mean {close[0]!r}? {listed}" if close else listed
