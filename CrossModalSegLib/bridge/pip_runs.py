"""Runs of pip inside Slicer, or outside of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from CrossModalSegLib.bridge.piped_process import PipedProcess
from CrossModalSegLib.bridge.processes import (
    Launch,
    launch_process,
    library_environment,
    python_executable,
)
from CrossModalSegLib.core.errors import MissingDependencyError

REQUESTER = "CrossModalSeg"

OPTIONS = ("--no-deps", "--disable-pip-version-check", "--no-input", "--prefer-binary")

BREATH_SECONDS = 0.1
LINES_PER_BREATH = 1000

SIGNS_OF_NO_NETWORK = (
    "Could not find a version that satisfies",
    "Failed to establish a new connection",
    "Name or service not known",
    "Network is unreachable",
    "NewConnectionError",
    "ProxyError",
    "Temporary failure in name resolution",
    "getaddrinfo failed",
)

NO_NETWORK = "The package index could not be reached."
NO_SPACE = "The disk is full."

OnLine = Callable[[str], None]


class SlicerPackaging(Protocol):
    """What is used of `slicer.packaging` (Slicer 5.12)."""

    def pip_install(self, requirements: list[str], *, requester: str) -> object:
        """Install, showing a dialog with the progress; CalledProcessError if it fails."""


def install_with_pip(
    requirements: Sequence[str],
    on_line: OnLine,
    *,
    again: bool = False,
    packaging: SlicerPackaging | None = None,
    launch: Launch = launch_process,
) -> None:
    """Install exactly these packages, none that they depend on.

    Args:
        requirements: As pip reads them.
        on_line: Told what pip says; without Slicer at least every 0.1 s.
        again: Replace what is there, for packages that were installed by half.
        packaging: Slicer's own way; without it pip runs in a process.
        launch: Starts that process.

    Raises:
        MissingDependencyError: It failed; the message says why, as far as pip does.
    """
    arguments = [*OPTIONS, *(["--force-reinstall"] if again else []), *requirements]
    if packaging is None:
        _run(["install", *arguments], on_line, launch)
        return
    try:
        packaging.pip_install(arguments, requester=REQUESTER)
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        raise MissingDependencyError(f"pip could not install the packages: {error}.") from error


def _run(arguments: Sequence[str], on_line: OnLine, launch: Launch) -> None:
    command = [python_executable(), "-m", "pip", *arguments]
    try:
        process = PipedProcess(launch(command, library_environment()))
    except OSError as error:
        raise MissingDependencyError(f"pip could not be started: {error}.") from error
    process.close_input()
    said = ["pip has started."]
    while not process.has_ended:
        time.sleep(BREATH_SECONDS)
        for _, line in process.take(LINES_PER_BREATH, BREATH_SECONDS):
            said.append(line.decode("utf-8", errors="replace").strip())
        on_line(said[-1])
    if process.exit_code:
        raise MissingDependencyError(_reason(said, process.exit_code))


def _reason(said: Sequence[str], exit_code: int) -> str:
    text = "\n".join(said)
    if any(sign in text for sign in SIGNS_OF_NO_NETWORK):
        return NO_NETWORK
    if "No space left on device" in text:
        return NO_SPACE
    return f"pip could not install the packages (exit code {exit_code}). It said last: {said[-1]}"
