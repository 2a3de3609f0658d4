"""What all commands share: their common options and the ways in which they end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Reporter

Progress = Literal["terminal", "json", "silent"]
Device = Literal["auto", "cuda", "mps", "cpu"]


@dataclass(frozen=True, kw_only=True)
class Command(ABC):
    """A command of the command line; its fields are its options."""

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


class NegativeAnswer(Exception):  # noqa: N818  (the command did its work; its answer is no)
    """The command told its result, and the result is that something is not as it should be."""
