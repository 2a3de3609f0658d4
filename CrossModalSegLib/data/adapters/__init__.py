"""Datasets as users have them on disk.

`registry` knows all layouts; it is loaded only when a dataset is looked for, since it loads readers
of images, which whoever only needs the names here must not wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from CrossModalSegLib.data.adapters.case_files import CaseFiles, CaseProblem, Discovery, Wanted

__all__ = ["CaseFiles", "CaseProblem", "Discovery", "Wanted", "discover"]


def discover(
    dataset: str,
    root: Path,
    modality: str | Sequence[str],
    *,
    series: str | Sequence[str] = "",
    is_strict: bool = True,
) -> Discovery:
    """Find the cases of a dataset: see `registry.find_modalities`.

    Args:
        dataset: Name of an adapter, or "auto".
        root: The dataset's folder or file.
        modality: One, or those that make the channels of a case, in order.
        series: One, or as many as there are modalities.
        is_strict: Whether one bad case of a plain folder or list is an error for all of it.
    """
    from CrossModalSegLib.data.adapters.registry import find_modalities

    names = [modality] if isinstance(modality, str) else list(modality)
    parts = [series] * len(names) if isinstance(series, str) else list(series)
    wanted = [
        Wanted(modality=name, series=part, is_strict=is_strict)
        for name, part in zip(names, parts, strict=True)
    ]
    return find_modalities(dataset, root, wanted)
