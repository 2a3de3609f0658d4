"""MPSCL's copy of the SIFA release: `train_{ct,mr}/*.npy` with labels in `*.npy_gt`.

Training slices were scaled to [-1, 1] from SIFA's ranges, which is undone, so that they have the
z-scores of the test volumes (`test_{ct,mr}/*.npz`, read by `sifa`). Like there, slices name no
patients: a folder is one subject, prescribed for training.
"""

from __future__ import annotations

from pathlib import Path

from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    Wanted,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.adapters.readers import SliceReader
from CrossModalSegLib.data.adapters.sifa import SCHEME, SLICES_A_CASE, find_sifa_volumes
from CrossModalSegLib.data.intensity import SIFA_RANGES

EXPECTED = "MPSCL's release: train_mr/*.npy with *.npy_gt, test_ct/*.npz"

_LABEL_ENDINGS = (".npy_gt", ".npy_gt.npy", "_gt.npy")


def find_mpscl(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the slices and test volumes of one modality."""
    if not root.is_dir():
        return None
    kind = "ct" if wanted.modality == "ct" else "mr"
    places = {p.name: p for p in (root, *sorted(root.glob("*/")), *sorted(root.glob("*/*/")))}
    trains = {name: place for name, place in places.items() if name in {"train_ct", "train_mr"}}
    if not any(_images(place) for place in trains.values()):
        return None
    cases: list[CaseFiles] = []
    problems: list[CaseProblem] = []
    place = trains.get(f"train_{kind}")
    if place is not None:
        pairs, problems = _pairs(_images(place))
        cases += _stacks(f"train_{kind}", place, pairs, SIFA_RANGES[kind])
    tests = places.get(f"test_{kind}")
    released = find_sifa_volumes(tests, wanted) if tests is not None else None
    if released is not None:
        cases += released.cases
        problems += released.problems
    return Discovery(
        dataset="mpscl",
        layout=f"MPSCL's numpy release of {kind.upper()}: {len(cases)} stacks and volumes",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=tuple(f"{n}: the other modality" for n in sorted(trains) if n[-2:] != kind),
        recipe="sifa_release",
    )


def _images(place: Path) -> list[Path]:
    return [
        path
        for path in walk_files(place, 0)
        if path.suffix == ".npy" and not path.name.endswith(_LABEL_ENDINGS)
    ]


def _pairs(images: list[Path]) -> tuple[list[tuple[Path, Path]], list[CaseProblem]]:
    pairs, problems = [], []
    for image in images:
        names = (f"{image.stem}{ending}" for ending in _LABEL_ENDINGS)
        label = next((p for name in names if (p := image.with_name(name)).is_file()), None)
        if label is None:
            problems.append(
                CaseProblem(
                    case=image.name,
                    problem=f"has no labels {image.name}_gt",
                    hint="Download the file again.",
                )
            )
        else:
            pairs.append((image, label))
    return pairs, problems


def _stacks(
    name: str, place: Path, pairs: list[tuple[Path, Path]], unit_range: tuple[float, float]
) -> list[CaseFiles]:
    groups = [pairs[at : at + SLICES_A_CASE] for at in range(0, len(pairs), SLICES_A_CASE)]
    return [
        CaseFiles(
            id=f"{name}_{index:03d}",
            subject=name,
            image=place,
            label=place,
            split="train",
            reader=SliceReader(
                tuple(image for image, _ in group), tuple(label for _, label in group), unit_range
            ),
            scheme=SCHEME,
        )
        for index, group in enumerate(groups)
    ]
