"""How processes are started and how they surely end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from CrossModalSegLib.bridge.processes import (
    kill_tree,
    launch_process,
    library_command,
    library_environment,
    python_executable,
)

LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
child.wait()
"""

DYING_LAUNCHER = LAUNCHER.replace("child.wait()", "")


def has_ended(pid: int, seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


@contextmanager
def launched(program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a launcher, and yield it with the process that does the work."""
    process = launch_process([sys.executable, "-c", program], os.environ)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        kill_tree(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


@pytest.mark.parametrize("has_psutil", [True, False])
def test_killing_a_launcher_kills_its_child(
    monkeypatch: pytest.MonkeyPatch, *, has_psutil: bool
) -> None:
    with launched(LAUNCHER) as (process, child):
        with monkeypatch.context() as patch:
            if not has_psutil:
                patch.setitem(sys.modules, "psutil", None)
            kill_tree(process)
        assert process.returncode is not None
        assert has_ended(child)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_child_is_killed_even_if_its_launcher_has_exited() -> None:
    with launched(DYING_LAUNCHER) as (process, child):
        process.wait(5)
        assert psutil.pid_exists(child)
        kill_tree(process)
        assert has_ended(child)


def test_killing_without_waiting_returns_at_once() -> None:
    with launched(LAUNCHER) as (process, child):
        begin = time.perf_counter()
        kill_tree(process, seconds=0.0)
        assert time.perf_counter() - begin < 0.1
        assert has_ended(child)


def test_what_runs_at_the_end_of_the_program_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "from CrossModalSegLib.bridge.processes import launch_process\n"
        "process = launch_process([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " os.environ)\n"
        "print(process.pid)\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, program],
        env=library_environment(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert has_ended(int(done.stdout))


def test_inside_slicer_its_own_python_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"PythonSlicer": "/slicer/bin/PythonSlicer"}
    monkeypatch.setattr("shutil.which", found.get)
    assert python_executable() == "/slicer/bin/PythonSlicer"
    found.clear()
    assert python_executable() == sys.executable


def test_the_environment_finds_the_library_first_and_speaks_utf8() -> None:
    environment = library_environment({"PYTHONPATH": "/elsewhere", "HOME": "/home"})
    first, second = environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(first) / "CrossModalSegLib" / "__init__.py").is_file()
    assert second == "/elsewhere"
    assert environment["PYTHONIOENCODING"] == "utf-8"
    assert environment["HOME"] == "/home"
    assert library_environment({})["PYTHONPATH"] == first


def test_the_library_is_found_from_a_folder_with_a_module_of_a_dangerous_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError", encoding="utf-8")
    program = "import CrossModalSegLib, json, sys; print(json.dumps(sys.stdout.encoding))"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=library_environment(environment),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert json.loads(done.stdout) == "utf-8"


def test_the_command_runs_the_library_unbuffered() -> None:
    assert library_command("worker")[1:] == ["-u", "-m", "CrossModalSegLib", "worker"]
