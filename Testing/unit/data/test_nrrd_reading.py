"""The library's own NRRD files come back exactly, and others are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.nrrd_reading import read_nrrd
from CrossModalSegLib.data.volume_encoding import write_nrrd
from CrossModalSegLib.data.volume_files import read_image

OBLIQUE = np.array(
    [
        [0.6, -1 / 3, 0.1, -12.3456789],
        [0.3, 2 / 3, 0.0, 1e-7],
        [-0.1, 0.05, 2.5, 1e5 / 7],
        [0, 0, 0, 1],
    ]
)
OBLIQUE[:3, :3] = np.linalg.qr(OBLIQUE[:3, :3])[0] * (0.7, 0.8, -2.5)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "int64"])
def test_what_was_written_comes_back_bit_for_bit(
    tmp_path: Path, dtype: str, *, compressed: bool
) -> None:
    array = np.random.default_rng(0).uniform(0, 120, (4, 5, 6)).astype(dtype)
    write_nrrd(Volume(array, OBLIQUE), tmp_path / "a.nrrd", compressed=compressed)
    again = read_nrrd(tmp_path / "a.nrrd")
    assert again.array_kji.dtype == array.dtype
    assert again.array_kji.tobytes() == array.tobytes()
    assert again.affine_ras.tobytes() == OBLIQUE.tobytes()


def test_the_careful_reader_reads_the_quick_file(tmp_path: Path) -> None:
    array = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    write_nrrd(Volume(array, OBLIQUE), tmp_path / "a.nrrd", compressed=False)
    again = read_image(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(again.array_kji, array)
    np.testing.assert_allclose(again.affine_ras, OBLIQUE, atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"NRRD0004", b"MRRD0004", "does not begin with a header"),
        (b"endian: little", b"endian: big", "endian is big"),
        (b"encoding: raw", b"encoding: hex", "encoding is hex"),
        (b"space: left-posterior-superior", b"space: RAS", "space is RAS"),
        (b"sizes: 6 5 4", b"sizes: 6 5 5", "reshape"),
        (b"\n\n", b"\n", "does not begin with a header"),
    ],
)
def test_foreign_or_damaged_files_are_refused(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    path = tmp_path / "a.nrrd"
    write_nrrd(Volume(np.ones((4, 5, 6), np.uint8), np.eye(4)), path, compressed=False)
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputFileError, match=message):
        read_nrrd(path)


def test_half_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    noise = np.random.default_rng(0).integers(0, 255, (8, 9, 10), dtype=np.uint8)
    write_nrrd(Volume(noise, np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputFileError, match=r"a\.nrrd is not a volume"):
        read_nrrd(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match=r"nothing\.nrrd cannot be read"):
        read_nrrd(tmp_path / "nothing.nrrd")
