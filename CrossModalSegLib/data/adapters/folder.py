"""Plain folders of volumes, in three layouts. Names carry no meaning beyond those given here.

=====================================  ==========================================================
layout                                 files
=====================================  ==========================================================
a folder for each case                 `ROOT/<case>/image.*` or `image_<modality>.*`, `label.*`
images and labels in two folders       `ROOT/images/<case>.*`, `ROOT/labels/<case>.*`
images alone                           `ROOT/<case>.*`
=====================================  ==========================================================

`*` is .nii.gz, .nii, .nrrd or .mha, for labels also .seg.nrrd; labels may be absent; the subject is
the case. Label maps hold the task's values; those of `brain_tumour` also do for `whole_tumour`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from CrossModalSegLib.core.errors import CohortError
from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    is_image_file,
    is_label_file,
    settle_problems,
    sorted_cases,
)
from CrossModalSegLib.data.label_schemes import LabelScheme

EXPECTED = (
    "a folder with <case>/image.nii.gz (and label.nii.gz), or images/<case>.nii.gz (and "
    "labels/<case>.nii.gz), or <case>.nii.gz files (.nii, .nrrd and .mha also do)"
)

COHORT_FILE = "cohort.json"

SCHEME = LabelScheme(values={"whole_tumour": {1: 1, 2: 1, 3: 1}})
"""The whole tumour is the union of the parts that `brain_tumour` tells apart."""

_LeftOut = list[CaseProblem] | None
_Finder = Callable[[Path, str, _LeftOut], list[CaseFiles]]


def find_folder(root: Path, modality: str, left_out: _LeftOut = None) -> Discovery | None:
    """Find the cases of a plain folder.

    Args:
        root: The dataset's folder.
        modality: Chooses `image_<modality>.*` where a case folder holds several modalities.
        left_out: Gets what is wrong with single cases, which is an error otherwise.

    Returns:
        What was found, or None if `root` has none of the layouts.

    Raises:
        CohortError: The layout is clear but files are missing, ambiguous or left over.
    """
    if not root.is_dir():
        return None
    if (root / COHORT_FILE).exists():
        raise CohortError(
            f"{root} is a cohort that was prepared already ({COHORT_FILE}).",
            hint="Give the folder with the original volumes, or use the cohort as it is.",
        )
    layouts: list[tuple[str, _Finder]] = []
    if _has_case_folders(root):
        layouts.append(("a folder for each case", _find_case_folders))
    if (root / "images").is_dir():
        layouts.append(("images and labels in two folders", _find_two_folders))
    if any(is_image_file(path) for path in root.iterdir()):
        layouts.append(("images alone", _find_flat))
    if not layouts:
        return None
    if len(layouts) > 1:
        raise CohortError(
            f"{root} mixes layouts: {' and '.join(name for name, _ in layouts)}.",
            hint="Move what does not belong there, or list the files in a CSV.",
        )
    name, finder = layouts[0]
    cases = sorted_cases(finder(root, modality, left_out))
    return Discovery(
        dataset="folder",
        layout=f"{name}: {len(cases)} cases",
        cases=cases,
        problems=tuple(left_out or ()),
        is_co_registered=any(_has_several(case.image) for case in cases),
    )


def _case_folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _has_case_folders(root: Path) -> bool:
    return any(
        is_image_file(path) and _is_image_name(case_name(path))
        for folder in _case_folders(root)
        if folder.name not in {"images", "labels"}
        for path in folder.iterdir()
    )


def _is_image_name(name: str) -> bool:
    return name == "image" or name.startswith("image_")


def _has_several(image: Path) -> bool:
    """Tell whether a modality's image lies beside those of other modalities."""
    if not case_name(image).startswith("image_"):
        return False
    names = {case_name(path) for path in image.parent.iterdir() if is_image_file(path)}
    return sum(name.startswith("image_") for name in names) > 1


def _find_case_folders(root: Path, modality: str, left_out: _LeftOut) -> list[CaseFiles]:
    cases: list[CaseFiles] = []
    problems: list[CaseProblem] = []
    for folder in _case_folders(root):
        volumes = sorted(path for path in folder.iterdir() if is_image_file(path))
        images = [path for path in volumes if case_name(path) == f"image_{modality}"]
        images = images or [path for path in volumes if case_name(path) == "image"]
        labels = [
            path
            for path in sorted(folder.iterdir())
            if is_label_file(path) and case_name(path) == "label"
        ]
        if len(images) != 1:
            there = ", ".join(path.name for path in volumes) or "no volumes"
            count = "no image" if not images else "several images"
            text = f"folder {folder.name!r} has {count} of modality {modality} ({there})"
            problems.append(CaseProblem(case=folder.name, problem=text))
        elif len(labels) > 1:
            names = ", ".join(path.name for path in labels)
            text = f"folder {folder.name!r} has several label maps ({names})"
            problems.append(CaseProblem(case=folder.name, problem=text))
        else:
            label = labels[0] if labels else None
            cases.append(
                CaseFiles(
                    id=folder.name,
                    subject=folder.name,
                    image=images[0],
                    label=label,
                    scheme=SCHEME,
                )
            )
    settle_problems(
        problems,
        root,
        f"Each case folder needs one image.* or image_{modality}.* and at most one label.*; "
        "move other folders away.",
        left_out,
    )
    return cases


def _find_two_folders(root: Path, modality: str, left_out: _LeftOut) -> list[CaseFiles]:
    del modality  # each case has one image here
    images = _by_case(root / "images", is_image_file, left_out)
    has_labels = (root / "labels").is_dir()
    labels = _by_case(root / "labels", is_label_file, left_out) if has_labels else {}
    if not images:
        raise CohortError(
            f"{root / 'images'} holds no volume files.",
            hint="Expected images/<case>.nii.gz (.nii, .nrrd and .mha also do).",
        )
    settle_problems(
        [
            CaseProblem(case=case, problem=f"label map {path.name!r} has no image of the same name")
            for case, path in labels.items()
            if case not in images
        ],
        root,
        "Name images/<case>.nii.gz and labels/<case>.nii.gz alike, or list the files in a CSV.",
        left_out,
    )
    return [
        CaseFiles(id=case, subject=case, image=path, label=labels.get(case), scheme=SCHEME)
        for case, path in images.items()
    ]


def _find_flat(root: Path, modality: str, left_out: _LeftOut) -> list[CaseFiles]:
    del modality  # each case has one image here
    images = _by_case(root, is_image_file, left_out)
    return [CaseFiles(id=case, subject=case, image=path) for case, path in images.items()]


def _by_case(
    folder: Path, is_wanted: Callable[[Path], bool], left_out: _LeftOut
) -> dict[str, Path]:
    found: dict[str, Path] = {}
    problems: list[tuple[str, str]] = []
    for path in sorted(folder.iterdir()):
        if is_wanted(path):
            first = found.setdefault(case_name(path), path)
            if first != path:
                problems.append(
                    (case_name(path), f"{first.name!r} and {path.name!r} name the same case")
                )
        elif is_label_file(path):
            problems.append(
                (path.name, f"{path.name!r} is a segmentation, where images are expected")
            )
    settle_problems(
        [CaseProblem(case=case, problem=problem) for case, problem in problems],
        folder,
        "Keep one volume file a case, and segmentations in a folder labels/.",
        left_out,
    )
    double = {case for case, problem in problems if problem.endswith("the same case")}
    for case in double:  # nobody knows which one is meant
        del found[case]
    return found
