"""Processes of the library that a program starts: with which Python, and how they surely end."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import CrossModalSegLib

SLICER_PYTHON = "PythonSlicer"
"""Slicer's own Python; a launcher whose child does the work."""

LIBRARY_FOLDER = Path(CrossModalSegLib.__file__).parent.parent

Launch = Callable[[Sequence[str], Mapping[str, str]], "subprocess.Popen[bytes]"]
"""Starts a command in an environment, with pipes on its three streams."""

_started: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()


def python_executable() -> str:
    """Return the Python that runs the library: inside Slicer its own, else the present one.

    Slicer puts its own on the PATH; `sys.executable` may be the application there.
    """
    return shutil.which(SLICER_PYTHON) or sys.executable


def library_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which `python -m CrossModalSegLib` works and writes UTF-8 at once.

    Args:
        base: What it is made from; by default this process's own.
    """
    environment = dict(os.environ if base is None else base)
    former = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(LIBRARY_FOLDER), former)))
    environment |= {
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",  # a file in the working folder is no module of ours
    }
    return environment


def library_command(*arguments: str) -> list[str]:
    """Return the command line that runs a command of the library."""
    return [python_executable(), "-u", "-m", CrossModalSegLib.__name__, *arguments]


def launch_process(
    command: Sequence[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; it is killed at this program's end at the latest.

    Raises:
        OSError: It cannot be started.
    """
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        **own_group(),
    )
    _started.add(process)
    return process


def own_group() -> dict[str, Any]:
    """Return the options of `Popen` that make a process the head of a group, without a window."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}


def kill_tree(process: subprocess.Popen[bytes], seconds: float = 2.0) -> None:
    """Kill a process that was started in a group of its own, with all its descendants.

    Args:
        process: May have ended already; what it left behind is killed still.
        seconds: How long to wait for its end.
    """
    if sys.platform == "win32":
        _kill_descendants_on_windows(process)
    else:
        descendants = _descendants(process.pid) if process.poll() is None else []
        with suppress(OSError):  # nobody is left in the group
            os.killpg(process.pid, signal.SIGKILL)
        _kill_each(descendants)
    with suppress(OSError):
        process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if process.returncode is not None:
        _started.discard(process)


def _kill_descendants_on_windows(process: subprocess.Popen[bytes]) -> None:
    if descendants := _descendants(process.pid):
        _kill_each(descendants)
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)],  # noqa: S607  (on every PATH)
            capture_output=True,
            timeout=5,
            check=False,
        )


def _descendants(pid: int) -> list[Any]:
    """Return what psutil knows; nothing where it is not installed."""
    try:
        import psutil
    except ImportError:
        return []
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def _kill_each(processes: Sequence[Any]) -> None:
    if not processes:
        return
    import psutil

    for process in processes:
        with suppress(psutil.Error):
            process.kill()


@atexit.register
def _kill_what_runs() -> None:
    """End what is still there; a program that dies at once takes it along by closing its input."""
    for process in list(_started):
        if process.poll() is None:
            kill_tree(process, seconds=0.5)
