"""The preprocessed MMWHS release of SIFA and PnP-AdaNet: slices for training, volumes for tests.

`{ct,mr}_{train,val}_tfs/*slice{N}.tfrecords`, one slice and its neighbours each. Slices are of
16 patients and augmented, but no file says of whom: each folder is one subject, prescribed for
training (`train`), and for validation (`val`; those of MR *are* the test patients, so that they
count as test).

`image_{ct,mr}_NNNN.nii.gz` with `gth_...`, or `*_{ct,mr}_NNNN*.npz` that hold both: the test
volumes (MPSCL's copies are named `image_mr_1018.nii.gz.npz`).

A stray label 5 is background. Intensities are z-scores: the recipe `sifa_release`.
"""

from __future__ import annotations

import re
from pathlib import Path

from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    Wanted,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.adapters.readers import ReleasedVolumeReader, SliceReader
from CrossModalSegLib.data.label_schemes import LabelScheme
from CrossModalSegLib.data.split_names import Split

EXPECTED = (
    "the SIFA release: ct_train_tfs/ct_train_slice1.tfrecords (ct_val_tfs, mr_...), or its test "
    "volumes image_mr_1018.nii.gz and gth_mr_1018.nii.gz, or *.npz"
)

SCHEME = LabelScheme(values={"cardiac": {1: 1, 2: 2, 3: 3, 4: 4}}, strays={5: 0})

SLICES_A_CASE = 200
"""Slices that are read into one volume: 50 MiB."""

_FOLDER = re.compile(r"(?P<kind>ct|mr)_(?P<part>train|val)_tfs")
_VOLUME = re.compile(r"(?:(?P<part>image|gth)_)?(?P<id>(?:[a-z]+_)*(?P<kind>ct|mr)_\w*\d{4})")

_SPLITS: dict[tuple[str, str], Split] = {
    ("ct", "train"): "train",
    ("ct", "val"): "validation",
    ("mr", "train"): "train",
    ("mr", "val"): "test",
}


def find_sifa_slices(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the training and validation slices of one modality."""
    if not root.is_dir():
        return None
    folders = [root, *(p for p in sorted(root.rglob("*_tfs")) if p.is_dir())]
    matches = [(p, m) for p in folders if (m := _FOLDER.fullmatch(p.absolute().name))]
    if not matches:
        return None
    kind = "ct" if wanted.modality == "ct" else "mr"
    cases, problems, ignored = [], [], []
    for folder, match in matches:
        name = f"{match['kind']}_{match['part']}"
        files = sorted(folder.glob("*.tfrecords"), key=_number)
        if match["kind"] != kind:
            ignored.append(f"{folder.name}: the other modality")
        elif not files:
            problems.append(CaseProblem(case=name, problem="has no .tfrecords files"))
        for index, group in enumerate(_groups(files) if match["kind"] == kind else ()):
            cases.append(
                CaseFiles(
                    id=f"{name}_{index:03d}",
                    subject=name,
                    image=folder,
                    label=folder,
                    split=_SPLITS[kind, match["part"]],
                    reader=SliceReader(group),
                    scheme=SCHEME,
                )
            )
    return Discovery(
        dataset="sifa_slices",
        layout=f"SIFA's TFRecords of {kind.upper()}: {len(cases)} stacks of slices",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=tuple(ignored),
        recipe="sifa_release",
    )


def find_sifa_volumes(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the test volumes of one modality."""
    if not root.is_dir():
        return None
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    others = 0
    is_release = False
    kind = "ct" if wanted.modality == "ct" else "mr"
    for path in walk_files(root, 1):
        is_npz = path.name.endswith(".npz")
        match = _VOLUME.fullmatch(case_name(path.name.removesuffix(".npz")))
        is_pair = match is not None and match["part"] and path.name.endswith(".nii.gz")
        if match is None or not (is_npz or is_pair):
            continue
        is_release = True
        if match["kind"] != kind:
            others += 1
        elif is_npz:
            images[match["id"]] = labels[match["id"]] = path
        else:
            (images if match["part"] == "image" else labels).setdefault(match["id"], path)
    if not is_release:
        return None
    problems = [
        CaseProblem(case=name, problem="has labels (gth) and no image", hint="Download it.")
        for name in sorted(set(labels) - set(images))
    ]
    cases = [
        CaseFiles(
            id=name,
            subject=name,
            image=path,
            label=labels.get(name),
            split="test",
            reader=ReleasedVolumeReader(),
            scheme=SCHEME,
        )
        for name, path in images.items()
    ]
    return Discovery(
        dataset="sifa_volumes",
        layout=f"SIFA's test volumes of {kind.upper()}: {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=(f"{others} files of the other modality",) if others else (),
        recipe="sifa_release",
    )


def _groups(files: list[Path]) -> list[tuple[Path, ...]]:
    return [tuple(files[at : at + SLICES_A_CASE]) for at in range(0, len(files), SLICES_A_CASE)]


def _number(path: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", path.stem)
    return (int(numbers[-1]) if numbers else 0), path.name
