"""What all commands share: their common options and the ways in which they end."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from CrossModalSegLib.core.errors import (
    CrossModalSegError,
    DeviceError,
    MissingDependencyError,
    UnexpectedError,
)
from CrossModalSegLib.core.events import Reporter

PROGRAM = "crossmodalseg"

Progress = Literal["terminal", "json", "silent"]
Device = Literal["auto", "cuda", "mps", "cpu"]


@dataclass(frozen=True, kw_only=True)
class Command(ABC):
    """A command of the command line; its fields are its options.

    `reads_standard_input`: whether it does so itself; else a line there may cancel it.
    """

    reads_standard_input: ClassVar[bool] = False

    progress: Progress = "terminal"
    """For people; one JSON object a line on standard output; or nothing but errors."""

    @abstractmethod
    def run(self, reporter: Reporter) -> None:
        """Do it, and tell `reporter` what happens and what came of it.

        Raises:
            CrossModalSegError: It cannot be done; nothing is left half-written.
        """


@dataclass(frozen=True, kw_only=True)
class JobCommand(Command):
    """A command that makes something. All of them take the same options (CONTRACTS)."""

    device: Device = "auto"
    """Where networks compute, if this command has any; "auto" is the fastest there is."""
    overwrite: bool = False
    """Replace an output that exists."""
    seed: int = 0
    """Of whatever is random here: the same seed gives the same result."""


class UsageError(CrossModalSegError):
    """Options that do not go together; ends with exit code 2, as a misspelt option does."""

    kind: ClassVar[str] = "usage"


class NegativeAnswer(Exception):  # noqa: N818  (the command did its work; its answer is no)
    """The command told its result, and the result is that something is not as it should be."""


def explained(error: Exception) -> CrossModalSegError:
    """Return what to tell users of an error; what nobody foresaw goes to standard error whole."""
    if isinstance(error, CrossModalSegError):
        return error
    if isinstance(error, ModuleNotFoundError):
        return _missing_package(error)
    traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return DeviceError(
            "There is not enough memory.",
            hint="Close other programs, take less at once, or use a machine with more memory.",
        )
    return UnexpectedError(error)


def read_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Read METHOD=VALUE texts, as several options take them.

    Raises:
        UsageError: One of them is something else.
    """
    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise UsageError(f"{option} got {text!r}, expected METHOD=VALUE.")
        pairs[name] = value
    return pairs


def _missing_package(error: ModuleNotFoundError) -> CrossModalSegError:
    """Return what to say of a package that is not installed; of one of ours, that it is a fault."""
    name = (error.name or "").partition(".")[0]
    if name == "CrossModalSegLib" or not name:
        return UnexpectedError(error)
    return MissingDependencyError(
        f"The Python package {name!r} is needed here and is not installed.",
        hint=f"`{PROGRAM} doctor` says what is missing and how to get it.",
    )
