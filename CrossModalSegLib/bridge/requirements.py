"""The packages that are installed inside Slicer: which, for what, and whether they are there."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from CrossModalSegLib.core.errors import ConfigError

Group = Literal["predict", "train"]
"""What packages are needed for; training needs those of prediction too."""

GROUPS: dict[str, tuple[str, ...]] = {"predict": ("predict",), "train": ("predict", "train")}

PROTECTED = frozenset(
    {"numpy", "scipy", "simpleitk", "vtk", "torch", "torchvision", "torchaudio", "requests"}
)
"""What Slicer brings, or PyTorch's extension: pip is never asked for it."""

TORCH = ">=2.6"
"""As in pyproject.toml; through the PyTorch extension."""

MODULES = {
    "fonttools": "fontTools",
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "python-dateutil": "dateutil",
}
"""Names under which packages are imported, where they differ in more than the hyphen."""

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<bounds>(?:(?:>=|<)[\d.]+)(?:,(?:>=|<)[\d.]+)*)?"
    r"\s*(?:#\s*(?P<size>[\d.]+) MB)?"
)
_HEADING = re.compile(r"#\s*\[(?P<group>\w+)\]")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One package.

    Attributes:
        name: As the package index knows it, in lower case with hyphens.
        bounds: Of its version, e.g. ">=1.5,<2"; "" for any.
        group: What it is needed for.
        size_mb: About what it takes on the disk.
    """

    name: str
    bounds: str
    group: Group
    size_mb: float = 0.0

    @property
    def text(self) -> str:
        """What pip is asked for."""
        return f"{self.name}{self.bounds}"

    @property
    def module(self) -> str:
        """What Python imports."""
        return MODULES.get(self.name, self.name.replace("-", "_"))


def requirements_of(group: Group, path: Path | None = None) -> tuple[Requirement, ...]:
    """Return the packages that a group needs, without those that pip must not touch.

    Args:
        group: What they are for.
        path: The list; by default that of this library.

    Raises:
        ConfigError: A line cannot be read, or stands below no known heading.
    """
    if path is None:
        path = Path(str(resources.files("CrossModalSegLib") / "slicer-requirements.txt"))
    return tuple(
        requirement
        for requirement in read_requirements(path.read_text(encoding="utf-8").splitlines())
        if requirement.group in GROUPS[group] and requirement.name not in PROTECTED
    )


def read_requirements(lines: Iterable[str]) -> list[Requirement]:
    """Read a list of packages below headings like `# [train]`.

    Raises:
        ConfigError: A line cannot be read, or stands below no known heading.
    """
    found: list[Requirement] = []
    group: Group | None = None
    for line in lines:
        text = line.strip()
        if heading := _HEADING.fullmatch(text):
            group = _group(heading["group"])
        elif text and not text.startswith("#"):
            found.append(_requirement(text, group))
    return found


def installed_version(name: str) -> str | None:
    """Return the version of a package without importing it, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def fits(version: str, bounds: str) -> bool:
    """Tell whether a version lies in bounds of the form ">=1.5,<2".

    Only numbers are compared: a development version counts as the release that it leads to.
    """
    own = _numbers(version)
    for bound in filter(None, bounds.split(",")):
        limit = _numbers(bound.lstrip("<>="))
        if (own < limit) if bound.startswith(">=") else (own >= limit):
            return False
    return True


def _group(name: str) -> Group:
    if name == "predict":
        return "predict"
    if name == "train":
        return "train"
    raise ConfigError(
        f"The list of packages has a heading [{name}].", hint=f"Expected: {', '.join(GROUPS)}."
    )


def _requirement(text: str, group: Group | None) -> Requirement:
    match = _LINE.fullmatch(text)
    if match is None or group is None:
        raise ConfigError(
            f"The list of packages has the line {text!r}.",
            hint="Expected a line like `name>=1.5,<2  # 0.1 MB` below a heading.",
        )
    return Requirement(
        name=re.sub(r"[-_.]+", "-", match["name"]).lower(),
        bounds=match["bounds"] or "",
        group=group,
        size_mb=float(match["size"] or 0.0),
    )


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
