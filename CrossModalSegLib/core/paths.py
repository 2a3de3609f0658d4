"""File names of volumes."""

from __future__ import annotations

from pathlib import Path

VOLUME_SUFFIXES = (".nii.gz", ".seg.nrrd", ".nrrd", ".nii", ".mha")
"""Endings of the volume files that the library reads and writes, longest match first."""


def volume_suffix(path: Path | str) -> str:
    """Return the ending of a volume file in lower case, or "" if it is none that we know."""
    name = Path(path).name.lower()
    return next((suffix for suffix in VOLUME_SUFFIXES if name.endswith(suffix)), "")


def case_name(path: Path | str) -> str:
    """Return a volume's file name without its ending (CONTRACTS: scores.json)."""
    name = Path(path).name
    suffix = volume_suffix(path)
    return name[: -len(suffix)] if suffix else name
