"""The CMake files list every file that belongs into the package, and no other."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from Testing.packaging import list_installed_files
from Testing.packaging.list_installed_files import (
    COMMAND,
    MODULE_FOLDERS,
    ROOT,
    ListError,
    expected_contents,
    files_to_install,
    main,
    outdated_files,
)

GIT = shutil.which("git")

LONGEST_PATH = 110
"""Windows allows 260 characters; with a long user name the folder of an extension has about 145."""


def listed(folder: str, variable: str, root: Path = ROOT) -> list[str]:
    """Read one set(...) of a module's CMake file, without CMake and without the script's help."""
    text = (root / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    (body,) = re.findall(rf"^set\({variable}\s([^)]*)\)", text, flags=re.MULTILINE)
    return [line for line in body.split() if not line.startswith("#")]


@pytest.fixture
def small_extension(tmp_path: Path) -> Path:
    """A copy of the CMake files with one script and one resource in each module."""
    for name in ("CMakeLists.txt", "CrossModalSeg.json"):
        shutil.copy(ROOT / name, tmp_path)
    for folder, files in {
        "CrossModalSeg": ("CrossModalSeg.py", "Resources/UI/page.ui"),
        "CrossModalSegLib": ("__init__.py", "presets/dsan/quick.toml"),
    }.items():
        for file in files:
            path = tmp_path / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('REPOSITORY_URL = ""\n', encoding="utf-8")
        shutil.copy(ROOT / folder / "CMakeLists.txt", tmp_path / folder)
    main(["--write"], tmp_path)
    return tmp_path


@pytest.mark.parametrize("folder", MODULE_FOLDERS)
def test_every_file_of_the_tree_is_listed_and_nothing_else(folder: str) -> None:
    files = set(files_to_install(ROOT / folder))
    scripts = listed(folder, "MODULE_PYTHON_SCRIPTS")
    resources = listed(folder, "MODULE_PYTHON_RESOURCES")
    assert {name for name in files if name.endswith(".py")} == set(scripts), COMMAND
    assert {name for name in files if not name.endswith(".py")} == set(resources), COMMAND
    for names in (scripts, resources):
        assert names == sorted(set(names))


def test_what_the_script_writes_is_what_is_there() -> None:
    assert outdated_files() == [], COMMAND


@pytest.mark.skipif(GIT is None, reason="git is not installed")
@pytest.mark.parametrize("folder", MODULE_FOLDERS)
def test_what_git_knows_of_a_module_is_what_is_installed(folder: str) -> None:
    command = [str(GIT), "ls-files", "--cached", "--others", "--exclude-standard", "--", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("this is no git repository")
    known = {
        Path(line).relative_to(folder).as_posix()
        for line in done.stdout.splitlines()
        if (ROOT / line).exists()
    }
    own = {name for name in known if Path(name).name == "CMakeLists.txt"}
    tests = {name for name in known if name.startswith("Testing/")}
    assert known - own - tests == set(files_to_install(ROOT / folder))


def test_names_survive_cmake_and_the_path_length_of_windows() -> None:
    for folder in MODULE_FOLDERS:
        for name in files_to_install(ROOT / folder):
            assert re.fullmatch(r"[A-Za-z0-9_+./-]+", name), name
            assert len(f"{folder}/{name}") <= LONGEST_PATH, name


def test_every_folder_with_scripts_is_a_package() -> None:
    files = set(files_to_install(ROOT / "CrossModalSegLib"))
    for name in files:
        if name.endswith(".py"):
            parent = Path(name).parent
            assert (parent / "__init__.py").as_posix() in files


def test_presets_and_the_marker_of_types_are_resources() -> None:
    resources = listed("CrossModalSegLib", "MODULE_PYTHON_RESOURCES")
    assert "py.typed" in resources
    assert "presets/dsan/quick.toml" in resources


def test_what_slicer_gets_besides_scripts_is_package_data_for_pip_too() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = table["tool"]["setuptools"]["package-data"]["CrossModalSegLib"]
    library = ROOT / "CrossModalSegLib"
    packaged = {
        path.relative_to(library).as_posix()
        for pattern in patterns
        for path in library.glob(pattern)
    }
    resources = {name for name in files_to_install(library) if not name.endswith(".py")}
    assert resources - packaged == set(), "add them to package-data in pyproject.toml"


def test_a_new_file_is_reported_and_then_listed(
    small_extension: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main([], small_extension) == 0
    new = small_extension / "CrossModalSegLib" / "methods" / "bigl.py"
    new.parent.mkdir()
    new.touch()
    assert main([], small_extension) == 1
    said = capsys.readouterr().out
    assert f"out of date: {Path('CrossModalSegLib/CMakeLists.txt')}" in said
    assert COMMAND in said
    assert main(["--write"], small_extension) == 0
    assert "methods/bigl.py" in listed("CrossModalSegLib", "MODULE_PYTHON_SCRIPTS", small_extension)
    assert outdated_files(small_extension) == []


def test_left_overs_and_tests_are_not_installed(tmp_path: Path) -> None:
    wanted = ["__init__.py", "presets/a.toml"]
    others = [
        "CMakeLists.txt",
        "Testing/Python/test_a.py",
        "__pycache__/__init__.cpython-312.pyc",
        ".ruff_cache/x",
        "presets/.DS_Store",
        "presets/a.toml~",
        "pretrained/model.ckpt",
        "notes.log",
    ]
    for name in wanted + others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert files_to_install(tmp_path) == wanted


def test_a_repository_that_is_set_reaches_all_addresses(small_extension: Path) -> None:
    (small_extension / "CrossModalSegLib" / "__init__.py").write_text(
        'REPOSITORY_URL = "https://example.org/group/SlicerCrossModalSeg.git"\n', encoding="utf-8"
    )
    main(["--write"], small_extension)
    base = "https://example.org/group/SlicerCrossModalSeg"
    cmake = (small_extension / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f'set(EXTENSION_HOMEPAGE "{base}")' in cmake
    assert f'set(EXTENSION_ICONURL "{base}/raw/main/{list_installed_files.ICON}")' in cmake
    assert ".invalid" not in cmake
    entry = (small_extension / "CrossModalSeg.json").read_text(encoding="utf-8")
    assert f'"scm_url": "{base}"' in entry


def test_a_cmake_file_without_the_two_lines_is_refused(small_extension: Path) -> None:
    path = small_extension / "CrossModalSeg" / "CMakeLists.txt"
    path.write_text("set(MODULE_PYTHON_SCRIPTS a.py)\n", encoding="utf-8")
    with pytest.raises(ListError, match="lacks the two lines"):
        expected_contents(small_extension)
