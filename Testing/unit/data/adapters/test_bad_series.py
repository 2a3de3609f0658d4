"""Every adapter of series and slices with every kind of bad input at once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.cli.command import NegativeAnswer
from CrossModalSegLib.cli.prepare import Prepare
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.data.dicom_reading import read_series
from CrossModalSegLib.data.volume_files import write_volume

ITK: Any = SimpleITK
Damage = Callable[[Path], Any]
Damages = Mapping[str, tuple[Damage, str]]
GOOD = ("good1", "good2")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def forbid(paths: set[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody open some files; root, who may run the tests, may open any."""
    allowed = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self in paths:
            raise PermissionError(13, "Permission denied", str(self))
        return allowed(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)


def prepared(root: Path, task: str, modality: str) -> tuple[list[dict[str, str]], set[str]]:
    """Prepare what can be; return the table of the rest, and the cases that were prepared."""
    events: list[Event] = []
    output = root.with_name("cohort")
    command = Prepare(
        root=root,
        modality=(modality,),
        task=task,
        output=output,
        matrix=(8, 8),
        domain="all",
        validation_fraction=0,
        test_fraction=0,
        workers=1,
    )
    with pytest.raises(NegativeAnswer):
        command.run(Reporter(sinks=[events.append]))
    rows: list[dict[str, str]] = events[-1]["summary"]["left_out"]
    assert all(row["problem"] and row["what_to_do"] for row in rows)
    return rows, {case.id for case in Cohort.open(output).cases}


def require_listed(rows: list[dict[str, str]], case: str, expected: str) -> None:
    own = [row["problem"] for row in rows if row["case"] == case]
    assert any(re.search(expected, problem) for problem in own), (case, expected, own)


def noise(seed: int, shape: tuple[int, ...] = (4, 8, 7)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 900, shape).astype(np.int16)


# DICOM


def slices(place: Path) -> list[Path]:
    return sorted((place / "scan").iterdir())


def label_of(place: Path, change: Callable[[Any], Any]) -> None:
    path = place / "label.nii.gz"
    image = ITK.ReadImage(str(path))
    changed = ITK.GetImageFromArray(change(ITK.GetArrayFromImage(image)))
    if changed.GetSize() == image.GetSize():
        changed.CopyInformation(image)
    ITK.WriteImage(changed, str(path))


DICOM: Damages = {
    "gap": (lambda p: slices(p)[1].unlink(), "slices are missing"),
    "empty": (lambda p: shutil.rmtree(p / "scan"), "no DICOM files"),
    "cut": (lambda p: cut(slices(p)[2]), "cannot be read"),
    "page": (lambda p: slices(p)[1].write_bytes(b"<html>"), "slices are missing"),
    "half": (lambda p: slices(p)[2].write_bytes(b""), "slices are missing"),
    "forbidden": (lambda p: p, "Permission denied"),
    "nolabel": (lambda p: (p / "label.nii.gz").unlink(), "no label map"),
    "cutlabel": (lambda p: cut(p / "label.nii.gz"), "not a whole gzip"),
    "shape": (lambda p: label_of(p, lambda a: a[:-1]), "same grid"),
    "value": (lambda p: label_of(p, lambda a: a + 50), "50"),
    "broken": (lambda p: (p / "x.dcm").write_bytes(bytes(128) + b"DICM\xff"), "x.dcm cannot"),
}


def test_dicom(tmp_path: Path, write_dicom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    names = (*GOOD, *DICOM, "one", "flat", "other", "twin")
    for number, name in enumerate(names):
        array = noise(number)
        if name == "flat":
            array[:] = 7
        tags = {"0020|000e": f"1.2.{number}", "0008|0060": "CT" if name == "other" else "MR"}
        write_dicom(root / name / "scan", array[:1] if name == "one" else array, tags=tags)
        if name != "one":
            labels = np.zeros(array.shape, np.uint8)
            labels[1:3, 2:5, 2:5] = 1
            grid = read_series(slices(root / name))
            write_volume(Volume(labels, grid.affine_ras), root / name / "label.nii.gz")
    shutil.rmtree(root / "twin" / "scan")
    shutil.copytree(root / "good1" / "scan", root / "twin" / "scan")
    for name, (damage, _) in DICOM.items():
        damage(root / name)
    forbid({slices(root / "forbidden")[1]}, monkeypatch)
    rows, cases = prepared(root, "abdomen", "mr_t2spir")
    for name, (_, expected) in DICOM.items():
        require_listed(rows, name, expected)
    require_listed(rows, "one", "single slice")
    require_listed(rows, "flat", "constant")
    require_listed(rows, "other", "no series of this kind")
    require_listed(rows, "twin", "hold the same image under different subjects")
    assert cases == {*GOOD, "broken"}  # whose series is whole without the file that is not


# CHAOS

GREY = (63, 126, 189, 252)


def pictures(place: Path) -> list[Path]:
    return sorted((place / "T2SPIR" / "Ground").iterdir())


def spir(place: Path) -> list[Path]:
    return sorted((place / "T2SPIR" / "DICOM_anon").iterdir())


def redraw(path: Path, change: Callable[[Any], Any]) -> None:
    picture = change(ITK.GetArrayFromImage(ITK.ReadImage(str(path))))
    ITK.WriteImage(ITK.GetImageFromArray(np.ascontiguousarray(picture)), str(path))


CHAOS: Damages = {
    "21": (lambda p: spir(p)[1].unlink(), "slices are missing"),
    "22": (lambda p: cut(spir(p)[2]), "cannot be read"),
    "23": (lambda p: shutil.rmtree(p / "T2SPIR"), "has no T2SPIR"),
    "24": (lambda p: shutil.rmtree(p / "T2SPIR" / "DICOM_anon"), "0 series"),
    "25": (lambda p: pictures(p)[0].unlink(), "4 slices and 3 pictures"),
    "26": (lambda p: shutil.rmtree(p / "T2SPIR" / "Ground"), "no label map"),
    "27": (lambda p: pictures(p)[1].write_bytes(pictures(p)[1].read_bytes()[:40]), "no picture"),
    "28": (lambda p: redraw(pictures(p)[0], lambda a: a[:-1]), "different|pixels|shape"),
    "29": (lambda p: redraw(pictures(p)[0], lambda a: a // 2), "31|63"),
    "30": (lambda p: spir(p)[1].write_bytes(b""), "cannot be read as a DICOM image"),
    "31": (lambda p: spir(p)[1].rename(spir(p)[1].with_suffix(".bak")), "slices are missing"),
}


def test_chaos(tmp_path: Path, write_dicom: Any) -> None:
    root = tmp_path / "data"
    for number in (5, 6, *map(int, CHAOS), 40):
        place = root / "Train_Sets" / "MR" / str(number) / "T2SPIR"
        array = noise(number, (4, 6, 5))
        if number == 40:
            array[:] = 9
        tags = {"0020|000e": f"1.2.{number}"}
        write_dicom(place / "DICOM_anon", array, tags=tags)
        (place / "Ground").mkdir()
        for k, grey in enumerate(GREY):
            picture = np.zeros((6, 5), np.uint8)
            picture[k, 1:4] = grey
            ITK.WriteImage(ITK.GetImageFromArray(picture), str(place / f"Ground/IMG-{k:04d}.png"))
        (place.parent / "T1DUAL").mkdir()
    for name, (damage, _) in CHAOS.items():
        damage(root / "Train_Sets" / "MR" / name)
    rows, cases = prepared(root, "abdomen", "mr_t2spir")
    for name, (_, expected) in CHAOS.items():
        require_listed(rows, f"chaos_{name}", expected)
    require_listed(rows, "chaos_40", "constant")
    assert cases == {"chaos_5", "chaos_6"}


# Slices: a stack of two is a case


def content_of(number: int) -> tuple[Any, Any]:
    image = np.random.default_rng(number).normal(0, 1, (8, 8, 3)).astype(np.float32)
    labels = np.zeros(image.shape, np.float32)
    labels[2:5, 2:6] = 1 + number % 4
    return image, labels


RECORDS: dict[str, str] = {
    "truncated": "truncated",
    "changed": "does not fit its checksum",
    "empty": "truncated",
    "page": "truncated|does not begin",
    "forbidden": "Permission denied",
    "nan": "NaN",
    "flat": "constant",
    "size": "different sizes",
    "value": "9",
    "lacks": "no 'label_vol'",
}


def test_slices_in_records(
    tmp_path: Path, write_tfrecord: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("CrossModalSegLib.data.adapters.sifa.SLICES_A_CASE", 2)
    folder = tmp_path / "data" / "ct_train_tfs"
    names = ("good", *RECORDS, "double")
    last: dict[str, Path] = {}
    for number, name in enumerate(np.repeat(names, 2).tolist()):
        image, labels = content_of(number if name != "double" else number % 2)
        image[...] = {"nan": np.nan, "flat": 1.0}.get(name, image)
        labels[0, 0] = 9 if name == "value" else 0
        if name == "size" and number % 2:
            image, labels = image[:-1], labels[:-1]
        sizes = {f"dsize_dim{axis}": size for axis, size in enumerate(image.shape)}
        arrays = {"data_vol": image.tobytes(), "label_vol": labels.tobytes()}
        if name == "lacks":
            del arrays["label_vol"]
        last[name] = folder / f"ct_train_slice{number}.tfrecords"
        write_tfrecord(last[name], {**sizes, **arrays})
    last["truncated"].write_bytes(last["truncated"].read_bytes()[:-300])
    content = bytearray(last["changed"].read_bytes())
    content[-200] ^= 1
    last["changed"].write_bytes(bytes(content))
    last["empty"].write_bytes(b"")
    last["page"].write_bytes(b"<html>please log in</html>")
    forbid({last["forbidden"]}, monkeypatch)
    rows, cases = prepared(tmp_path / "data", "cardiac", "ct")
    for index, name in enumerate(names):
        if name in RECORDS:
            require_listed(rows, f"ct_train_{index:03d}", RECORDS[name])
    assert cases == {"ct_train_000", f"ct_train_{len(names) - 1:03d}"}  # one subject: told, kept


ARRAYS: dict[str, str] = {
    "truncated": "cannot be read",
    "empty": "cannot be read",
    "page": "cannot be read",
    "pickled": "cannot be read",
    "forbidden": "Permission denied",
    "nan": "NaN",
    "flat": "constant",
    "size": "different sizes",
    "value": "9",
    "line": "expected a slice",
}


def test_slices_in_numpy_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("CrossModalSegLib.data.adapters.mpscl.SLICES_A_CASE", 2)
    folder = tmp_path / "data" / "train_ct"
    folder.mkdir(parents=True)
    names = ("good", *ARRAYS)
    last: dict[str, Path] = {}
    for number, name in enumerate(np.repeat(names, 2).tolist()):
        image, labels = (array[..., 1] for array in content_of(number))
        image = np.clip(image / 3, -1, 1)
        image[...] = {"nan": np.nan, "flat": 1.0}.get(name, image)
        labels[0, 0] = 9 if name == "value" else 0
        if name == "size" and number % 2:
            image, labels = image[:-1], labels[:-1]
        image = image[0] if name == "line" else image
        last[name] = folder / f"slice{number:03d}.npy"
        np.save(last[name], np.array([{}]) if name == "pickled" else image, allow_pickle=True)
        with (folder / f"slice{number:03d}.npy_gt").open("wb") as stream:
            np.save(stream, labels)
    last["truncated"].write_bytes(last["truncated"].read_bytes()[:-30])
    last["empty"].write_bytes(b"")
    last["page"].write_bytes(b"<html>please log in</html>")
    np.save(folder / "slice999.npy", np.zeros((8, 8)))
    forbid({last["forbidden"]}, monkeypatch)
    rows, cases = prepared(tmp_path / "data", "cardiac", "ct")
    for index, name in enumerate(names):
        if name in ARRAYS:
            require_listed(rows, f"train_ct_{index:03d}", ARRAYS[name])
    require_listed(rows, "slice999.npy", "no labels")
    assert cases == {"train_ct_000"}


ARCHIVES: dict[str, str] = {
    "1003": "cannot be read",  # truncated
    "1004": "cannot be read",  # 0 bytes
    "1005": "cannot be read",  # a page of a web site
    "1006": "cannot be read.*arr_1",  # no labels in it
    "1007": "three axes",
    "1008": "same grid",
    "1009": "NaN",
    "1010": "constant",
    "1011": "9",
    "1012": "Permission denied",
}


def test_volumes_in_numpy_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    root.mkdir()
    for number in (1001, 1002, *map(int, ARCHIVES)):
        name = str(number)
        image = np.random.default_rng(number).normal(0, 1, (8, 7, 6))
        labels = np.zeros(image.shape, np.uint8)
        labels[2:4, 2:4, 1:5] = 2
        image[0, 0, 0] = np.nan if name == "1009" else 0
        image[...] = 1 if name == "1010" else image
        labels[0, 0, 0] = 9 if name == "1011" else 0
        arrays = [image[0] if name == "1007" else image]
        arrays += [] if name == "1006" else [labels[:-1] if name == "1008" else labels]
        np.savez(root / f"ct_test_{name}.npz", *arrays)
    cut(root / "ct_test_1003.npz")
    (root / "ct_test_1004.npz").write_bytes(b"")
    (root / "ct_test_1005.npz").write_bytes(b"<html>please log in</html>")
    forbid({root / "ct_test_1012.npz"}, monkeypatch)
    rows, cases = prepared(root, "cardiac", "ct")
    for name, expected in ARCHIVES.items():
        require_listed(rows, f"ct_test_{name}", expected)
    assert cases == {"ct_test_1001", "ct_test_1002"}
