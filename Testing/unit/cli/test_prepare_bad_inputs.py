"""Every adapter with every kind of bad input at once: each is listed, and the good are prepared."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.cli.command import NegativeAnswer
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.volume_files import write_volume

ITK: Any = SimpleITK
SHAPE = (6, 7, 8)
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])
GOOD = (1, 2)


@dataclass(frozen=True)
class Layout:
    """How a dataset of volume files lies on the disk; `{0}` is the number of a case.

    Attributes:
        modality: Of the images.
        task: Of the labels.
        image: Name of an image.
        label: Name of a label map.
        case: What a case is called.
        values: Of the label maps.
        describe: Writes what lists the cases, if anything does.
    """

    modality: str
    task: str
    image: str
    label: str
    case: str
    values: tuple[int, ...]
    describe: Callable[[Path, list[int]], None] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def files(self, root: Path, number: int) -> tuple[Path, Path]:
        return root / self.image.format(number), root / self.label.format(number)


def describe_nnunet(root: Path, numbers: list[int]) -> None:
    del numbers
    content = {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(content))


def describe_decathlon(root: Path, numbers: list[int]) -> None:
    training = [
        {"image": f"images/c{n:03d}.nii.gz", "label": f"labels/c{n:03d}.nii.gz"} for n in numbers
    ]
    content = {"modality": {"0": "CT"}, "training": training}
    (root / "dataset.json").write_text(json.dumps(content))


def describe_csv(root: Path, numbers: list[int]) -> None:
    lines = [f"c{n:03d},i/c{n:03d}.nii.gz,l/c{n:03d}.nii.gz" for n in numbers]
    (root / "list.csv").write_text("\n".join(["case,image,label", *lines]) + "\n")


LAYOUTS: dict[str, Layout] = {
    "brats": Layout(
        "t2",
        "brain_tumour",
        "BraTS2021_{0:05d}/BraTS2021_{0:05d}_t2.nii.gz",
        "BraTS2021_{0:05d}/BraTS2021_{0:05d}_seg.nii.gz",
        "BraTS2021_{0:05d}",
        (1, 2, 4),
    ),
    "mmwhs": Layout(
        "ct",
        "cardiac",
        "ct_train/ct_train_1{0:03d}_image.nii.gz",
        "ct_train/ct_train_1{0:03d}_label.nii.gz",
        "ct_train_1{0:03d}",
        (205, 420),
    ),
    "btcv": Layout(
        "ct",
        "abdomen",
        "RawData/Training/img/img{0:04d}.nii.gz",
        "RawData/Training/label/label{0:04d}.nii.gz",
        "btcv_{0:04d}",
        (1, 6),
    ),
    "nnunet": Layout(
        "ct",
        "abdomen",
        "imagesTr/c{0:03d}_0000.nii.gz",
        "labelsTr/c{0:03d}.nii.gz",
        "c{0:03d}",
        (1, 2),
        describe_nnunet,
    ),
    "decathlon": Layout(
        "ct",
        "abdomen",
        "images/c{0:03d}.nii.gz",
        "labels/c{0:03d}.nii.gz",
        "c{0:03d}",
        (1, 2),
        describe_decathlon,
    ),
    "csv": Layout(
        "ct", "abdomen", "i/c{0:03d}.nii.gz", "l/c{0:03d}.nii.gz", "c{0:03d}", (1, 2), describe_csv
    ),
    "folder": Layout(
        "ct", "abdomen", "c{0:03d}/image.nii.gz", "c{0:03d}/label.nii.gz", "c{0:03d}", (1, 2)
    ),
    "two folders": Layout(
        "ct", "abdomen", "images/c{0:03d}.nii.gz", "labels/c{0:03d}.nii.gz", "c{0:03d}", (1, 2)
    ),
    "sifa_volumes": Layout(
        "ct",
        "cardiac",
        "image_ct_1{0:03d}.nii.gz",
        "gth_ct_1{0:03d}.nii.gz",
        "ct_1{0:03d}",
        (1, 2),
    ),
}


def write_case(image: Path, label: Path, values: tuple[int, ...], seed: int) -> None:
    array = np.random.default_rng(seed).normal(100, 40, SHAPE).astype(np.float32)
    labels = np.zeros(SHAPE, np.uint16)
    for row, value in enumerate(values):
        labels[1:4, row, 2:6] = value
    write_volume(Volume(array, AFFINE), image)
    write_volume(Volume(labels, AFFINE), label)


def rewrite(path: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    image = ITK.ReadImage(str(path))
    changed = ITK.GetImageFromArray(change(ITK.GetArrayFromImage(image)))
    if changed.GetSize() == image.GetSize():
        changed.CopyInformation(image)
    ITK.WriteImage(changed, str(path))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def with_voxel(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        array[0, 0, 0] = value
        return array

    return change


def patch_header(path: Path, *places: int) -> None:
    """Put NaN where a NIfTI header has numbers."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    for place in places:
        content[place : place + 4] = struct.pack("<f", np.nan)
    path.write_bytes(gzip.compress(bytes(content)))


def shift(path: Path) -> None:
    image = ITK.ReadImage(str(path))
    image.SetOrigin([place + 1.5 for place in image.GetOrigin()])
    ITK.WriteImage(image, str(path))


def break_link(path: Path) -> None:
    """Leave a link to content that was not fetched, as git-annex and DataLad do."""
    path.unlink()
    path.symlink_to(path.parent / ".git" / "annex" / path.name)


Damage = Callable[[Path, Path], Any]

DAMAGES: dict[str, tuple[Damage, str]] = {
    "missing image": (lambda image, _: image.unlink(), r"no image|has no|exist"),
    "missing label": (lambda _, label: label.unlink(), r"no label map|exist"),
    "image not fetched": (
        lambda image, _: break_link(image),
        r"no image|has no|exist|No such file",
    ),
    "label not fetched": (lambda _, label: break_link(label), r"no label map|exist|No such file"),
    "renamed by hand": (
        lambda image, _: image.rename(image.with_name("scan (2).nii.gz")),
        r"no image|has no|exist",
    ),
    "truncated image": (lambda image, _: cut(image), "not a whole gzip file"),
    "truncated label": (lambda _, label: cut(label), "not a whole gzip file"),
    "half a download": (lambda image, _: image.write_bytes(b""), "empty"),
    "a page of a web site": (lambda image, _: image.write_bytes(b"<html>Log in</html>"), "gzip"),
    "no permission": (lambda image, _: image, "[Pp]ermission denied"),
    "other shape": (
        lambda _, label: rewrite(label, lambda array: array[:-1]),
        "same grid|different|shape",
    ),
    "shifted labels": (lambda _, label: shift(label), "same grid"),
    "two dimensions": (lambda image, _: rewrite(image, lambda array: array[0]), "2-D|dimension"),
    "several values a voxel": (
        lambda image, _: rewrite(image, lambda a: np.stack([a, a, a], axis=-1)),
        "component|-D",
    ),
    "NaN": (lambda image, _: rewrite(image, with_voxel(np.nan)), "NaN or infinit"),
    "infinity": (lambda image, _: rewrite(image, with_voxel(np.inf)), "NaN or infinit"),
    "constant image": (lambda image, _: rewrite(image, np.zeros_like), "constant"),
    "unknown value": (lambda _, label: rewrite(label, with_voxel(77)), "77"),
    "no whole numbers": (
        lambda _, label: rewrite(label, lambda array: array.astype(np.float32) * 0.3),
        "no labels",
    ),
    "affine not finite": (
        lambda image, _: patch_header(image, 280, 284, 288, 256, 260, 264),
        "spacing|orientation|finite|form",
    ),
}
GEOMETRY_IS_NOT_READ = {"shifted labels"}
"""The SIFA release has no true geometry: none is read."""

EMPTY, DOUBLE = "empty labels", "duplicated case"


def write_dataset(root: Path, layout: Layout) -> dict[str, int]:
    """Write good cases and one with each damage; return the damaged ones' numbers."""
    numbers = {name: n for n, name in enumerate((*DAMAGES, EMPTY, DOUBLE), start=len(GOOD) + 1)}
    for number in (*GOOD, *numbers.values()):
        write_case(*layout.files(root, number), layout.values, number)
    if layout.describe is not None:
        layout.describe(root, [*GOOD, *numbers.values()])
    for name, (damage, _) in DAMAGES.items():
        damage(*layout.files(root, numbers[name]))
    rewrite(layout.files(root, numbers[EMPTY])[1], np.zeros_like)
    shutil.copy(layout.files(root, 1)[0], layout.files(root, numbers[DOUBLE])[0])
    return numbers


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_bad_case_is_listed_and_the_good_ones_are_prepared(
    name: str,
    tmp_path: Path,
    reporter: Reporter,
    heard: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout, root = LAYOUTS[name], tmp_path / "data"
    numbers = write_dataset(root, layout)
    forbid(layout.files(root, numbers["no permission"])[0], monkeypatch)
    place = root / "list.csv" if name == "csv" else root
    command = Prepare(
        root=place,
        modality=(layout.modality,),
        task=layout.task,
        output=tmp_path / "cohort",
        matrix=(8, 8),
        domain="all",
        split="auto" if name == "sifa_volumes" else "100/0/0",
        workers=1,
    )
    with pytest.raises(NegativeAnswer):
        command.run(reporter)
    assert heard.summary["dataset"].startswith(name.replace("two folders", "folder"))
    rows = heard.summary["left_out"]
    assert all(row["problem"] and row["what_to_do"] for row in rows)
    harmless = {EMPTY} | (GEOMETRY_IS_NOT_READ if name == "sifa_volumes" else set())
    for damage, (_, expected) in DAMAGES.items():
        if damage not in harmless:
            assert is_listed(rows, layout, numbers[damage], expected), (damage, rows)
    assert is_listed(rows, layout, numbers[DOUBLE], "hold the same image under different subjects")
    prepared = {case.id for case in Cohort.open(tmp_path / "cohort").cases}
    good = {*GOOD, *(numbers[damage] for damage in harmless)}
    assert prepared == {layout.case.format(number) for number in good}
    warned = [event["message"] for event in heard.of("warning") if event["kind"] == "empty_labels"]
    assert len(warned) == 1
    assert layout.case.format(numbers[EMPTY]) in warned[0]


def is_listed(rows: list[dict[str, str]], layout: Layout, number: int, expected: str) -> bool:
    """Tell whether a row names the case, or one of its files, and what is wrong with it."""
    names = [layout.case.format(number)]
    names += [Path(pattern.format(number)).name for pattern in (layout.image, layout.label)]
    return any(
        any(name in f"{row['case']} {row['problem']}" for name in names)
        and re.search(expected, row["problem"])
        for row in rows
    )


def forbid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody open a file; as root, on whose machine tests may run, may open any."""
    allowed = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return allowed(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)


def test_mixed_years_and_missing_modalities_are_listed(
    tmp_path: Path, reporter: Reporter, heard: Any
) -> None:
    root, layout = tmp_path / "data", LAYOUTS["brats"]
    for number in (1, 2, 3):
        write_case(*layout.files(root, number), layout.values, number)
    image, _ = layout.files(root, 3)
    image.rename(image.with_name("BraTS2021_00003_flair.nii.gz"))
    older = root / "Brats18_2013_2_1" / "Brats18_2013_2_1_t2.nii.gz"
    write_case(older, older.with_name("Brats18_2013_2_1_seg.nii.gz"), layout.values, 4)
    command = Prepare(
        root=root,
        modality=("t2",),
        task="brain_tumour",
        output=tmp_path / "cohort",
        matrix=(8, 8),
        domain="all",
        split="100/0/0",
    )
    with pytest.raises(NegativeAnswer):
        command.run(reporter)
    rows = {row["case"]: row["problem"] for row in heard.summary["left_out"]}
    assert rows["BraTS2021_00003"] == "has no t2; it has flair, seg"
    assert "BraTS 2018 lies in the same folder" in rows["1 cases of 2018"]
    assert len(Cohort.open(tmp_path / "cohort").cases) == 2


@pytest.mark.parametrize("name", LAYOUTS)
def test_cases_travel_to_other_processes(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    write_case(*layout.files(tmp_path, 1), layout.values, 1)
    if layout.describe is not None:
        layout.describe(tmp_path, [1])
    place = tmp_path / "list.csv" if name == "csv" else tmp_path
    cases = discover("auto", place, layout.modality).cases
    assert pickle.loads(pickle.dumps(cases)) == cases  # noqa: S301  (made here)
