"""Datasets as users have them on disk.

`registry` knows all layouts; it is loaded only when a dataset is looked for, since it loads readers
of images, which whoever only needs the names here must not wait for.
"""

from __future__ import annotations

from pathlib import Path

from CrossModalSegLib.data.adapters.case_files import CaseFiles, CaseProblem, Discovery, Wanted

__all__ = ["CaseFiles", "CaseProblem", "Discovery", "Wanted", "discover"]


def discover(
    dataset: str, root: Path, modality: str, *, series: str = "", is_strict: bool = True
) -> Discovery:
    """Find the cases of a dataset: see `registry.find_dataset`."""
    from CrossModalSegLib.data.adapters.registry import find_dataset

    wanted = Wanted(modality=modality, series=series, is_strict=is_strict)
    return find_dataset(dataset, root, wanted)
