"""Voxels are copied in small steps, and the copy is never a mixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.volume_export import VolumeCopy, VolumesExport, write_exchange_file
from CrossModalSegLib.bridge.volumes import volume_to_node
from CrossModalSegLib.core.errors import InputFileError, StorageError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import read_image


@pytest.fixture
def volume() -> Volume:
    values = np.random.default_rng(0).normal(100, 10, (9, 10, 11)).astype(np.float32)
    return Volume(values, np.diag([-0.7, 0.9, 1.3, 1.0]))


@pytest.fixture
def node(session: HeadlessScene, volume: Volume) -> Any:
    return volume_to_node(volume, session.mrml, "a/b: ä ü (1)")


def test_small_steps_copy_everything(node: Any, volume: Volume) -> None:
    copy = VolumeCopy(node, step_bytes=2 * 10 * 11 * 4)
    steps = 1
    while not copy.step():
        steps += 1
    assert steps == 5
    np.testing.assert_array_equal(copy.volume.array_kji, volume.array_kji)
    np.testing.assert_allclose(copy.volume.affine_ras, volume.affine_ras, atol=1e-12)
    assert copy.grid.shape_kji == volume.shape_kji


def test_the_copy_does_not_follow_the_node(node: Any, volume: Volume) -> None:
    copy = VolumeCopy(node)
    assert copy.step()
    node.GetImageData().GetPointData().GetScalars().Fill(0.0)
    np.testing.assert_array_equal(copy.volume.array_kji, volume.array_kji)


def test_a_volume_changed_in_the_middle_is_copied_anew(node: Any) -> None:
    copy = VolumeCopy(node, step_bytes=1)
    assert not copy.step()
    node.GetImageData().GetPointData().GetScalars().Fill(7.0)
    node.GetImageData().Modified()
    assert copy.step(), "in one go, so that it ends"
    assert (copy.volume.array_kji == 7.0).all()


def test_a_volume_emptied_in_the_middle_is_refused(node: Any) -> None:
    copy = VolumeCopy(node, step_bytes=1)
    copy.step()
    node.SetAndObserveImageData(None)
    with pytest.raises(InputFileError, match="is empty"):
        copy.step()


def test_files_are_named_after_volumes_and_messages_after_nodes(
    session: HeadlessScene, node: Any, volume: Volume, tmp_path: Path
) -> None:
    other = volume_to_node(volume, session.mrml, "x" * 300)
    export = VolumesExport([VolumeCopy(node), VolumeCopy(other)], tmp_path)
    assert [path.name for path in export.paths] == ["1_a_b_1_.nrrd", f"2_{'x' * 60}.nrrd"]
    while not export.copy(0.01):
        pass
    assert export.share == 1.0
    export.write()
    np.testing.assert_array_equal(read_image(export.paths[0]).array_kji, volume.array_kji)
    assert export.without_paths(f"{export.paths[0]} is odd.") == (
        "The volume 'a/b: ä ü (1)' is odd."
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, as Linux has it")
def test_a_full_disk_is_an_error_that_says_so(volume: Volume) -> None:
    with pytest.raises(StorageError, match="the disk is full"):
        write_exchange_file(volume, Path("/dev/full"))
