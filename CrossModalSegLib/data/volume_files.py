"""Reading and writing volumes: NIfTI, NRRD and MHA, with exact geometry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.errors import (
    InputFileError,
    LabelError,
    OutputExistsError,
    storage_errors,
)
from CrossModalSegLib.core.paths import volume_suffix
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.itk_reading import read_itk_volume, unknown_suffix
from CrossModalSegLib.data.nifti_header import require_numbers
from CrossModalSegLib.data.volume_encoding import write_mha, write_nifti, write_nrrd

MAX_LISTED_VALUES = 8
"""Unknown label values that a message lists before it says how many more there are."""

_COUNTED_VALUES = 65536

_WRITERS: dict[str, Callable[[Volume, Path], None]] = {
    ".nii": partial(write_nifti, compressed=False),
    ".nii.gz": partial(write_nifti, compressed=True),
    ".nrrd": write_nrrd,
    ".mha": write_mha,
}


def read_image(path: Path | str) -> Volume:
    """Read an image as float32.

    Raises:
        InputFileError: The file is missing, truncated, empty or no image; is 2-D, 4-D, complex or
            has several values a voxel; holds NaN or infinite voxels; or is constant.
        GeometryError: The axes are sheared, sform and qform conflict, or no orientation is set.
    """
    path = Path(path)
    image, affine_ras = read_itk_volume(path)
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused
        array_kji = SimpleITK.GetArrayViewFromImage(image).astype(np.float32)
    unusable = array_kji.size - int(np.isfinite(array_kji).sum())
    require_numbers(unusable, array_kji.size, path)
    if array_kji.min() == array_kji.max():
        raise InputFileError(
            f"{path} is constant: every voxel is {array_kji.flat[0]:g}.",
            hint="Check that the export worked and that this is the image, not an empty mask.",
        )
    return Volume(array_kji, affine_ras)


def read_labels(
    path: Path | str, *, task: Task | None = None, value_map: Mapping[int, int] | None = None
) -> Volume:
    """Read a label map as uint8.

    Args:
        path: A label map; with `task` also Slicer's `.seg.nrrd`, read by its segments' names.
        task: Refuse values that this task does not know.
        value_map: The file's values to ours, for data sets that have values of their own;
            0 stays background unless it says otherwise.

    Raises:
        InputFileError: As `read_image`, constant label maps excepted.
        GeometryError: As `read_image`.
        LabelError: A value is not a whole number, or not one that `value_map` or `task` knows.
    """
    path = Path(path)
    if task is not None and volume_suffix(path) == ".seg.nrrd":
        from CrossModalSegLib.data.segmentation_files import read_segmentation  # it imports this

        return read_segmentation(path, task)
    return map_label_values(read_label_values(path), path, task=task, value_map=value_map)


def read_label_values(path: Path) -> Volume:
    """Read a label map with the values and the number type of its file.

    Raises:
        InputFileError: As `read_image`, constant label maps excepted.
        GeometryError: As `read_image`.
    """
    image, affine_ras = read_itk_volume(path)
    return Volume(SimpleITK.GetArrayFromImage(image), affine_ras)


def map_label_values(
    labels: Volume,
    path: Path,
    *,
    task: Task | None = None,
    value_map: Mapping[int, int] | None = None,
) -> Volume:
    """Turn a dataset's label values into ours, as uint8.

    Args:
        labels: As `read_label_values` gives them.
        path: Where they are from, for messages.
        task: See `read_labels`.
        value_map: See `read_labels`.

    Raises:
        LabelError: A value is not a whole number, or not one that `value_map` or `task` knows.
    """
    array_kji = labels.array_kji
    values = whole_values(array_kji, path)
    if task is not None and value_map is None:
        require_known_labels(array_kji, task, path)
    mapped = np.zeros(array_kji.shape, np.uint8)
    for value, target in _targets(array_kji, values, value_map, path).items():
        if target:
            mapped[array_kji == value] = target
    if task is not None and value_map is not None:
        require_known_labels(mapped, task, path)
    return labels.with_array(mapped)


def write_volume(volume: Volume, path: Path | str, *, overwrite: bool = False) -> None:
    """Write a volume as `.nii`, `.nii.gz`, `.nrrd` or `.mha`, all at once or not at all.

    Missing folders are made. Truth values are written as uint8, float16 as float32.

    Raises:
        InputFileError: The ending is none of these.
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    path = Path(path)
    suffix = volume_suffix(path)
    if suffix not in _WRITERS:
        raise unknown_suffix(path)
    with new_file(path, overwrite=overwrite) as temporary:
        _WRITERS[suffix](volume, temporary)


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block succeeds; make its folder.

    Raises:
        OutputExistsError: The file exists and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        yield temporary


def whole_values(array_kji: NDArray[Any], path: Path) -> list[int]:
    """Return the label values that occur.

    Raises:
        LabelError: One is not a whole number.
    """
    present = _present_values(array_kji)
    broken = [float(value) for value in present if not float(value).is_integer()]
    if broken:
        raise LabelError(
            f"{path} holds values that are no labels ({_listed(broken)}), expected whole numbers.",
            hint="Check that this is a label map, not an image or a resampled mask.",
        )
    return [int(value) for value in present]


def _present_values(array_kji: NDArray[Any]) -> NDArray[Any]:
    """Return the sorted values of an array; small whole numbers are counted, not sorted."""
    low, high = array_kji.min(), array_kji.max()
    if array_kji.dtype.kind in "iu" and low >= 0 and high < _COUNTED_VALUES:
        counts = np.zeros(int(high) + 1, np.int64)
        for plane in array_kji:  # counting makes eight bytes of each voxel
            counts += np.bincount(plane.ravel(), minlength=len(counts))
        return np.flatnonzero(counts)
    return np.unique(array_kji)


def _targets(
    array_kji: NDArray[Any], values: list[int], value_map: Mapping[int, int] | None, path: Path
) -> dict[int, int]:
    """Return our value of each of the file's values."""
    mapping = {value: value for value in range(256)} if value_map is None else {0: 0, **value_map}
    unknown = [value for value in values if value not in mapping]
    if unknown:
        expected = "0 to 255" if value_map is None else _listed(sorted(mapping), limit=256)
        raise LabelError(
            f"{path} holds the label values {_counted(array_kji, unknown)}, expected {expected}.",
            hint="Check that the labels belong to this data set and task.",
        )
    return {value: mapping[value] for value in values}


def require_known_labels(labels: NDArray[Any], task: Task, path: Path) -> None:
    """Refuse labels that a task does not know; `path` is where they are from or going to.

    Raises:
        LabelError: See above.
    """
    unknown = [int(v) for v in _present_values(labels) if v not in task.known_values]
    if unknown:
        known = ", ".join(["0 background", *(f"{c.value} {c.name}" for c in task.classes)])
        listed = _counted(labels, unknown)
        raise LabelError(
            f"{path}: the labels hold {listed}, which task {task.name!r} does not know; "
            f"expected {known}.",
            hint="Choose the task that the labels were made for, or map the data set's values.",
        )


def _counted(array_kji: NDArray[Any], values: list[int]) -> str:
    """List values with their numbers of voxels."""
    counts = [
        f"{value} ({np.count_nonzero(array_kji == value)} voxels)"
        for value in values[:MAX_LISTED_VALUES]
    ]
    return _listed(counts, len(values))


def _listed(items: list[Any], total: int | None = None, limit: int = MAX_LISTED_VALUES) -> str:
    total = len(items) if total is None else total
    text = ", ".join(str(item) for item in items[:limit])
    return text if total <= limit else f"{text} and {total - limit} more"
