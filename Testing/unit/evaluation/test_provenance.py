"""provenance.json: round trip and versions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.evaluation.provenance import (
    Provenance,
    package_versions,
    read_provenance,
    write_provenance,
)

PROVENANCE = Provenance(
    version="0.1.0",
    command="crossmodalseg evaluate --task cardiac",
    task="cardiac",
    policy="brats",
    bundle_hashes={"dsan": "12ab"},
    cohort_hashes={"target test": "34cd"},
    packages={"numpy": "2.0"},
    device="cpu",
    seeds={"training": 7},
)


def test_provenance_survives_a_round_trip(tmp_path: Path) -> None:
    write_provenance(tmp_path / "provenance.json", PROVENANCE)
    assert read_provenance(tmp_path / "provenance.json") == PROVENANCE


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    write_provenance(path, PROVENANCE)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"v": 99}))
    with pytest.raises(ConfigError, match="version 99"):
        read_provenance(path)


def test_an_unknown_key_gets_a_suggestion(tmp_path: Path) -> None:
    path = tmp_path / "provenance.json"
    write_provenance(path, PROVENANCE)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seed": {}}))
    with pytest.raises(ConfigError, match="seeds"):
        read_provenance(path)


def test_versions_are_those_that_are_imported() -> None:
    versions = package_versions()
    assert versions["numpy"] == np.__version__
    assert all(versions.values())
