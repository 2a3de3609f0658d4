"""Datasets as users have them on disk, by name: the whole registry.

An adapter is one function `find(root, modality)`: it returns the cases, or None if the layout is
not the one it knows; it never guesses from names that are not part of that layout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError, UnknownNameError
from CrossModalSegLib.data.adapters import folder, manifest
from CrossModalSegLib.data.adapters.case_files import CaseFiles, Discovery

__all__ = ["ADAPTERS", "Adapter", "CaseFiles", "Discovery", "discover"]

AUTO = "auto"
"""The name that stands for whichever adapter recognises the layout."""


@dataclass(frozen=True)
class Adapter:
    """One layout of a dataset.

    Attributes:
        find: Takes the dataset's place and the modality.
        expected: The layout in words, for messages.
    """

    find: Callable[[Path, str], Discovery | None]
    expected: str


ADAPTERS: dict[str, Adapter] = {
    "folder": Adapter(folder.find_folder, folder.EXPECTED),
    "csv": Adapter(manifest.find_manifest, manifest.EXPECTED),
}


def discover(dataset: str, root: Path, modality: str) -> Discovery:
    """Find the cases of a dataset.

    Args:
        dataset: Name of an adapter, or "auto" to recognise the layout by its structure.
        root: The dataset's folder or file.
        modality: Which images are meant where a case has several (CONTRACTS: Identifiers).

    Returns:
        The cases, at least one, and what was recognised.

    Raises:
        UnknownNameError: No such adapter.
        CohortError: `root` does not exist, no layout or several were recognised, or the one that
            was is incomplete.
    """
    if dataset != AUTO and dataset not in ADAPTERS:
        raise UnknownNameError("dataset", dataset, [AUTO, *ADAPTERS])
    if not root.exists():
        raise CohortError(f"{root} does not exist.", hint="Check the path of the dataset.")
    chosen = ADAPTERS if dataset == AUTO else {dataset: ADAPTERS[dataset]}
    found = [f for f in (adapter.find(root, modality) for adapter in chosen.values()) if f]
    if len(found) > 1:
        raise CohortError(
            f"{root} could be {' or '.join(f'{f.dataset!r} ({f.layout})' for f in found)}.",
            hint=f"Name the dataset: {', '.join(f.dataset for f in found)}.",
        )
    if not found or not found[0].cases:
        expected = "; or ".join(f"{name}: {a.expected}" for name, a in chosen.items())
        raise CohortError(
            f"{root} holds no cases that were recognised.", hint=f"Expected {expected}."
        )
    return found[0]
