#!/usr/bin/env python3
"""Set CrossModalSeg up and run it: `python3 bootstrap.py COMMAND [OPTIONS]`.

Needs Python 3.11, 3.12 or 3.13 and nothing else. The first command makes the folder .venv beside
this file and installs exactly what requirements.lock lists; later ones start at once. Whatever was
interrupted is put right by running the same command again.
"""

# The syntax stays old enough for an old Python to reach the message that says which one to use.

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import IO, Protocol

    class Run(Protocol):
        """Run a command, return its exit code and, when quiet, all that it printed."""

        def __call__(
            self, command: Sequence[str], *, quiet: bool = False, folder: Path = ...
        ) -> tuple[int, str]:
            """Wait for the command; quiet ones show their milestones only."""
            ...


ROOT = Path(__file__).resolve().parent
SUPPORTED = ((3, 11), (3, 12), (3, 13))
PREFERRED = ("3.12", "3.13", "3.11")
STAMP_VERSION = 1
FREE_GIB_NEEDED = 5
USAGE_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143

ENVIRONMENT = {"PYTHONUTF8": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}

HELP = """usage: python3 bootstrap.py COMMAND [OPTIONS]

Makes .venv and installs requirements.lock when that is still to be done, then runs COMMAND:

  demo [OPTIONS]     phantom cohorts to scored, drawn segmentations, in demo-output/
  run ARGUMENTS      any command of crossmodalseg; `run --help` lists them
  test [OPTIONS]     lint, formatting, types, import rules and tests; OPTIONS go to pytest
  lint               ruff and import-linter
  format             format the code and apply ruff's safe corrections
  typecheck          mypy
  install            install and do nothing else
  clean [--all]      remove caches; with --all also .venv and demo-output
"""


class BootstrapError(Exception):
    """What went wrong and what to do about it, in words for the terminal."""


def say(text: str) -> None:
    """Print one line at once, wherever the output goes."""
    print(f"[bootstrap] {text}", flush=True)


def run_process(
    command: Sequence[str], *, quiet: bool = False, folder: Path = ROOT
) -> tuple[int, str]:
    """Run a command and wait for it; an interruption leaves no child behind."""
    stream = subprocess.PIPE if quiet else None
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        stdout=stream,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **ENVIRONMENT},
    )
    try:
        text = _follow(process.stdout) if process.stdout else ""
        return process.wait(), text
    except KeyboardInterrupt:
        # A terminal interrupts the child as well; it gets the time to leave nothing half-written.
        try:
            process.wait(timeout=20)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.terminate()
            process.wait()
        raise
    except SystemExit:
        process.terminate()
        process.wait()
        raise


def _follow(output: IO[str]) -> str:
    lines = []
    for line in output:
        lines.append(line)
        words = line.split()
        # "Downloading vtk-9.6.0-....whl (145.6 MB)": the small ones would only hide the large.
        if words[:1] == ["Downloading"] and words[-1] in {"MB)", "GB)"}:
            print(f"    fetching {words[1].partition('-')[0]} {words[-2]} {words[-1]}", flush=True)
        elif words[:2] == ["Installing", "collected"]:
            print(f"    unpacking, packages: {len(words) - 3}", flush=True)
    output.close()
    return "".join(lines)


def candidate_pythons() -> Iterable[list[str]]:
    """Yield commands that may start a supported Python, the one Slicer uses first."""
    for version in PREFERRED:
        found = shutil.which(f"python{version}")
        if found:
            yield [found]
        if shutil.which("py"):
            yield ["py", f"-{version}"]


def find_python(candidates: Iterable[Sequence[str]], run: Run) -> list[str] | None:
    """Return the first command that really starts a supported Python with venv."""
    probe = f"import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in {SUPPORTED})"
    for command in candidates:
        # A name on the path may be a shim of a version manager that has no such version.
        try:
            code, _ = run([*command, "-c", probe], quiet=True)
        except OSError:
            continue
        if code == 0:
            return list(command)
    return None


def explain_python(version: Sequence[int]) -> str:
    """Return the message for a Python that cannot be used when no other was found."""
    return (
        f"This is Python {version[0]}.{version[1]}; CrossModalSeg needs 3.11, 3.12 or 3.13, and "
        "none of them was found.\nInstall one (3.12 is what 3D Slicer has), from Python's website "
        "or your system's packages, and run\n    python3.12 bootstrap.py"
    )


def venv_python(root: Path) -> Path:
    """Return where the environment's interpreter is."""
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def installation_digest(root: Path, version: Sequence[int]) -> str:
    """Return a hash of what decides the installation: lock, metadata, Python, system, place."""
    digest = hashlib.sha256(f"{STAMP_VERSION} {root} {sys.platform} {version[:2]}".encode())
    for name in ("requirements.lock", "pyproject.toml"):
        try:
            digest.update((root / name).read_bytes())
        except OSError as error:
            raise BootstrapError(f"{root / name} cannot be read ({error.strerror}).") from error
    return digest.hexdigest()


def is_installed(root: Path, digest: str) -> bool:
    """Tell whether an installation of this digest was finished here."""
    try:
        stamp = json.loads((root / ".venv" / "bootstrap.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stamp, dict) and stamp.get("digest") == digest and venv_python(root).exists()


def write_stamp(root: Path, digest: str) -> None:
    """Record a finished installation."""
    temporary = root / ".venv" / "bootstrap.json.new"
    temporary.write_text(json.dumps({"digest": digest}) + "\n", encoding="utf-8")
    temporary.replace(root / ".venv" / "bootstrap.json")


def ensure_venv(root: Path, version: Sequence[int], run: Run) -> None:
    """Make .venv, or keep the one that is there if it works and is of this Python."""
    folder = root / ".venv"
    if folder.exists() and not _is_usable(root, version, run):
        say("the .venv that is there is incomplete or of another Python: making it anew")
        _remove(folder)
    if not folder.exists():
        say(f"making {folder} with Python {version[0]}.{version[1]}")
        code, text = run([sys.executable, "-m", "venv", str(folder)], quiet=True)
        if code:
            hint = "On Debian and Ubuntu: sudo apt install python3-venv. " * ("ensurepip" in text)
            raise BootstrapError(explain_failure(text, f"{hint}The environment was not made."))


def _is_usable(root: Path, version: Sequence[int], run: Run) -> bool:
    python = venv_python(root)
    if not python.exists():
        return False
    probe = f"import sys, pip; sys.exit(sys.version_info[:2] != {tuple(version[:2])})"
    try:
        code, _ = run([str(python), "-c", probe], quiet=True)
    except OSError:
        return False
    return code == 0


def remove_broken_packages(site_packages: Path) -> list[str]:
    """Forget packages whose files an interruption left incomplete, so that pip installs them again.

    Returns:
        The names of their metadata folders.
    """
    broken = [
        folder for folder in sorted(site_packages.glob("*.dist-info")) if not _is_whole(folder)
    ]
    # What pip itself leaves behind when it is stopped while replacing a package.
    for folder in [*broken, *site_packages.glob("~*")]:
        _remove(folder)
    return [folder.name for folder in broken]


def _is_whole(dist_info: Path) -> bool:
    try:
        record = (dist_info / "RECORD").read_text(encoding="utf-8")
        for name, _, size in csv.reader(record.splitlines()):
            if size and (dist_info.parent / name).stat().st_size != int(size):
                return False
    except (OSError, ValueError):
        return False
    return bool(record)


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise BootstrapError(
            f"{path} cannot be removed ({error.strerror}). Close the programs that use it, or "
            "remove it by hand, and run this again."
        ) from error


def read_lock(root: Path) -> dict[str, str]:
    """Return the pins of requirements.lock by package name."""
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split(";")[0].strip() for line in lines if line and not line.startswith("#")]
    return {pin.partition("==")[0]: pin for pin in pins}


def has_nvidia_gpu(run: Run) -> bool:
    """Tell whether NVIDIA's driver answers."""
    program = shutil.which("nvidia-smi")
    return program is not None and run([program, "-L"], quiet=True)[0] == 0


def install_torch(root: Path, run: Run) -> None:
    """Install torch before all else: which build of it depends on the machine."""
    pin = read_lock(root)["torch"]
    python = str(venv_python(root))
    satisfied = "import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != "
    if run([python, "-c", f"{satisfied}{pin.partition('==')[2]!r})"], quiet=True)[0] == 0:
        return
    if sys.platform != "linux":
        # Here the registry's own torch is the CPU build (Windows) or has Apple's GPU in it.
        pip_install(root, run, "--no-deps", pin)
        return
    if not has_nvidia_gpu(run):
        say("no NVIDIA GPU answers: looking for a CPU build of torch")
        code, text = _pip(root, run, "--no-deps", f"{pin}+cpu")
        if code == 0:
            return
        if "No matching distribution" not in text or UNREACHABLE in explain_failure(text, ""):
            raise BootstrapError(explain_failure(text, "torch was not installed."))
        say("none of pip's indexes has one; the general build brings several GB of CUDA libraries")
        say("to avoid them: Ctrl-C, set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds (its")
        say("installation page names it), and run the same command again")
    # The CUDA libraries are torch's own dependencies, pinned by its metadata, all else by the lock.
    pip_install(root, run, "--constraint", "requirements.lock", pin)


def pip_install(root: Path, run: Run, *arguments: str) -> None:
    """Install with pip, or explain why that failed."""
    code, text = _pip(root, run, *arguments)
    if code:
        raise BootstrapError(explain_failure(text, "The installation is not finished."))


def _pip(root: Path, run: Run, *arguments: str) -> tuple[int, str]:
    # Wheels only: nothing is compiled, and no package's code runs while it is installed.
    options = ["--only-binary", ":all:", "--progress-bar", "off", "--no-input"]
    return run([str(venv_python(root)), "-m", "pip", "install", *options, *arguments], quiet=True)


UNREACHABLE = "The package index could not be reached."

FAILURES = {
    f"The disk is full. Free at least {FREE_GIB_NEEDED} GiB and run the same command again.": (
        "No space left on device",
        "[Errno 28]",
        "There is not enough space",
    ),
    f"{UNREACHABLE} Check the network (and HTTPS_PROXY, or pip's own settings) and run the same "
    "command again; what was fetched is kept.": (
        "NewConnectionError",
        "Temporary failure in name resolution",
        "getaddrinfo failed",
        "ConnectTimeout",
        "ReadTimeout",
        "ProxyError",
        "Connection broken",
    ),
    "The package index's certificate was not accepted. Behind a company's proxy set PIP_CERT to "
    "its certificate file and run the same command again.": (
        "SSLError",
        "CERTIFICATE_VERIFY_FAILED",
    ),
    "A package has no build for this system and Python. Supported are Linux and Windows on x86-64 "
    "and macOS on Apple silicon, with Python 3.11 to 3.13.": ("No matching distribution",),
    "This folder cannot be written to.": ("Permission denied", "[Errno 13]"),
}
"""What to do, by what pip says, the surest signs first."""


def explain_failure(output: str, otherwise: str) -> str:
    """Return what a failed installation means and what to do, with the end of what pip said."""
    reason = next(
        (advice for advice, signs in FAILURES.items() if any(sign in output for sign in signs)),
        f"{otherwise} Running the same command again goes on from here.",
    )
    errors = [line.strip()[:300] for line in output.splitlines() if line.strip()]
    return "\n".join([reason, "The installer's last words:", *(f"    {e}" for e in errors[-6:])])


def install(root: Path, version: Sequence[int], run: Run) -> None:
    """Bring .venv to what requirements.lock says, whatever state it is in."""
    digest = installation_digest(root, version)
    if is_installed(root, digest):
        return
    started = time.monotonic()
    say("installing what requirements.lock lists; the first time this takes a few minutes")
    free_gib = shutil.disk_usage(root).free / 2**30
    if free_gib < FREE_GIB_NEEDED and not (root / ".venv").exists():
        raise BootstrapError(
            f"{free_gib:.1f} GiB are free beside {root}; the installation takes "
            f"{FREE_GIB_NEEDED} GiB. Free some space and run the same command again."
        )
    ensure_venv(root, version, run)
    for site_packages in (root / ".venv").glob("[Ll]ib/**/site-packages"):
        for name in remove_broken_packages(site_packages):
            say(f"{name} is incomplete and is installed again")
    install_torch(root, run)
    pip_install(root, run, "--no-deps", "--requirement", "requirements.lock")
    pip_install(root, run, "--no-deps", "--no-build-isolation", "--editable", ".")
    write_stamp(root, digest)
    say(f"installed in {time.monotonic() - started:.0f} s")


def checks(root: Path, pytest_options: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the commands of `test` by name, in the order in which they run."""
    python = str(venv_python(root))
    linter = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "mypy": [python, "-m", "mypy"],
        "import-linter": [python, "-c", linter],
        "pytest": [python, "-m", "pytest", *pytest_options],
    }


def run_all(commands: dict[str, list[str]], run: Run) -> int:
    """Run every command even if one fails, and sum up; return 1 if any failed."""
    summary = []
    for name, command in commands.items():
        say(f"{name} ...")
        started = time.monotonic()
        code, _ = run(command)
        outcome = "passed" if code == 0 else f"FAILED (exit code {code})"
        summary.append(f"{name:<14} {outcome}, {time.monotonic() - started:.0f} s")
    for line in summary:
        say(line)
    return int(any("FAILED" in line for line in summary))


def start_library(root: Path, arguments: Sequence[str], run: Run) -> int:
    """Run a command of the library, in this process's place where the system can do that."""
    command = [str(venv_python(root)), "-X", "utf8", "-m", "CrossModalSegLib", *arguments]
    if os.name != "nt" and run is run_process:
        # Signals and exit codes need no passing on with nothing between shell and library.
        sys.stdout.flush()
        os.execv(command[0], command)  # noqa: S606 - a list, and no shell is wanted
    return run(command, folder=Path.cwd())[0]


def clean(root: Path, *, everything: bool) -> int:
    """Remove caches, and on request the environment and the demo's output."""
    names = ["build", "dist", "crossmodalseg.egg-info", ".hypothesis", ".import_linter_cache"]
    names += [".mypy_cache", ".pytest_cache", ".ruff_cache"]
    found = [root / name for name in names + [".venv", "demo-output"] * everything]
    found += [*(root / "CrossModalSegLib").rglob("__pycache__")]
    found += [*(root / "Testing").rglob("__pycache__"), root / "__pycache__"]
    for path in found:
        if path.exists():
            _remove(path)
            say(f"removed {path.relative_to(root)}")
    return 0


def dispatch(command: str, options: Sequence[str], run: Run) -> int:
    """Carry out one command in an environment that is ready; return its exit code."""
    if command == "install":
        say(f"ready: {venv_python(ROOT)}")
        return 0
    if command in {"demo", "run"}:
        return start_library(ROOT, [*(["demo"] if command == "demo" else []), *options], run)
    every = checks(ROOT, options)
    ruff = every["ruff check"][:3]
    groups = {
        "test": every,
        "lint": {name: every[name] for name in ("ruff check", "ruff format", "import-linter")},
        "typecheck": {"mypy": every["mypy"]},
        "format": {
            "corrections": [*ruff, "check", "--fix", "."],
            "layout": [*ruff, "format", "."],
        },
    }
    return run_all(groups[command], run)


COMMANDS = ("demo", "run", "test", "lint", "format", "typecheck", "install", "clean")


def show_help(command: str) -> int:
    """Print the commands; what is none of them is a usage error."""
    if command in {"help", "-h", "--help"}:
        print(HELP, end="")
        return 0
    print(f"bootstrap.py has no command {command!r}.\n\n{HELP}", end="", file=sys.stderr)
    return USAGE_ERROR


def main(
    arguments: Sequence[str],
    *,
    version: Sequence[int] = sys.version_info[:2],
    run: Run = run_process,
) -> int:
    """Carry out what the command line says; return the exit code."""
    command, options = (arguments[0], list(arguments[1:])) if arguments else ("help", [])
    if command not in COMMANDS:
        return show_help(command)
    try:
        if command == "clean":
            return clean(ROOT, everything="--all" in options)
        if tuple(version[:2]) not in SUPPORTED:
            return start_again(arguments, version, run)
        install(ROOT, version, run)
        return dispatch(command, options, run)
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        return INTERRUPTED


def start_again(arguments: Sequence[str], version: Sequence[int], run: Run) -> int:
    """Hand the command to a Python that can be used."""
    python = find_python(candidate_pythons(), run)
    if python is None:
        raise BootstrapError(explain_python(version))
    say(f"Python {version[0]}.{version[1]} is not supported; going on with {' '.join(python)}")
    return run([*python, str(ROOT / "bootstrap.py"), *arguments], folder=Path.cwd())[0]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    for stream in (sys.stdout, sys.stderr):
        # A console that lacks a letter of a path prints a question mark instead of failing.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))
