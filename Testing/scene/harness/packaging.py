"""`slicer.packaging` (Slicer 5.12): installs nothing, and remembers what it was asked for."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

installed: list[list[str]] = []
"""What pip was asked for, one list a call."""

_state: dict[str, BaseException | None] = {"failure": None}


def fail_with(error: BaseException | None) -> None:
    """Let the next installations raise an error. Only in this harness."""
    _state["failure"] = error


def reset() -> None:
    """Forget the test before. Only in this harness."""
    installed.clear()
    fail_with(None)


def load_requirements(path: str | Path) -> list[str]:
    """Return the requirements of a requirements.txt."""
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text("utf-8").splitlines())
    return [line for line in lines if line]


def pip_check(req: str | Sequence[str]) -> bool:
    """Tell whether packages are there; here only their names are looked at."""
    for each in [req] if isinstance(req, str) else req:
        try:
            importlib.metadata.version(re.split(r"[<>=!~;\[ ]", str(each))[0])
        except importlib.metadata.PackageNotFoundError:
            return False
    return True


def pip_install(
    requirements: str | Sequence[str],
    *,
    requester: str | None = None,
    blocking: bool = True,
    **options: Any,
) -> None:
    """Install packages, showing a dialog with the progress."""
    del requester, options
    if not blocking:
        raise NotImplementedError("The harness installs nothing in the background.")
    installed.append(requirements.split() if isinstance(requirements, str) else list(requirements))
    if _state["failure"] is not None:
        raise _state["failure"]


def pip_ensure(
    requirements: str | Sequence[str],
    *,
    requester: str | None = None,
    prompt: Callable[[str], bool] | bool = True,
    **options: Any,
) -> None:
    """Check, ask and install what is missing."""
    del prompt
    if not pip_check(requirements):
        pip_install(requirements, requester=requester, **options)
