"""The extension's entry for the Extensions Index, and what the index's reviewers look for."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import CrossModalSegLib
from Testing.packaging.list_installed_files import (
    COMMAND,
    ICON,
    ROOT,
    SCREENSHOTS,
    UNSET_REPOSITORY_URL,
    file_url,
    repository_url,
)

ENTRY = ROOT / "CrossModalSeg.json"
SCHEMA = (
    "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/"
    "slicer-extension-catalog-entry-schema-v1.0.1.json#"
)
KEYS: dict[str, type | tuple[Any, ...]] = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "enabled": bool,
    "scm_revision": str,
    "scm_type": ("git", "local"),
    "scm_url": str,
    "tier": (1, 3, 5),
}
"""Schema 1.0.1 knows these keys and no others: a type, or the values to choose from."""

GIT = shutil.which("git")
LARGEST_CLONE_MIB = 100


def entry() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(ENTRY.read_text(encoding="utf-8"))
    return content


def root_cmake() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def cmake_string(name: str) -> str:
    """Read a variable as the index's script does: one literal string in double quotes."""
    (value,) = re.findall(rf'set\s*\({name}\s*"([^"]+)"\)', root_cmake())
    return str(value)


def test_the_entry_has_the_keys_and_types_of_the_schema() -> None:
    content = entry()
    assert content["$schema"] == SCHEMA
    assert {"$schema", "category", "scm_url"} <= content.keys() <= KEYS.keys()
    for key, value in content.items():
        expected = KEYS[key]
        if isinstance(expected, tuple):
            assert value in expected, key
        else:
            assert type(value) is expected, key


def test_the_entry_says_what_this_extension_is() -> None:
    content = entry()
    assert content["category"] == "Segmentation"
    assert content["build_dependencies"] == ["PyTorch"]
    assert content["tier"] == 1
    assert content["scm_revision"] == "main"


def test_file_project_module_and_repository_are_named_as_the_index_wants_it() -> None:
    (project,) = re.findall(r"^project\s*\(\s*([^\s)]+)", root_cmake(), flags=re.MULTILINE)
    assert project == ENTRY.stem == "CrossModalSeg"
    assert not project.lower().startswith("slicer")
    repository = urlsplit(entry()["scm_url"]).path.split("/")[-1]
    assert repository.startswith("Slicer")
    assert (ROOT / project / f"{project}.py").is_file()


def test_one_constant_rules_all_addresses() -> None:
    url = CrossModalSegLib.REPOSITORY_URL or UNSET_REPOSITORY_URL
    assert repository_url() == url.removesuffix(".git")
    assert entry()["scm_url"] == repository_url(), COMMAND
    assert cmake_string("EXTENSION_HOMEPAGE") == repository_url(), COMMAND
    assert cmake_string("EXTENSION_ICONURL") == file_url(ICON), COMMAND
    assert cmake_string("EXTENSION_SCREENSHOTURLS").split() == [
        file_url(path) for path in SCREENSHOTS
    ], COMMAND


def test_every_address_is_a_valid_one() -> None:
    addresses = [
        entry()["scm_url"],
        cmake_string("EXTENSION_HOMEPAGE"),
        cmake_string("EXTENSION_ICONURL"),
        *cmake_string("EXTENSION_SCREENSHOTURLS").split(),
    ]
    for address in addresses:
        parts = urlsplit(address)
        assert parts.scheme == "https"
        assert "." in parts.netloc
        assert parts.path.startswith("/")
        assert not parts.query


def test_the_readme_says_whether_the_repository_is_known() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert ("REPOSITORY_URL" in readme) == (not CrossModalSegLib.REPOSITORY_URL)
    assert ".invalid" not in readme


def test_contributors_and_dependencies_are_given() -> None:
    assert cmake_string("EXTENSION_CONTRIBUTORS") == "CrossModalSeg contributors"
    assert cmake_string("EXTENSION_DEPENDS").split() == entry()["build_dependencies"]


def test_the_description_is_a_few_sentences_for_the_catalogue() -> None:
    description = cmake_string("EXTENSION_DESCRIPTION")
    assert 3 <= description.count(". ") + 1 <= 6
    assert "research use only" in description
    assert not set(description) & set('\\;$<>"')


def test_the_screenshots_are_there() -> None:
    for path in SCREENSHOTS:
        width, height = png_size(ROOT / path)
        assert width >= 300, path
        assert height >= 200, path


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height out of a PNG file's header."""
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n", path
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def test_the_licence_is_one_that_the_index_takes_and_the_readme_names_it() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:400]
    assert "Apache License" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(GIT is None, reason="git is not installed")
def test_the_clone_with_its_history_stays_small() -> None:
    done = subprocess.run(
        [str(GIT), "count-objects", "-v"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("this is no git repository")
    sizes = dict(line.split(": ") for line in done.stdout.splitlines())
    assert (int(sizes["size"]) + int(sizes["size-pack"])) / 1024 < LARGEST_CLONE_MIB
