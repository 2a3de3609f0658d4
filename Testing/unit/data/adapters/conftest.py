"""Datasets as users have them, in tiny files."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters import Discovery
from CrossModalSegLib.data.case_preparation import ReadCase, read_case
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.crc32c import masked_crc32c
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.data.volume_files import write_volume

SHAPE = (4, 6, 8)

WriteVolume = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WriteVolume:
    """Write an image of noise, or a label map with the given values, one a row of voxels."""

    def write_file(name: str, values: Sequence[int] = ()) -> Path:
        path = tmp_path / name
        if values:
            array = np.zeros(SHAPE, np.int16)
            for row, value in enumerate(values):
                array[1:3, row % 6, 2:6] = value
        else:
            seed = sum(name.encode())
            array = np.random.default_rng(seed).normal(300, 90, SHAPE).astype(np.int16)
        write_volume(Volume(array, np.diag([-1.0, -1.0, 2.0, 1.0])), path)
        return path

    return write_file


def _read(found: Discovery, case: str, task: str, modality: str = "ct") -> ReadCase:
    """Read a case as preparing does."""
    (files,) = [entry for entry in found.cases if entry.id == case]
    of_task, of_modality = TASKS[task], MODALITIES[modality]
    settings = CohortSettings(
        task=of_task,
        modality=of_modality,
        preprocessing=default_preprocessing(of_task, of_modality, matrix=(8, 8)),
        dataset=found.dataset,
    )
    return read_case(files, settings)


def _label_values(read_back: ReadCase) -> list[int]:
    assert read_back.labels is not None
    return [int(value) for value in np.unique(read_back.labels.array_kji)]


def _write_dicom(
    folder: Path,
    array_kji: NDArray[Any],
    *,
    names: Callable[[int], str] = "IMG-{:04d}.dcm".format,
    tags: Mapping[str, str] | None = None,
    spacing_mm: tuple[float, float, float] = (1.5, 2.0, 3.0),
    places: Sequence[float] | None = None,
    compress: bool = False,
) -> list[Path]:
    """Write the slices of a volume as DICOM files, in any order and place."""
    folder.mkdir(parents=True, exist_ok=True)
    sitk: Any = SimpleITK
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetUseCompression(compress)
    given = {"0020|000e": "1.2.3.4", "0008|0060": "MR", **(tags or {})}
    paths = []
    for k, plane in enumerate(array_kji):
        image = sitk.GetImageFromArray(np.asarray(plane, np.int16))
        image.SetSpacing(spacing_mm[:2])
        place = places[k] if places is not None else k * spacing_mm[2]
        details = {
            "0020|000d": "1.2.3",
            "0020|0013": str(k + 1),
            "0020|0032": f"-10\\5\\{place}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
            "0018|0050": str(spacing_mm[2]),
            "0008|0018": f"{given['0020|000e']}.{k + 1}",
        }
        for tag, value in {**details, **given}.items():
            image.SetMetaData(tag, value)
        paths.append(folder / names(k))
        writer.SetFileName(str(paths[-1]))
        writer.Execute(image)
    return paths


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field of a protocol buffer message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _write_tfrecord(path: Path, features: Mapping[str, bytes | int | NDArray[Any]]) -> None:
    """Write a record with one Example, as TensorFlow does."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, bytes):
            feature = _field(1, _field(1, value))
        elif isinstance(value, int):
            feature = _field(3, _field(1, _varint(value)))
        else:
            feature = _field(2, _field(1, value.astype("<f4").tobytes()))
        entries += _field(1, _field(1, name.encode()) + _field(2, feature))
    content = _field(1, entries)
    length = struct.pack("<Q", len(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, content)]
    path.write_bytes(length + checks[0] + content + checks[1])


@pytest.fixture
def read() -> Callable[..., ReadCase]:
    """Return a function that reads a case as preparing does."""
    return _read


@pytest.fixture
def values() -> Callable[[ReadCase], list[int]]:
    """Return a function that lists the label values of a case that was read."""
    return _label_values


@pytest.fixture
def write_dicom() -> Callable[..., list[Path]]:
    """Return a function that writes the slices of a volume as DICOM files."""
    return _write_dicom


@pytest.fixture
def write_tfrecord() -> Callable[..., None]:
    """Return a function that writes a record with one Example."""
    return _write_tfrecord
