"""requirements.lock is exact and complete, for every Python and system that is supported."""

from __future__ import annotations

import importlib.metadata
import tomllib
from collections.abc import Iterator

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bootstrap

SYSTEMS = {
    "Linux": ("linux", "posix", "x86_64"),
    "Darwin": ("darwin", "posix", "arm64"),
    "Windows": ("win32", "nt", "AMD64"),
}
PYTHONS = ("3.11", "3.12", "3.13")


def read_requirements() -> list[Requirement]:
    text = (bootstrap.ROOT / "requirements.lock").read_text(encoding="utf-8")
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


NOT_HERE = {
    canonicalize_name(pin.name)
    for pin in read_requirements()
    if pin.marker and not pin.marker.evaluate()
}
"""What other systems need, whose own needs cannot be read here."""

LOCK = {canonicalize_name(pin.name): pin for pin in read_requirements()}


def environment(python: str, system: str) -> dict[str, str]:
    platform, os_name, machine = SYSTEMS[system]
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": os_name,
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "platform_python_implementation": "CPython",
        "python_version": python,
        "sys_platform": platform,
    }


def applies(marker: Marker | None, where: dict[str, str]) -> bool:
    return marker is None or marker.evaluate({**where, "extra": ""})


def project() -> dict[str, list[Requirement]]:
    """The ranges of pyproject.toml by extra; those of the library itself under ''."""
    table = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ranges = {"": table["project"]["dependencies"], **table["project"]["optional-dependencies"]}
    ranges["build"] = table["build-system"]["requires"]
    return {extra: [Requirement(line) for line in lines] for extra, lines in ranges.items()}


def test_every_line_is_one_exact_version() -> None:
    for pin in read_requirements():
        (only,) = pin.specifier
        assert only.operator == "==", pin
        assert "*" not in only.version, pin
        assert "+" not in only.version, f"{pin}: a local build is to be had in few places"
        assert pin.url is None
        assert not pin.extras


def test_no_package_is_named_twice_and_they_are_in_order() -> None:
    names = [pin.name.lower() for pin in read_requirements()]
    assert len(LOCK) == len(names)
    assert names == sorted(names)


@pytest.mark.parametrize("extra", project())
def test_the_pins_lie_in_the_ranges_of_the_metadata(extra: str) -> None:
    for requirement in project()[extra]:
        pin = LOCK[canonicalize_name(requirement.name)]
        (only,) = pin.specifier
        assert requirement.specifier.contains(only.version), f"{requirement}: {pin}"


def test_the_pythons_of_the_metadata_and_of_bootstrap_are_the_same() -> None:
    table = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    supported = Requirement(f"python {table['project']['requires-python']}").specifier
    for minor in range(9, 17):
        assert ((3, minor) in bootstrap.SUPPORTED) == supported.contains(f"3.{minor}")


def needs(name: str, where: dict[str, str]) -> Iterator[Requirement]:
    """Yield what a package needs there, by the metadata of the one that is installed here."""
    for requirement in map(Requirement, importlib.metadata.requires(name) or []):
        # They come with torch itself, and only where there is a GPU.
        is_cuda = requirement.name.startswith(("nvidia-", "cuda-", "triton"))
        if applies(requirement.marker, where) and not (name == "torch" and is_cuda):
            yield requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_that_a_package_needs_is_missing(python: str, system: str) -> None:
    where = environment(python, system)
    there = {name: pin for name, pin in LOCK.items() if applies(pin.marker, where)}
    here = {name for name in there if name not in NOT_HERE}
    wrong = [
        f"{name} needs {requirement}; the lock has {pin or 'nothing'}"
        for name in sorted(here)
        for requirement in needs(name, where)
        for pin in [there.get(canonicalize_name(requirement.name))]
        if pin is None or not requirement.specifier.contains(str(pin.specifier).strip("="))
    ]
    assert wrong == []


def test_what_is_installed_here_is_what_the_lock_says() -> None:
    for name in LOCK.keys() - NOT_HERE:
        assert LOCK[name].specifier.contains(importlib.metadata.version(name)), LOCK[name]
