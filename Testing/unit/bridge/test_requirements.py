"""The list of packages for Slicer."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement as Declared
from packaging.utils import canonicalize_name

from CrossModalSegLib.bridge.requirements import (
    PROTECTED,
    TORCH,
    Group,
    fits,
    read_requirements,
    requirements_of,
)
from CrossModalSegLib.cli.doctor import PACKAGES
from CrossModalSegLib.core.errors import ConfigError

SLICER = {
    "python_version": "3.12",
    "python_full_version": "3.12.10",
    "sys_platform": "win32",
    "platform_system": "Windows",
    "implementation_name": "cpython",
    "extra": "",
}
"""Where markers are looked at: what has the most dependencies."""


@pytest.mark.parametrize("group", ["predict", "train"])
def test_the_list_has_all_that_its_packages_need_in_turn(group: Group) -> None:
    """Everything is installed with --no-deps, so nothing may be left to pip."""
    listed = {each.name: each for each in requirements_of(group)}
    for name in listed:
        for text in importlib.metadata.requires(name) or ():
            declared = Declared(text)
            if declared.marker is not None and not declared.marker.evaluate(SLICER):
                continue
            dependency = canonicalize_name(declared.name)
            assert dependency in listed or dependency in PROTECTED, f"{name} needs {text}"


def test_bounds_agree_with_those_of_the_library() -> None:
    own: dict[str, str] = {canonicalize_name(name): text for name, text in PACKAGES.items()}
    for each in requirements_of("train"):
        assert own.get(each.name, each.bounds) == each.bounds
        assert each.bounds.startswith(">="), each
        assert each.size_mb > 0
    assert own["torch"] == TORCH


def test_training_needs_what_prediction_needs_and_more() -> None:
    predict, train = set(requirements_of("predict")), set(requirements_of("train"))
    assert predict < train
    assert sum(each.size_mb for each in predict) < 10


def test_modules_have_the_names_under_which_they_are_imported() -> None:
    provided = importlib.metadata.packages_distributions()
    for each in requirements_of("train"):
        owners = {canonicalize_name(name) for name in provided.get(each.module, ())}
        assert each.name in owners, each


def test_protected_packages_are_left_out_even_if_somebody_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    lines = ["# [predict]", "numpy>=2", "SimpleITK", "Torch>=2", "tyro>=0.9", "requests", "vtk"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [each.name for each in requirements_of("predict", path)] == ["tyro"]


def test_lines_are_read_with_bounds_group_and_size() -> None:
    found = read_requirements(
        ["# About.", "", "# [predict]", "Typing_Extensions>=4.14  # 0.2 MB", "# [train]", "a.b"]
    )
    assert [(each.name, each.text, each.group, each.size_mb) for each in found] == [
        ("typing-extensions", "typing-extensions>=4.14", "predict", 0.2),
        ("a-b", "a-b", "train", 0.0),
    ]
    assert found[0].module == "typing_extensions"


@pytest.mark.parametrize(
    "lines",
    [
        ["tyro>=1"],
        ["# [predict]", "tyro==1.0"],
        ["# [predict]", "-e ."],
        ["# [predict]", "tyro @ https://example.org/tyro.whl"],
        ["# [predict]", "--index-url https://example.org"],
        ["# [other]", "tyro"],
    ],
)
def test_a_line_that_is_no_plain_requirement_is_refused(lines: list[str]) -> None:
    with pytest.raises(ConfigError):
        read_requirements(lines)


@pytest.mark.parametrize(
    ("version", "bounds", "is_inside"),
    [
        ("2.8.0+cu128", ">=2.6", True),
        ("2.10", ">=2.6", True),
        ("1.13.1", ">=2.6", False),
        ("3.0", ">=2.5,<3", False),
        ("2.99.9", ">=2.5,<3", True),
        ("3", ">=3.0.0", True),
        ("1.0rc1", ">=1.0", True),
        ("anything", "", True),
    ],
)
def test_versions_are_compared_by_their_numbers(
    version: str, bounds: str, *, is_inside: bool
) -> None:
    assert fits(version, bounds) == is_inside
