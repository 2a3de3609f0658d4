"""The module opens, quickly, in a Slicer that has none of the library's Python packages yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from Testing.packaging.installed_layout import Probe

START_UP_FOLDERS = ("core", "bundle", "bridge", "widget")
NEED_TORCH = {
    "CrossModalSegLib.bundle.deployment",
    "CrossModalSegLib.bundle.features",
    "CrossModalSegLib.bundle.writing",
    "CrossModalSegLib.core.tensors",
}
"""Files of those folders that compute with tensors or write weights: for the worker, never for the
window."""

OTHER_PROCESSES = {"CrossModalSegLib.bridge.sample_phantom"}
"""Programs that Slicer starts and never imports."""

OPENING_CPU_SECONDS = 0.3
ATTEMPTS = 3


def module_names(installed: Path) -> list[str]:
    """Return the module file and every file of the folders that the window is made of."""
    package = installed / "CrossModalSegLib"
    files = sorted(path for folder in START_UP_FOLDERS for path in (package / folder).rglob("*.py"))
    names = [".".join(path.relative_to(installed).with_suffix("").parts) for path in files]
    return ["CrossModalSeg", *(name.removesuffix(".__init__") for name in names)]


def light_modules(installed: Path) -> list[str]:
    named = NEED_TORCH | OTHER_PROCESSES
    names = [name for name in module_names(installed) if name not in named]
    assert len(names) > 30, "the folders were not found"
    return names


@pytest.fixture(scope="module")
def report(installed: Path, probe: Probe) -> dict[str, Any]:
    """What came of importing everything that needs no third-party package."""
    return probe(installed, light_modules(installed))


def test_module_and_window_need_no_package_that_slicer_lacks(report: dict[str, Any]) -> None:
    assert report["failures"] == {}


def test_the_files_that_need_torch_are_those_that_are_named(installed: Path, probe: Probe) -> None:
    assert set(module_names(installed)) >= NEED_TORCH
    failures = probe(installed, sorted(NEED_TORCH))["failures"]
    assert failures.keys() == NEED_TORCH
    for error in failures.values():
        assert error.startswith("ModuleNotFoundError: No module named ")
        assert "CrossModalSeg" not in error


def test_opening_starts_no_process_and_loads_no_heavy_package(report: dict[str, Any]) -> None:
    roots = {name.partition(".")[0] for name in report["imported"]}
    heavy = {"torch", "monai", "pandas", "matplotlib", "nibabel", "tyro", "rich", "jaxtyping"}
    assert not roots & heavy
    assert "multiprocessing" not in roots


def test_opening_the_module_takes_less_than_300_ms(installed: Path, probe: Probe) -> None:
    names = light_modules(installed)
    # Processor time, and the best of a few: other programs on the machine are not ours to measure.
    seconds = []
    for _ in range(ATTEMPTS):
        opened = probe(installed, names)
        assert opened["failures"] == {}
        seconds.append(opened["cpu_seconds"])
        if seconds[-1] < OPENING_CPU_SECONDS:
            return
    pytest.fail(f"{min(seconds):.3f} s of processor time; at most {OPENING_CPU_SECONDS} s allowed")


def test_a_package_that_slicer_lacks_would_be_noticed(tmp_path: Path, probe: Probe) -> None:
    (tmp_path / "CrossModalSegLib").mkdir()
    (tmp_path / "CrossModalSegLib" / "__init__.py").touch()
    (tmp_path / "CrossModalSegLib" / "page.py").write_text("import numpy\nimport rich\n")
    failures = probe(tmp_path, ["CrossModalSegLib.page"])["failures"]
    assert failures == {"CrossModalSegLib.page": "ModuleNotFoundError: No module named 'rich'"}
