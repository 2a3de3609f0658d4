"""Data sets with a `dataset.json`: nnU-Net's raw layout, and the Medical Decathlon's (MONAI's).

========  ================================================================================
nnU-Net   `imagesTr/<case>_0000.nii.gz` (a file a channel), `labelsTr/<case>.nii.gz`, `imagesTs`;
          `channel_names` (version 1: `modality`), `labels` as name: value, `file_ending`
Decathlon `training: [{image, label}]`, `validation`, `test`; one file has all channels as its
          fourth axis; `modality` and `labels` as number: name
========  ================================================================================

Label names that are those of the task's classes give the values; if none is, values are taken as
they are. The channel is the one named like the modality, or the only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.errors import CohortError, ConfigError
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
from CrossModalSegLib.data.adapters.readers import ChannelReader
from CrossModalSegLib.data.label_schemes import LabelScheme
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.structures import plain_name

NNUNET_EXPECTED = "nnU-Net's raw layout: dataset.json, imagesTr/<case>_0000.nii.gz, labelsTr"
DECATHLON_EXPECTED = "a dataset.json with training: [{image, label}] (Medical Decathlon, MONAI)"

_FILE = "dataset.json"

_CHANNELS = {
    "t1": ("t1", "t1w", "t1n"),
    "t1ce": ("t1ce", "t1gd", "t1c", "t1 gd", "t1wce"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f", "t2 flair"),
    "ct": ("ct",),
    "mr_t2spir": ("t2spir", "t2 spir"),
    "mr_t1dual": ("t1dual", "t1 dual"),
}
"""Names of channels, for modalities that they name without doubt."""


def find_nnunet(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the cases of nnU-Net's raw layout."""
    if not (root / _FILE).is_file() or not (root / "imagesTr").is_dir():
        return None
    content = _read(root / _FILE)
    if _lists_its_files(content, root):
        return None
    names = content.get("channel_names", content.get("modality", {"0": ""}))
    channel = _channel(root, names, wanted)
    scheme = _scheme(content.get("labels", {}))
    images, others = _nnunet_files(root / "imagesTr", channel)
    labels = {case_name(p): p for p in _volumes(root / "labelsTr")}
    problems = [
        CaseProblem(case=name, problem=text, hint="Download it, or leave it out.")
        for name, text in (
            *(
                (n, "has a label map and no image")
                for n in sorted(set(labels) - others - {*images})
            ),
            *((n, f"has no channel {channel:04d}") for n in sorted(others - {*images})),
        )
    ]
    cases = [
        CaseFiles(id=name, subject=name, image=path, label=labels.get(name), scheme=scheme)
        for name, path in images.items()
    ]
    return Discovery(
        dataset="nnunet",
        layout=f"nnU-Net raw: {len(cases)} cases, channel {channel} of {len(names)}",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=("imagesTs, which has no labels",) if (root / "imagesTs").is_dir() else (),
        is_co_registered=len(names) > 1,
    )


def find_decathlon(root: Path, wanted: Wanted) -> Discovery | None:
    """Find the cases that a `dataset.json` lists; `root` is its folder, or the file."""
    path = root / _FILE if root.is_dir() else root
    if path.suffix != ".json" or not path.is_file():
        return None
    content = _read(path)
    if not _lists_its_files(content, path.parent):
        return None
    names = content.get("modality", content.get("channel_names", {"0": ""}))
    channel = _channel(root, names, wanted)
    scheme = _scheme(content.get("labels", {}))
    has_validation = bool(content.get("validation"))
    cases: list[CaseFiles] = []
    problems: list[CaseProblem] = []
    for part, split in (("training", "train"), ("validation", "validation")):
        for entry in content.get(part, []):
            given: Split | None = split if has_validation else None  # type: ignore[assignment]
            _add_entry(entry, path.parent, (channel, scheme, given), cases, problems)
    unlabelled = len(content.get("test", []))
    return Discovery(
        dataset="decathlon",
        layout=f"{_FILE}: {len(cases)} cases, channel {channel} of {len(names)}",
        cases=sorted_cases(cases),
        problems=tuple(problems),
        ignored=(f"{unlabelled} test images without labels",) if unlabelled else (),
        is_co_registered=len(names) > 1,
    )


def _add_entry(
    entry: Any,
    folder: Path,
    meaning: tuple[int, LabelScheme | None, Split | None],
    cases: list[CaseFiles],
    problems: list[CaseProblem],
) -> None:
    """Add the case that one entry of a list names, or what is wrong with it."""
    channel, scheme, split = meaning
    image = entry.get("image") if isinstance(entry, Mapping) else None
    files = [name for name in (image if isinstance(image, list) else [image]) if name]
    if not files or not all(isinstance(name, str) for name in files):
        problems.append(CaseProblem(case=str(entry)[:60], problem="names no image"))
        return
    is_separate = len(files) > 1
    place = folder / files[channel if is_separate and channel < len(files) else 0]
    label = folder / entry["label"] if isinstance(entry.get("label"), str) else None
    missing = [p for p in (place, label) if p is not None and not p.is_file()]
    if missing:
        problems.append(
            CaseProblem(
                case=case_name(place),
                problem=f"{missing[0].name} does not exist",
                hint="Download the data set again, and whole.",
            )
        )
        return
    cases.append(
        CaseFiles(
            id=case_name(folder / files[0]),  # the same for each of its channels
            subject=case_name(folder / files[0]),
            image=place,
            label=label,
            split=split,
            reader=None if is_separate else ChannelReader(channel),
            scheme=scheme,
        )
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except ConfigError as error:
        raise CohortError(error.message, hint="Download dataset.json again.") from error


def _entries(content: Mapping[str, Any]) -> bool:
    training = content.get("training")
    return isinstance(training, list) and any(isinstance(e, Mapping) for e in training)


def _lists_its_files(content: Mapping[str, Any], folder: Path) -> bool:
    """Tell the Decathlon's layout from nnU-Net's.

    nnU-Net 1 had taken over the lists, too, but its files have the number of a channel in addition.
    """
    if "file_ending" in content or not _entries(content):
        return False
    images, _ = _nnunet_files(folder / "imagesTr", 0)
    listed = [entry.get("image") for entry in content["training"] if isinstance(entry, Mapping)]
    names = {case_name(name) for name in listed if isinstance(name, str)}
    return names.isdisjoint(images)


def _volumes(folder: Path) -> list[Path]:
    return [path for path in walk_files(folder, 0) if is_image_file(path)]


def _nnunet_files(folder: Path, channel: int) -> tuple[dict[str, Path], set[str]]:
    """Return the files of a channel by case, and the names of all cases."""
    images, everything = {}, set()
    for path in _volumes(folder):
        case, _, number = case_name(path).rpartition("_")
        if not case or not number.isdigit():
            continue
        everything.add(case)
        if int(number) == channel:
            images[case] = path
    return images, everything


def _channel(root: Path, names: Any, wanted: Wanted) -> int:
    """Return the index of the channel that is meant.

    Raises:
        CohortError: There are several, and none is named like the modality.
    """
    if not isinstance(names, Mapping) or not names:
        raise CohortError(f"{root}: dataset.json names no channels.", hint="Correct it.")
    if len(names) == 1:
        return int(next(iter(names)))
    series = plain_name(wanted.series)
    accepted = (series,) if series else _CHANNELS.get(wanted.modality, (wanted.modality,))
    for number, name in names.items():
        if plain_name(str(name)) in {*accepted, plain_name(wanted.modality)}:
            return int(number)
    raise CohortError(
        f"{root} has the channels {', '.join(map(str, names.values()))}; none is named like "
        f"{wanted.modality}.",
        hint="Choose one by its name, e.g. --series FLAIR.",
    )


def _scheme(labels: Any) -> LabelScheme | None:
    """Return what the label values are called; None if that is not said."""
    if not isinstance(labels, Mapping) or not labels:
        return None
    named: dict[int, str] = {}
    for key, value in labels.items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            return None  # nnU-Net's regions: the values are what they are
        is_number_first = str(key).isdigit()
        named[int(key if is_number_first else value)] = str(value if is_number_first else key)
    return LabelScheme(names=named)
