"""What produced a set of scores (CONTRACTS: provenance.json)."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from CrossModalSegLib.core.config import from_dict, read_json, to_dict, write_json
from CrossModalSegLib.core.errors import ConfigError

PROVENANCE_FILE = "provenance.json"
PROVENANCE_VERSION = 1

REPORTED_PACKAGES = (
    "crossmodalseg",
    "lightning-fabric",
    "matplotlib",
    "monai",
    "numpy",
    "scipy",
    "SimpleITK",
    "slicer-core",
    "torch",
)
"""Packages whose version can change a number or a picture."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Everything that is needed to make the same scores again."""

    version: str
    """Version of this library."""
    command: str
    """The command line, or the call, that made the scores."""
    task: str
    policy: str
    """How empty masks were scored: brats, exclude or worst."""
    nsd_tolerance_mm: float | None = None
    """Within which surfaces count as one in the normalised surface Dice."""
    missing_predictions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each method's cases without a prediction."""
    missing_references: tuple[str, ...] = ()
    """Cases that were predicted but have no reference, and so no score."""
    bundle_hashes: Mapping[str, str] = field(default_factory=dict)
    """Content hash of each method's model bundle."""
    cohort_hashes: Mapping[str, str] = field(default_factory=dict)
    """Content hash of each cohort by its role, e.g. "target test"."""
    score_hashes: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each scores file that was compared, by its path."""
    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = field(default_factory=platform.python_version)
    platform: str = field(default_factory=platform.platform)
    device: str = "cpu"
    seeds: Mapping[str, int] = field(default_factory=dict)
    """Seeds by what they were used for, e.g. "training"."""


def package_versions() -> dict[str, str]:
    """Return the versions of those `REPORTED_PACKAGES` that are installed."""
    versions = {}
    for name in REPORTED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def write_provenance(path: Path, provenance: Provenance) -> None:
    """Write a provenance.json atomically; an existing file is replaced.

    Raises:
        StorageError: The disk is full or not writable.
    """
    write_json(path, {"v": PROVENANCE_VERSION, **to_dict(provenance)})


def read_provenance(path: Path) -> Provenance:
    """Read a provenance.json.

    Raises:
        ConfigError: The file is missing, damaged, or of another version.
    """
    content = read_json(path)
    version = content.pop("v", None)
    if version != PROVENANCE_VERSION:
        raise ConfigError(f"{path} has version {version!r}, expected {PROVENANCE_VERSION}.")
    return from_dict(Provenance, content, str(path))
