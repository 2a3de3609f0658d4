"""CMake itself configures the extension, with macros that record what Slicer would install."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from Testing.packaging.installed_layout import SCRIPTED_MODULES, Probe, destinations, lay_out
from Testing.packaging.list_installed_files import ICON, MODULE_FOLDERS, ROOT, file_url

CMAKE = shutil.which("cmake")

pytestmark = pytest.mark.skipif(
    CMAKE is None, reason="CMake is not installed; test_extension_lists.py checks the lists as text"
)


def configure(source: Path, build: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(CMAKE),
        f"-S{ROOT / 'Testing' / 'packaging' / 'cmake'}",
        f"-B{build}",
        f"-DEXTENSION_SOURCE_DIR={source}",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def read_record(build: Path, name: str, separator: str) -> list[list[str]]:
    lines = (build / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split(separator, maxsplit=1) for line in lines]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder of the extension as it is."""
    folder = tmp_path_factory.mktemp("build")
    done = configure(ROOT, folder)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the extension's files, to break."""
    folder = tmp_path / "extension"
    folder.mkdir()
    shutil.copy(ROOT / "CMakeLists.txt", folder)
    for name in MODULE_FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def recorded(build: Path) -> dict[Path, Path]:
    return {
        Path(destination): Path(source)
        for source, destination in read_record(build, "installed", "|")
    }


def test_what_is_installed_is_what_is_in_the_tree(build: Path) -> None:
    assert recorded(build) == destinations()
    assert len(read_record(build, "installed", "|")) == len(recorded(build)), "listed twice"


def test_the_module_lies_beside_the_library_and_its_data(build: Path) -> None:
    files = recorded(build)
    for name in (
        "CrossModalSeg.py",
        "Resources/Icons/CrossModalSeg.png",
        "Resources/UI/CrossModalSeg.ui",
        "CrossModalSegLib/__init__.py",
        "CrossModalSegLib/methods/dsan.py",
        "CrossModalSegLib/presets/dsan/quick.toml",
    ):
        assert SCRIPTED_MODULES / name in files


def test_the_recorded_files_are_enough_to_import_the_library(
    build: Path, probe: Probe, tmp_path: Path
) -> None:
    folder = lay_out(recorded(build), tmp_path)
    report = probe(folder, ["CrossModalSegLib.core.tasks", "CrossModalSegLib.bundle.library"])
    assert report["failures"] == {}
    assert Path(report["library"]).parent == folder / "CrossModalSegLib"
    library = ROOT / "CrossModalSegLib"
    for name, found in report["package_data"].items():
        files = [path for path in (library / name).rglob("*") if path.is_file()]
        assert found == sorted(path.relative_to(library).as_posix() for path in files)
    assert "presets/dsan/quick.toml" in report["package_data"]["presets"]


def test_the_description_reaches_slicer(build: Path) -> None:
    fields = dict(read_record(build, "extension", "="))
    assert fields["project"] == fields["package"] == "CrossModalSeg"
    assert fields["DEPENDS"] == "PyTorch"
    assert fields["ICONURL"] == file_url(ICON)
    assert list(fields)[-1] == "package", "the package must be made after the description"


def test_the_tests_for_slicer_are_registered(build: Path) -> None:
    module = ROOT / "CrossModalSeg"
    assert read_record(build, "unittests", "|") == [
        ["generic", "CrossModalSeg"],
        ["script", str(module / "CrossModalSeg.py")],
        ["script", str(module / "Testing" / "Python" / "CrossModalSegSelfTest.py")],
    ]


@pytest.mark.parametrize(
    "missing",
    [
        "CrossModalSeg/CrossModalSeg.py",
        "CrossModalSeg/Resources/Icons/CrossModalSeg.png",
        "CrossModalSegLib/core/tasks.py",
        "CrossModalSegLib/presets/dsan/quick.toml",
    ],
)
def test_a_listed_file_that_is_missing_stops_the_build(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    done = configure(copy, copy.parent / "build")
    assert done.returncode != 0
    assert "nonexistent" in done.stderr
    assert Path(missing).name in done.stderr


def test_a_missing_field_of_the_description_stops_the_build(copy: Path) -> None:
    cmake = copy / "CMakeLists.txt"
    lines = cmake.read_text(encoding="utf-8").splitlines(keepends=True)
    cmake.write_text("".join(line for line in lines if "ICONURL" not in line), encoding="utf-8")
    done = configure(copy, copy.parent / "build")
    assert done.returncode != 0
    assert "EXTENSION_ICONURL is not set" in done.stderr
