"""SIFA's and MPSCL's preprocessed releases."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.data.adapters import discover
from CrossModalSegLib.data.crc32c import masked_crc32c
from CrossModalSegLib.data.tfrecords import read_example

SIZE = (16, 12, 3)


def slices(seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    generator = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.float32)
    labels[4:8, 2:5] = seed % 6
    return generator.normal(0, 1, SIZE).astype(np.float32), labels


def write_record(write_tfrecord: Any, path: Path, seed: int) -> None:
    image, labels = slices(seed)
    sizes = {f"dsize_dim{axis}": size for axis, size in enumerate(SIZE)}
    sizes |= {f"lsize_dim{axis}": size for axis, size in enumerate((*SIZE[:2], 1))}
    write_tfrecord(
        path, {**sizes, "data_vol": image.tobytes(), "label_vol": labels.tobytes(), "extra": b"x"}
    )


def test_records_are_read_without_tensorflow(write_tfrecord: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    write_record(write_tfrecord, path, 3)
    image, labels = slices(3)
    example = read_example(path)
    assert np.array_equal(example.volume("data_vol"), image)
    # The sizes say that labels are one slice; three are stored.
    assert np.array_equal(example.volume("label_vol"), labels)


def test_numbers_may_be_lists_of_floats(write_tfrecord: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    sizes = {f"dsize_dim{axis}": size for axis, size in enumerate(SIZE)}
    write_tfrecord(path, {**sizes, "data_vol": slices(1)[0].ravel()})
    assert np.array_equal(read_example(path).volume("data_vol"), slices(1)[0])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-9], "truncated"),
        (lambda content: content[:6], "truncated"),
        (lambda content: b"\0" + content[1:], "does not begin with a record"),
        (lambda content: content[:12] + b"\xff" * 40 + content[52:], "does not fit its checksum"),
        (lambda content: content[:-5] + b"\x7f" + content[-4:], "does not fit its checksum"),
        (lambda content: content[:-1] + b"\x7f", "does not fit its checksum"),
        (lambda content: content[:8] + b"\x7f" + content[9:], "does not begin with a record"),
    ],
)
def test_damaged_records_are_refused(
    write_tfrecord: Any, tmp_path: Path, damage: Any, message: str
) -> None:
    path = tmp_path / "a.tfrecords"
    write_record(write_tfrecord, path, 1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputFileError, match=message):
        read_example(path).volume("data_vol")


def test_a_record_of_something_else_is_refused(write_tfrecord: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    write_tfrecord(path, {"image": b"png", "height": 3})
    with pytest.raises(InputFileError, match="no 'data_vol', but image, height"):
        read_example(path).volume("data_vol")
    length = struct.pack("<Q", 2)
    content = b"\x0a\x7f"
    checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
    path.write_bytes(length + checks[0] + content + checks[1])
    with pytest.raises(InputFileError, match="does not fit"):
        read_example(path)


def test_slices_are_stacked_in_the_order_of_their_numbers_and_5_is_background(
    write_tfrecord: Any, read: Any, values: Any, tmp_path: Path
) -> None:
    for number in (10, 2, 5):
        name = f"ct_train_tfs/ct_train_slice{number}.tfrecords"
        write_record(write_tfrecord, tmp_path / name, number)
    found = discover("auto", tmp_path, "ct")
    assert found.dataset == "sifa_slices"
    (files,) = found.cases
    assert (files.id, files.subject, files.split) == ("ct_train_000", "ct_train", "train")
    case = read(found, "ct_train_000", "cardiac")
    assert np.array_equal(case.image.array_kji[0], slices(2)[0][..., 1])
    assert np.array_equal(case.image.array_kji[2], slices(10)[0][..., 1])
    assert values(case) == [0, 2, 4]
    assert any("stray value 5" in finding.message for finding in case.findings)


def test_the_validation_slices_of_mr_are_test_data(write_tfrecord: Any, tmp_path: Path) -> None:
    for part in ("mr_train", "mr_val", "ct_val"):
        write_record(write_tfrecord, tmp_path / f"{part}_tfs" / f"{part}_slice0.tfrecords", 1)
    found = discover("auto", tmp_path, "mr_bssfp")
    assert {case.id: case.split for case in found.cases} == {
        "mr_train_000": "train",
        "mr_val_000": "test",
    }
    assert found.ignored == ("ct_val_tfs: the other modality",)
    assert discover("auto", tmp_path, "ct").cases[0].split == "validation"


def test_test_volumes_as_npz_are_flipped_back(read: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(0).normal(0, 1, (6, 5, 4))
    labels = np.zeros(image.shape)
    labels[0, 1, 2] = 3
    name = tmp_path / "image_mr_1018.nii.gz.npz"  # as medpy and numpy named it
    np.savez(name, image, labels)
    found = discover("auto", tmp_path, "mr_bssfp")
    assert found.dataset == "sifa_volumes"
    (files,) = found.cases
    assert (files.id, files.split) == ("mr_1018", "test")
    case = read(found, "mr_1018", "cardiac", "mr_bssfp")
    upright = image[::-1, ::-1].astype(np.float32)
    assert np.array_equal(case.image.array_kji[2], upright[..., 2])
    assert np.argwhere(case.labels.array_kji).tolist() == [[2, 5, 3]]


def test_test_volumes_as_nifti_are_the_same_arrays(read: Any, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(0, 1, (6, 5, 4)).astype(np.float32)  # row, column, k
    labels = np.zeros(array.shape, np.uint8)
    labels[0, 1, 2] = 3
    for part, content in (("image", array), ("gth", labels)):
        written: Any = SimpleITK.GetImageFromArray(content.transpose(2, 1, 0))  # axes i, j, k
        SimpleITK.WriteImage(written, str(tmp_path / f"{part}_mr_1018.nii.gz"))
    case = read(discover("auto", tmp_path, "mr_bssfp"), "mr_1018", "cardiac", "mr_bssfp")
    assert np.array_equal(case.image.array_kji[2], array[::-1, ::-1, 2])
    assert np.argwhere(case.labels.array_kji).tolist() == [[2, 5, 3]]


def test_a_damaged_npz_is_refused(read: Any, tmp_path: Path) -> None:
    (tmp_path / "ct_1003.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputFileError, match="Download"):
        read(discover("auto", tmp_path, "ct"), "ct_1003", "cardiac")


def test_mpscls_numpy_files_get_their_z_scores_back(read: Any, tmp_path: Path) -> None:
    place = tmp_path / "train_mr"
    place.mkdir()
    for number in (2, 1):
        image, labels = slices(number)
        unit = np.clip((image[..., 1] + 1.8) / 6.2 * 2 - 1, -1, 1)
        np.save(place / f"mr_slice{number}.npy", unit)
        with (place / f"mr_slice{number}.npy_gt").open("wb") as stream:
            np.save(stream, labels[..., 1])
    np.save(place / "mr_slice3.npy", np.zeros((16, 12)))  # its labels were lost
    (tmp_path / "test_mr").mkdir()
    np.savez(tmp_path / "test_mr" / "image_mr_1018.nii.gz.npz", *slices(3))
    (tmp_path / "datalist").mkdir()
    (tmp_path / "datalist" / "train_mr.txt").write_text("train_mr/mr_slice1.npy\n")
    found = discover("auto", tmp_path, "mr_bssfp")
    assert found.dataset == "mpscl"
    assert {case.id: case.split for case in found.cases} == {
        "mr_1018": "test",
        "train_mr_000": "train",
    }
    assert [p.case for p in found.problems] == ["mr_slice3.npy"]
    case = read(found, "train_mr_000", "cardiac", "mr_bssfp")
    expected = np.clip(slices(1)[0][..., 1], -1.8, 4.4)
    np.testing.assert_allclose(case.image.array_kji[0], expected, atol=1e-5)
    assert np.array_equal(case.labels.array_kji[1], slices(2)[1][..., 1])
