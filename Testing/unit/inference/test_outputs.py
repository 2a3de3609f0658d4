"""Results as files."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from CrossModalSegLib.core.errors import InputFileError, OutputExistsError, StorageError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import read_image, read_labels
from CrossModalSegLib.inference.outputs import LabelWriter, require_writable, write_map

CARDIAC = TASKS["cardiac"]
LABELS = Volume(np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 5, np.diag([-2.0, 1.0, 3.0, 1.0]))


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha", ".seg.nrrd"])
@pytest.mark.parametrize("compressed", [True, False])
def test_labels_come_back_from_every_format(
    tmp_path: Path, suffix: str, *, compressed: bool
) -> None:
    path = tmp_path / f"labels{suffix}"
    LabelWriter(task=CARDIAC, compressed=compressed).write(LABELS, path)
    back = read_labels(path, task=CARDIAC)
    assert np.array_equal(back.array_kji, LABELS.array_kji)
    np.testing.assert_allclose(back.affine_ras, LABELS.affine_ras, atol=1e-6)
    is_raw = suffix == ".nrrd" and not compressed
    assert (b"encoding: raw" in path.read_bytes()) == is_raw


def test_a_segmentation_holds_the_chosen_structures_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.seg.nrrd"
    LabelWriter(task=CARDIAC, structures=["AA", "MYO"]).write(LABELS, path)
    header = path.read_bytes().partition(b"\n\n")[0].decode()
    assert "Segment0_ID:=MYO" in header
    assert "Segment1_ID:=AA" in header
    assert "Segment2" not in header
    back = read_labels(path, task=CARDIAC).array_kji
    assert np.array_equal(back, np.where(np.isin(LABELS.array_kji, (1, 4)), LABELS.array_kji, 0))


@pytest.mark.parametrize("compressed", [True, False])
def test_a_map_keeps_its_numbers(tmp_path: Path, *, compressed: bool) -> None:
    numbers = LABELS.with_array(LABELS.array_kji.astype(np.float32) / 7)
    write_map(numbers, tmp_path / "map.nrrd", compressed=compressed)
    assert np.array_equal(read_image(tmp_path / "map.nrrd").array_kji, numbers.array_kji)


@pytest.mark.parametrize("compressed", [True, False])
def test_files_that_are_there_stay_unless_asked_for(tmp_path: Path, *, compressed: bool) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        LabelWriter(task=CARDIAC, compressed=compressed).write(LABELS, path)
    assert path.read_text() == "mine"
    LabelWriter(task=CARDIAC, overwrite=True, compressed=compressed).write(LABELS, path)
    assert read_labels(path).array_kji.max() == 4


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("CrossModalSegLib.inference.outputs.write_nrrd", full)
    with pytest.raises(StorageError, match="the disk is full"):
        write_map(LABELS, tmp_path / "map.nrrd", compressed=False)
    assert list(tmp_path.iterdir()) == []


def test_endings_that_cannot_be_written_are_refused() -> None:
    require_writable(Path("a.seg.nrrd"))
    require_writable(Path("a.nii.gz"), is_map=True)
    with pytest.raises(InputFileError, match=r"a\.txt has an ending"):
        require_writable(Path("a.txt"))
    with pytest.raises(InputFileError, match=r"a\.seg\.nrrd has an ending"):
        require_writable(Path("a.seg.nrrd"), is_map=True)
