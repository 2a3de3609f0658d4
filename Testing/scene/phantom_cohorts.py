"""Cohorts of cardiac phantoms, made by the commands of `docs/tutorial-train.md`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from CrossModalSegLib.bridge.processes import library_command, library_environment

MODALITIES: Mapping[str, str] = {"source": "ct", "target": "mr_bssfp"}
"""Role of a cohort -> its modality."""


def make_cohorts(folder: Path, subjects: int) -> None:
    """Make phantoms of both domains and prepare them, 64 x 64 at 3 mm.

    Args:
        folder: Gets one cohort for each domain, named by `cohort_name`.
        subjects: Of each domain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crossmodalseg-phantoms-") as data:
        for role, modality in MODALITIES.items():
            files = str(Path(data) / modality)
            phantoms = ["--modality", modality, "--subjects", str(subjects), "--output", files]
            run_command("phantom", "cardiac", *phantoms)
            options = ["--dataset", "folder", "--root", files, "--modality", modality]
            options += ["--task", "cardiac", "--matrix", "64", "64", "--spacing", "3", "3"]
            options += ["--labels", "required" if role == "source" else "ignored"]
            run_command("prepare", *options, "--output", str(folder / cohort_name(modality)))


def cohort_name(modality: str) -> str:
    """Return the name of a modality's cohort."""
    return f"heart_{modality}"


def run_command(*arguments: str) -> None:
    """Run the library's command line.

    Raises:
        CalledProcessError: It failed.
    """
    command = library_command(*arguments, "--progress", "silent")
    subprocess.run(command, check=True, env=library_environment())
