"""The extension laid out as it is in an installed Slicer, and a process that imports it there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from Testing.packaging.installed_layout import Probe, destinations, lay_out

PROBE = Path(__file__).with_name("start_up_probe.py")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that belongs into the package, as Slicer lays it out."""
    return lay_out(destinations(), tmp_path_factory.mktemp("Slicer 5.12"))


@pytest.fixture(scope="session")
def probe() -> Probe:
    """Import modules out of a folder as a freshly installed Slicer does; return the report."""

    def import_in_fresh_slicer(folder: Path, modules: Sequence[str]) -> dict[str, Any]:
        command = [sys.executable, "-I", str(PROBE), str(folder), *modules]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return import_in_fresh_slicer
