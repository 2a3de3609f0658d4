"""BraTS, as each year named it: brain tumours in T1, T1ce, T2 and FLAIR of one session.

=========  ======================================================================================
release    files (anywhere up to four folders below the root; HGG/LGG folders do not matter)
=========  ======================================================================================
2012       `BRATS_HG0001/BRATS_HG0001_{T1,T1C,T2,FLAIR,truth}.mha`
2013-2015  `HGG/<case>/VSD.Brain.XX.O.MR_{T1,T1c,T2,Flair}.<n>/*.mha`, labels `VSD.Brain*.OT.*`
2017-2019  `<case>/{Brats17,Brats18,BraTS19}_*_{t1,t1ce,t2,flair,seg}.nii.gz`
2020       `<case>/BraTS20_{Training,Validation}_NNN_{t1,t1ce,t2,flair,seg}.nii.gz`
2021       `<case>/BraTS2021_NNNNN_{t1,t1ce,t2,flair,seg}.nii.gz`
2023       `<case>/BraTS-GLI-NNNNN-NNN-{t1n,t1c,t2w,t2f,seg}.nii.gz`, the last number a visit
=========  ======================================================================================

Labels: 1 NCR/NET, 2 ED, 4 ET up to 2021; 3 for ET in 2023; 2013-2015 1 necrosis, 2 oedema,
3 non-enhancing, 4 enhancing; 2012 1 oedema, 2 core, which fits the whole tumour only. The
segmentation of case 355 of 2020 is misnamed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.paths import case_name
from CrossModalSegLib.data.adapters.case_files import (
    CaseFiles,
    CaseProblem,
    Discovery,
    Wanted,
    is_image_file,
    sorted_cases,
    walk_files,
)
from CrossModalSegLib.data.label_schemes import LabelScheme

EXPECTED = "BraTS case folders, e.g. BraTS2021_00000/BraTS2021_00000_t1.nii.gz (2012 to 2023)"

_DEPTH = 5

_TO_2021 = LabelScheme(
    values={"brain_tumour": {1: 1, 2: 2, 4: 3}, "whole_tumour": {1: 1, 2: 1, 4: 1}}
)
_2023 = LabelScheme(values={"brain_tumour": {1: 1, 2: 2, 3: 3}, "whole_tumour": {1: 1, 2: 1, 3: 1}})
_2013 = LabelScheme(
    values={
        "brain_tumour": {1: 1, 2: 2, 3: 1, 4: 3},
        "whole_tumour": {1: 1, 2: 1, 3: 1, 4: 1},
    }
)
_2012 = LabelScheme(values={"whole_tumour": {1: 1, 2: 1}})

_PLAIN = {"t1": "t1", "t1ce": "t1ce", "t2": "t2", "flair": "flair", "seg": "seg"}
_VSD = {"mr_t1": "t1", "mr_t1c": "t1ce", "mr_t2": "t2", "mr_flair": "flair", "ot": "seg"}
_OLDEST = {"t1": "t1", "t1c": "t1ce", "t2": "t2", "flair": "flair", "truth": "seg"}
_LATEST = {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair", "seg": "seg"}


@dataclass(frozen=True)
class _Release:
    """How one year named its files: a pattern with the groups case and kind."""

    year: str
    pattern: re.Pattern[str]
    kinds: dict[str, str]
    scheme: LabelScheme


def _release(year: str, pattern: str, kinds: dict[str, str], scheme: LabelScheme) -> _Release:
    return _Release(year, re.compile(pattern, re.IGNORECASE), kinds, scheme)


_RELEASES = (
    _release("2023", r"(?P<case>BraTS-GLI-\d+-\d+)-(?P<kind>t1n|t1c|t2w|t2f|seg)", _LATEST, _2023),
    *(
        _release(year, rf"(?P<case>{start})_(?P<kind>t1ce|t1|t2|flair|seg)", _PLAIN, _TO_2021)
        for year, start in (
            ("2021", r"BraTS2021_\d+"),
            ("2020", r"BraTS20_(?:Training|Validation|Testing)_\d+"),
            ("2019", r"BraTS19_.+"),
            ("2018", r"Brats18_.+"),
            ("2017", r"Brats17_.+"),
        )
    ),
    _release("2013-2015", r"VSD\.Brain.*\.(?P<kind>MR_T1c|MR_T1|MR_T2|MR_Flair|OT)", _VSD, _2013),
    _release("2012", r"(?P<case>BRATS_[HL]G\d+)_(?P<kind>T1C|T1|T2|FLAIR|truth)", _OLDEST, _2012),
)

_Found = dict[str, dict[str, list[Path]]]
"""By case and kind, the files."""


def find_brats(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the cases of one BraTS release.

    Of several releases in one folder the largest is taken: they share patients under other names.
    """
    if not root.is_dir():
        return None
    found: dict[str, _Found] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    strangers = []
    for path in filter(is_image_file, walk_files(root, _DEPTH)):
        match = _recognise(path)
        if match is None:
            strangers.append(path)
        else:
            release, case, kind = match
            found[release.year][case][kind].append(path)
    if not found:
        return None
    release = max(_RELEASES, key=lambda r: len(found.get(r.year, {})))
    cases, problems = _cases(found[release.year], release, wanted.modality, strangers)
    problems += [_other_release(year, len(c)) for year, c in found.items() if year != release.year]
    problems += [_stranger(path, root) for path in strangers]
    unlabelled = sum(case.label is None for case in cases)
    return Discovery(
        dataset="brats",
        layout=f"BraTS {release.year}: {len(cases)} cases with {wanted.modality}, "
        f"{len(cases) - unlabelled} with labels",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=_ignored(found[release.year], wanted.modality),
        is_co_registered=True,
        recipe="brats",
    )


def _recognise(path: Path) -> tuple[_Release, str, str] | None:
    """Return release, case and kind of a file by its name."""
    for release in _RELEASES:
        pattern, name = release.pattern, case_name(path)
        if release.year == "2013-2015":
            match = pattern.match(name) if path.suffix == ".mha" else None
            folder = path.parent.parent if path.parent.name == name else path.parent
            case = f"{folder.parent.name}_{folder.name}"
        else:
            match = pattern.fullmatch(name)
            case = match["case"] if match else ""
        if match:
            return release, case, release.kinds[match["kind"].lower()]
    return None


def _cases(
    found: _Found, release: _Release, modality: str, strangers: list[Path]
) -> tuple[list[CaseFiles], list[CaseProblem]]:
    cases, problems = [], []
    for name, files in found.items():
        notes: tuple[str, ...] = ()
        images, labels = files.get(modality, []), files.get("seg", [])
        misnamed = [p for p in strangers if p.parent.name == name and "segm" in p.name.lower()]
        if not labels and len(misnamed) == 1:
            strangers.remove(misnamed[0])
            labels, notes = misnamed, (f"its segmentation is misnamed {misnamed[0].name!r}",)
        if len(images) != 1 or len(labels) > 1:
            problems.append(_incomplete(name, files, modality))
            continue
        subject = name.rpartition("-")[0] if release.year == "2023" else name
        label = labels[0] if labels else None
        cases.append(
            CaseFiles(
                id=name,
                subject=subject,
                image=images[0],
                label=label,
                scheme=release.scheme,
                notes=notes,
            )
        )
    return cases, problems


def _incomplete(name: str, files: dict[str, list[Path]], modality: str) -> CaseProblem:
    double = [kind for kind, paths in files.items() if len(paths) > 1]
    if double:
        names = ", ".join(str(path.name) for path in files[double[0]])
        return CaseProblem(
            case=name, problem=f"has {double[0]} several times ({names})", hint="Keep one of them."
        )
    return CaseProblem(
        case=name,
        problem=f"has no {modality}; it has {', '.join(sorted(files)) or 'nothing'}",
        hint="Download the case again, or leave it out.",
    )


def _other_release(year: str, count: int) -> CaseProblem:
    return CaseProblem(
        case=f"{count} cases of {year}",
        problem=f"BraTS {year} lies in the same folder; releases share patients under other names",
        hint="Give each release a folder of its own.",
    )


def _stranger(path: Path, root: Path) -> CaseProblem:
    return CaseProblem(
        case=str(path.relative_to(root)),
        problem="is named like no file of BraTS",
        hint="Give it back its name, or move it away.",
    )


def _ignored(found: _Found, modality: str) -> tuple[str, ...]:
    kinds = Counter(kind for files in found.values() for kind in files)
    return tuple(
        f"{count} files of {kind}"
        for kind, count in sorted(kinds.items())
        if kind not in {modality, "seg"}
    )
