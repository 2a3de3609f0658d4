"""Readers of cases that are more than one volume file and a label map (`adapters.case_files`)."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import GeometryError, InputFileError
from CrossModalSegLib.core.geometry import Affine
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.dicom_reading import read_series
from CrossModalSegLib.data.itk_reading import (
    affine_of,
    read_itk_image,
    read_itk_volume,
    without_itk_warnings,
)
from CrossModalSegLib.data.tfrecords import read_example
from CrossModalSegLib.data.volume_files import read_image, read_label_values

SLICES_RAS: Affine = np.array(
    [[-1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]], dtype=np.float64
)
"""Affine of numpy releases of coronal slices, which store no geometry: columns from the patient's
right to left, rows from superior to inferior, slices from anterior to posterior, 1 mm."""

_IMAGE_PART = "data_vol"


@dataclass(frozen=True)
class DicomReader:
    """A DICOM series, and labels as a stack of pictures or as a volume file.

    Attributes:
        slices: The series' files, sorted by position.
        pictures: A picture of labels for each slice, in the same order; none if the labels are a
            volume file.
    """

    slices: tuple[Path, ...]
    pictures: tuple[Path, ...] = ()

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is read."""
        if case.label is None:
            return self.slices
        return (*self.slices, *(self.pictures or case.objects or (case.label,)))

    def read_image(self, case: CaseFiles) -> Volume:
        """Read the series."""
        del case
        return read_series(self.slices)

    def read_label_values(self, case: CaseFiles) -> Volume:
        """Read the pictures in the order of the slices."""
        if not self.pictures:
            return read_label_values(_label_of(case))
        pictures = [_read_picture(path) for path in self.pictures]
        if len({picture.shape for picture in pictures}) > 1:
            sizes = ", ".join(sorted({_size(picture) for picture in pictures}))
            raise InputFileError(
                f"{case.label}: its pictures have different sizes ({sizes} pixels).",
                hint="Download the pictures again.",
            )
        array_kji = np.stack(pictures)
        grid = read_series(self.slices)
        if array_kji.shape != grid.array_kji.shape:
            raise GeometryError(
                f"{case.label}: its pictures have {_size(array_kji)} pixels (slices, rows, "
                f"columns), the series has {_size(grid.array_kji)}.",
                hint="Check that pictures and series belong together.",
            )
        return grid.with_array(array_kji)


@dataclass(frozen=True)
class ChannelReader:
    """One channel of a four-dimensional volume file (Medical Decathlon).

    Attributes:
        channel: Index along the fourth axis.
    """

    channel: int

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is read."""
        return (case.image,) if case.label is None else (case.image, case.label)

    def read_image(self, case: CaseFiles) -> Volume:
        """Read one channel; a three-dimensional file is its only channel."""
        image = read_itk_image(case.image)
        if image.GetDimension() != 4 and self.channel == 0:
            return read_image(case.image)
        if image.GetDimension() != 4 or self.channel >= image.GetSize()[3]:
            raise InputFileError(
                f"{case.image} has {image.GetSize()} voxels, expected a fourth axis with channel "
                f"{self.channel}.",
                hint="Check the modalities in dataset.json.",
            )
        volume = image[:, :, :, self.channel]
        array_kji = SimpleITK.GetArrayViewFromImage(volume).astype(np.float32)
        return Volume(array_kji, affine_of(volume, case.image))

    def read_label_values(self, case: CaseFiles) -> Volume:
        """Read the label map."""
        return read_label_values(_label_of(case))


@dataclass(frozen=True)
class ReleasedVolumeReader:
    """A test volume of the SIFA release: npz (image `arr_0`, label `arr_1`) or a pair of NIfTI.

    Arrays are (row, column, slice), flipped on axes 0 and 1, which is undone. Their NIfTI files
    were made of the same arrays: what these headers say of the patient is not true.
    """

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is read."""
        return tuple(dict.fromkeys(p for p in (case.image, case.label) if p is not None))

    def read_image(self, case: CaseFiles) -> Volume:
        """Read the image."""
        return _upright(_load_released(case.image, "arr_0").astype(np.float32))

    def read_label_values(self, case: CaseFiles) -> Volume:
        """Read the label map."""
        return _upright(_load_released(_label_of(case), "arr_1"))


@dataclass(frozen=True)
class SliceReader:
    """Slices without geometry as one stack: TFRecords, or numpy files with one slice each.

    Attributes:
        slices: A file for each slice.
        labels: A numpy file for each slice's labels; none where records hold both.
        unit_range: What -1 and 1 stand for, where images were scaled to [-1, 1]; this is undone.
    """

    slices: tuple[Path, ...]
    labels: tuple[Path, ...] = ()
    unit_range: tuple[float, float] | None = None

    def files(self, case: CaseFiles) -> tuple[Path, ...]:
        """Return every file that is read."""
        return self.slices if case.label is None else (*self.slices, *self.labels)

    def read_image(self, case: CaseFiles) -> Volume:
        """Read the middle slice of each file."""
        del case
        volume = _coronal(
            [_read_slice(path, _IMAGE_PART).astype(np.float32) for path in self.slices]
        )
        if self.unit_range is None:
            return volume
        low, high = (np.float32(bound) for bound in self.unit_range)
        return volume.with_array((volume.array_kji + 1) / 2 * (high - low) + low)

    def read_label_values(self, case: CaseFiles) -> Volume:
        """Read the labels of the middle slice of each file."""
        del case
        return _coronal([_read_slice(path, "label_vol") for path in self.labels or self.slices])


def _read_slice(path: Path, part: str) -> NDArray[Any]:
    """Read a slice, or the middle one of three."""
    if path.suffix == ".tfrecords":  # the image is read first, and verifies the whole record
        array: NDArray[Any] = read_example(path, is_verified=part != _IMAGE_PART).volume(part)
    else:
        array = _load(path)
    if array.ndim == 3:
        channels = 2 if array.shape[2] == 3 else 0
        array = np.take(array, array.shape[channels] // 2, axis=channels)
    if array.ndim != 2:
        raise InputFileError(
            f"{path} holds an array of shape {array.shape}, expected a slice or three of them.",
            hint="Check that the file belongs to the data set.",
        )
    return array


def _coronal(slices: list[NDArray[Any]]) -> Volume:
    shapes = {array.shape for array in slices}
    if len(shapes) > 1:
        raise InputFileError(
            f"The slices have different sizes: {', '.join(map(str, sorted(shapes)))}.",
            hint="Check that they belong to one data set.",
        )
    return Volume(np.stack(slices), SLICES_RAS)


def _upright(array: NDArray[Any]) -> Volume:
    """Return (row, column, slice), flipped on axes 0 and 1, as an upright volume."""
    upright = array[::-1, ::-1].transpose(2, 0, 1)
    return Volume(np.ascontiguousarray(upright), SLICES_RAS)


def _load_released(path: Path, name: str) -> NDArray[Any]:
    if path.name.endswith(".npz"):
        return _load_npz(path, name)
    return SimpleITK.GetArrayFromImage(read_itk_volume(path)[0]).transpose(2, 1, 0)


def _load(path: Path) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from error
    if not isinstance(loaded, np.ndarray):
        raise _damaged(path, "it holds several arrays")
    return loaded


def _load_npz(path: Path, name: str) -> NDArray[Any]:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            array = np.asarray(arrays[name])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    if array.ndim != 3:
        raise _damaged(path, f"{name} has the shape {array.shape}, expected three axes")
    return array


def _read_picture(path: Path) -> NDArray[Any]:
    with without_itk_warnings():
        try:
            array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        except RuntimeError as error:
            raise _damaged(path, "it is no picture") from error
    if array.ndim != 2:
        raise _damaged(path, f"it has the shape {array.shape}, expected grey values")
    return np.asarray(array)


def _damaged(path: Path, reason: object) -> InputFileError:
    return InputFileError(
        f"{path} cannot be read: {str(reason).rstrip('.')}.",
        hint="Download or export the file again.",
    )


def _label_of(case: CaseFiles) -> Path:
    if case.label is None:
        raise InputFileError(f"Case {case.id!r} has no label map.")
    return case.label


def _size(array: NDArray[Any]) -> str:
    return "x".join(map(str, array.shape))
