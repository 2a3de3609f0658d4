"""Datasets as users have them on disk, by name: the whole registry.

An adapter is one function `find(root, wanted)`: it returns the cases, or None if the layout is
not the one it knows; it never guesses from names that are not part of that layout. Datasets that
are known by name come first; a plain folder is what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError, ConfigError, UnknownNameError
from CrossModalSegLib.data.adapters import (
    brats,
    btcv,
    chaos,
    dataset_json,
    dicom,
    folder,
    manifest,
    mmwhs,
    mpscl,
    sifa,
)
from CrossModalSegLib.data.adapters.case_files import (
    CaseProblem,
    Discovery,
    Wanted,
    require_no_problems,
)
from CrossModalSegLib.data.adapters.several import join_modalities

AUTO = "auto"
"""The name that stands for whichever adapter recognises the layout."""


@dataclass(frozen=True)
class Adapter:
    """One layout of a dataset.

    Attributes:
        find: Takes the dataset's place and which images are meant.
        expected: The layout in words, for messages.
        is_generic: Whether it may also fit datasets that another adapter knows better.
        has_several: Whether a case may have images of several modalities that belong together.
    """

    find: Callable[[Path, Wanted], Discovery | None]
    expected: str
    is_generic: bool = False
    has_several: bool = False


def _find_folder(root: Path, wanted: Wanted) -> Discovery | None:
    left_out: list[CaseProblem] | None = None if wanted.is_strict else []
    return folder.find_folder(root, wanted.modality, left_out)


def _find_manifest(root: Path, wanted: Wanted) -> Discovery | None:
    left_out: list[CaseProblem] | None = None if wanted.is_strict else []
    return manifest.find_manifest(root, wanted.modality, left_out)


ADAPTERS: dict[str, Adapter] = {
    "brats": Adapter(brats.find_brats, brats.EXPECTED, has_several=True),
    "mmwhs": Adapter(mmwhs.find_mmwhs, mmwhs.EXPECTED),
    "sifa_slices": Adapter(sifa.find_sifa_slices, sifa.EXPECTED),
    "mpscl": Adapter(mpscl.find_mpscl, mpscl.EXPECTED),
    "sifa_volumes": Adapter(sifa.find_sifa_volumes, sifa.EXPECTED, is_generic=True),
    "chaos": Adapter(chaos.find_chaos, chaos.EXPECTED),
    "btcv": Adapter(btcv.find_btcv, btcv.EXPECTED),
    "nnunet": Adapter(dataset_json.find_nnunet, dataset_json.NNUNET_EXPECTED, has_several=True),
    "decathlon": Adapter(
        dataset_json.find_decathlon, dataset_json.DECATHLON_EXPECTED, has_several=True
    ),
    "folder": Adapter(_find_folder, folder.EXPECTED, is_generic=True, has_several=True),
    "csv": Adapter(_find_manifest, manifest.EXPECTED, has_several=True),
    "dicom": Adapter(dicom.find_dicom, dicom.EXPECTED, is_generic=True, has_several=True),
}


def find_dataset(dataset: str, root: Path, wanted: Wanted) -> Discovery:
    """Find the cases of a dataset.

    Args:
        dataset: Name of an adapter, or "auto" to recognise the layout by its structure.
        root: The dataset's folder or file.
        wanted: Which images are meant where a case has several, and whether one bad case of a plain
            folder or list is an error for all of it; known datasets always return theirs.

    Returns:
        What was recognised; at least one case or problem.

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
    found = _find(chosen, root, wanted)
    if len(found) > 1:
        raise CohortError(
            f"{root} could be {' or '.join(f'{f.dataset!r} ({f.layout})' for f in found)}.",
            hint=f"Name the dataset: {', '.join(f.dataset for f in found)}.",
        )
    if not found or not (found[0].cases or found[0].problems):
        expected = "; or ".join(f"{name}: {a.expected}" for name, a in chosen.items())
        raise CohortError(
            f"{root} holds no cases that were recognised.", hint=f"Expected {expected}."
        )
    return found[0]


def find_modalities(dataset: str, root: Path, wanted: Sequence[Wanted]) -> Discovery:
    """Find the cases of a dataset with an image of each modality.

    Args:
        dataset: As for `find_dataset`.
        root: The dataset's folder or file.
        wanted: The images of a case, in the order that its channels get.

    Returns:
        What was recognised; a case that lacks a modality is a problem.

    Raises:
        UnknownNameError: No such adapter.
        CohortError: As for `find_dataset`, or the dataset has one image a case.
        ConfigError: A modality is named twice.
    """
    names = [one.modality for one in wanted]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ConfigError(
            f"{' and '.join(double)} {'are' if len(double) > 1 else 'is'} named several times.",
            hint="Name each modality once.",
        )
    first = find_dataset(dataset, root, wanted[0])
    if len(wanted) == 1:
        return first
    if not ADAPTERS[first.dataset].has_several:
        able = ", ".join(name for name, adapter in ADAPTERS.items() if adapter.has_several)
        raise CohortError(
            f"{root} ({first.layout}) has no images of one case that belong together; "
            f"{', '.join(names)} were asked for.",
            hint=f"Name one modality. Several can be taken of: {able}.",
        )
    rest = [find_dataset(first.dataset, root, one) for one in wanted[1:]]
    joined = join_modalities([first, *rest], names)
    if wanted[0].is_strict and first.dataset in {"folder", "csv"}:
        texts = [f"{problem.case}: {problem.problem}" for problem in joined.problems]
        hint = joined.problems[0].hint if joined.problems else ""
        require_no_problems(texts, root, hint)
    return joined


def _find(chosen: dict[str, Adapter], root: Path, wanted: Wanted) -> list[Discovery]:
    """Ask the adapters of known datasets first, then each general one until one answers."""
    named = [a for a in chosen.values() if not a.is_generic]
    found = [f for a in named if (f := a.find(root, wanted))]
    general = (a for a in chosen.values() if a.is_generic)
    return found or [f for a in general if (f := a.find(root, wanted))][:1]
