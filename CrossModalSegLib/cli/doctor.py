"""`doctor`: what is installed, what the machine has, what is missing and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from CrossModalSegLib.cli.command import Command, NegativeAnswer
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.events import Reporter

State = Literal["ok", "missing", "limited"]

PYTHON_VERSIONS = (3, 11), (3, 14)
"""The first that works and the first that is not supported yet."""

PACKAGES = {
    "highdicom": ">=0.25",
    "jaxtyping": ">=0.2.36",
    "lightning-fabric": ">=2.5,<3",
    "matplotlib": ">=3.9",
    "monai": ">=1.5,<2",
    "nibabel": ">=5.3",
    "nilearn": ">=0.11",
    "numpy": ">=2.0",
    "pandas": ">=2.2",
    "psutil": ">=6.0",
    "pydicom": ">=3.0",
    "rich": ">=13.9",
    "safetensors": ">=0.5",
    "scipy": ">=1.14",
    "SimpleITK": ">=2.4",
    "torch": ">=2.6",
    "tyro": ">=0.9.10",
}
"""As in pyproject.toml, for programs that were not installed by pip; a test compares the two."""

MIN_FREE_GB = 2.0
"""Less is too little for a demo."""

HOW_TO_INSTALL = "From a copy of the repository: python3 bootstrap.py install."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What.
        state: "missing" things stop the program, "limited" ones only a part of it.
        found: What is there.
        advice: What to do, if anything.
    """

    check: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class Doctor(Command):
    """Look at what is installed and what this machine has, and say what is missing.

    Ends with exit code 1 if something is missing without which nothing works.
    """

    def run(self, reporter: Reporter) -> None:
        """Look at everything.

        Raises:
            NegativeAnswer: Something essential is missing.
        """
        checks: tuple[Callable[[], Iterator[Finding]], ...] = (
            _check_python,
            _check_packages,
            _check_processor,
            _check_gpus,
            _check_rendering,
            _check_disk,
            _check_models,
        )
        findings = []
        for check in reporter.track(checks, "doctor"):
            findings += _examine(check)
        for finding in findings:
            if finding.state != "ok":
                reporter.warning(
                    finding.state, f"{finding.check}: {finding.found}.", finding.advice
                )
        is_ready = all(finding.state != "missing" for finding in findings)
        rows = [asdict(finding) for finding in findings]
        for row in rows:
            del row["advice"]
        reporter.done([], {"findings": rows, "ready": is_ready})
        if not is_ready:
            raise NegativeAnswer


def _examine(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Run a check; one that cannot even be made says so instead of stopping the others."""
    findings = []
    try:
        for finding in check():
            findings.append(finding)  # noqa: PERF402  (keeps those before an error)
    except (ImportError, OSError, RuntimeError, CrossModalSegError) as error:
        name = check.__name__.removeprefix("_check_")
        findings.append(Finding(check=name, state="limited", found=f"could not be seen: {error}"))
    return findings


def _check_python() -> Iterator[Finding]:
    first, end = PYTHON_VERSIONS
    is_supported = first <= sys.version_info[:2] < end
    yield Finding(
        check="Python",
        state="ok" if is_supported else "missing",
        found=f"{platform.python_version()} at {sys.executable}",
        advice=""
        if is_supported
        else f"Use Python {first[0]}.{first[1]} to {end[0]}.{end[1] - 1}.",
    )
    yield Finding(check="System", state="ok", found=platform.platform())


def _check_packages() -> Iterator[Finding]:
    for name, wanted in PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(
                check=name,
                state="missing",
                found=f"not installed, expected {wanted}",
                advice=f'{HOW_TO_INSTALL} Or: pip install "{name}{wanted}"',
            )
            continue
        is_good = fits(version, wanted)
        yield Finding(
            check=name,
            state="ok" if is_good else "missing",
            found=version if is_good else f"{version}, expected {wanted}",
            advice="" if is_good else f'{HOW_TO_INSTALL} Or: pip install "{name}{wanted}"',
        )


def fits(version: str, wanted: str) -> bool:
    """Tell whether a version lies in a range of the form ">=1.5,<2".

    Only numbers are compared: a development version counts as the release that it leads to.
    """
    own = _numbers(version)
    for bound in wanted.split(","):
        operator, limit = bound[:2].rstrip("0123456789"), _numbers(bound.lstrip("<>="))
        if operator == ">=" and own < limit:
            return False
        if operator == "<" and own >= limit:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _check_processor() -> Iterator[Finding]:
    import torch

    from CrossModalSegLib.networks.devices import is_bf16_fast

    bf16 = "fast" if is_bf16_fast("cpu") else "slow, so float32 is used"
    yield Finding(
        check="Processor",
        state="ok",
        found=f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, bfloat16 is {bf16}",
    )


def _check_gpus() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            gpu = torch.cuda.get_device_properties(index)
            found = f"{gpu.name}, {gpu.total_memory / 2**30:.1f} GB"
            yield Finding(check=f"GPU {index} (cuda)", state="ok", found=found)
    elif torch.backends.mps.is_available():
        yield Finding(check="GPU (mps)", state="ok", found="Apple silicon")
    elif shutil.which("nvidia-smi"):
        yield Finding(
            check="GPU",
            state="limited",
            found=f"an NVIDIA driver is there, but torch {torch.__version__} sees no GPU",
            advice="Install a build of torch with CUDA: https://pytorch.org/get-started/locally.",
        )
    else:
        yield Finding(check="GPU", state="ok", found="none; everything runs on the processor")


def _check_rendering() -> Iterator[Finding]:
    from CrossModalSegLib.bridge.rendering import is_rendering_available

    is_available, reason = is_rendering_available()
    yield Finding(
        check="Slicer's views",
        state="ok" if is_available else "limited",
        found=reason.rstrip("."),
        advice="" if is_available else "Without them pictures are drawn by matplotlib.",
    )


def _check_disk() -> Iterator[Finding]:
    folder = Path.cwd()
    free_gb = shutil.disk_usage(folder).free / 2**30
    is_enough = free_gb >= MIN_FREE_GB
    yield Finding(
        check="Disk",
        state="ok" if is_enough else "limited",
        found=f"{free_gb:.1f} GB free at {folder}",
        advice="" if is_enough else f"The demo needs about {MIN_FREE_GB:g} GB.",
    )


def _check_models() -> Iterator[Finding]:
    from CrossModalSegLib.bundle.library import ModelLibrary

    library = ModelLibrary()
    entries = library.entries()
    broken = [entry.name for entry in entries if entry.problem]
    yield Finding(
        check="Models",
        state="limited" if broken else "ok",
        found=f"{len(entries) - len(broken)} usable at {library.folder}"
        + (f", damaged: {', '.join(broken)}" if broken else ""),
        advice="Import these again, or delete them with `models delete`." if broken else "",
    )
