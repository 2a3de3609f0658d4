"""What the machine has and what is missing."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.cli import doctor
from CrossModalSegLib.cli.command import NegativeAnswer
from CrossModalSegLib.cli.doctor import PACKAGES, PYTHON_VERSIONS, Doctor, Finding, fits
from CrossModalSegLib.core.events import Reporter

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture(autouse=True)
def _no_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a child process that draws is tested elsewhere."""

    def check() -> Iterator[Finding]:
        yield Finding(check="Slicer's views", state="limited", found="not tried")

    monkeypatch.setattr(doctor, "_check_rendering", check)


def test_what_is_needed_is_what_the_project_says() -> None:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    named = [re.match(r"[A-Za-z0-9-]+", text) for text in project["dependencies"]]
    assert {m.group(): m.string[m.end() :] for m in named if m} == PACKAGES
    (low, below) = re.findall(r"3\.(\d+)", project["requires-python"])
    assert ((3, int(low)), (3, int(below))) == PYTHON_VERSIONS


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("2.6", ">=2.6", True),
        ("2.6.0", ">=2.6", True),
        ("2.10.1+cpu", ">=2.6", True),
        ("2.5.9", ">=2.6", False),
        ("1.6.1", ">=1.5,<2", True),
        ("2.0", ">=1.5,<2", False),
        ("2.0rc1", ">=1.5,<2", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, wanted: str, *, expected: bool) -> None:
    assert fits(version, wanted) is expected


def test_this_environment_is_ready(reporter: Reporter, heard: Any) -> None:
    Doctor().run(reporter)
    assert heard.summary["ready"] is True
    found = {row["check"]: row["state"] for row in heard.summary["findings"]}
    assert found["Python"] == found["torch"] == found["Disk"] == "ok"
    assert {"Processor", "Models"} <= found.keys()


def test_a_missing_package_is_named_with_the_way_to_get_it(
    reporter: Reporter, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name == "monai":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0" if name == "torch" else installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(NegativeAnswer):
        Doctor().run(reporter)
    assert heard.summary["ready"] is False
    missing = [event for event in heard.of("warning") if event["kind"] == "missing"]
    assert [event["message"].split(":")[0] for event in missing] == ["monai", "torch"]
    assert all("pip install" in event["hint"] for event in missing)


def test_a_check_that_fails_does_not_stop_the_others(
    reporter: Reporter, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _check_processor() -> Iterator[Finding]:
        yield Finding(check="first", state="ok", found="seen")
        raise OSError("libtorch.so is damaged")

    monkeypatch.setattr(doctor, "_check_processor", _check_processor)
    Doctor().run(reporter)
    rows = {row["check"]: row["found"] for row in heard.summary["findings"]}
    assert rows["first"] == "seen"
    assert rows["processor"] == "could not be seen: libtorch.so is damaged"
    assert "Disk" in rows
