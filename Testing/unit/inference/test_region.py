"""Boxes in the patient."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import ConfigError, GeometryError, InputFileError
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import write_segmentation
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.inference.region import MaskRegion, RegionOfInterest, read_area


def box(centre_ras: Any, half_sizes_mm: Any, turn: Any = None) -> RegionOfInterest:
    """Return the box around a centre."""
    turn = np.eye(3) if turn is None else turn
    to_ras = affine_from(half_sizes_mm, turn, tuple(map(float, centre_ras)))
    return RegionOfInterest(np.asarray(np.linalg.inv(to_ras), np.float64))


def oblique_grid() -> Volume:
    turn = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    return Volume(np.zeros((5, 7, 9)), affine_from((1.5, 2.0, 4.0), turn, (-10.0, 5.0, 3.0)))


@pytest.mark.parametrize("degrees", [(0, 0, 0), (33, 10, -70)])
@pytest.mark.parametrize("half_sizes_mm", [(4.0, 6.0, 5.0), (0.5, 30.0, 30.0), (99.0, 99.0, 99.0)])
def test_voxels_are_inside_when_their_centres_are(degrees: Any, half_sizes_mm: Any) -> None:
    grid = oblique_grid()
    centre = (grid.affine_ras @ (4, 3, 2, 1))[:3]
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    mask = box(centre, half_sizes_mm, turn).mask(grid).array_kji
    for k, j, i in itertools.product(*map(range, mask.shape)):
        offset = turn.T @ ((grid.affine_ras @ (i, j, k, 1))[:3] - centre)
        assert mask[k, j, i] == bool((np.abs(offset) <= np.array(half_sizes_mm) + 1e-5).all())
    assert mask.any()


def test_voxels_on_the_faces_are_inside() -> None:
    grid = Volume(np.zeros((5, 5, 5)), np.eye(4))
    mask = box((2, 2, 2), (1, 1, 1)).mask(grid).array_kji
    assert int(mask.sum()) == 27
    assert mask[1:4, 1:4, 1:4].all()


@pytest.mark.parametrize("centre_ras", [(50, 2, 2), (2, -50, 2), (2.5, 2.5, 2.5)])
def test_a_box_without_a_voxel_is_an_error(centre_ras: Any) -> None:
    grid = Volume(np.zeros((5, 5, 5)), np.eye(4))
    with pytest.raises(GeometryError, match="holds no voxel of the volume"):
        box(centre_ras, (0.3, 0.3, 0.3)).mask(grid)


FLAT = np.diag([1.0, 1.0, 0.0, 1.0])


@pytest.mark.parametrize("matrix", [np.eye(3), FLAT, np.full((4, 4), np.nan), 2 * np.eye(4)])
def test_what_is_no_box_is_refused(matrix: Any) -> None:
    with pytest.raises(ConfigError, match="expected an affine 4x4 matrix"):
        RegionOfInterest(matrix)


def test_sixteen_numbers_come_row_after_row() -> None:
    region = RegionOfInterest.from_numbers([1, 0, 0, 7, 0, 1, 0, 8, 0, 0, 1, 9, 0, 0, 0, 1])
    assert region.ras_to_box[:3, 3].tolist() == [7, 8, 9]
    with pytest.raises(ConfigError, match="15 numbers, expected the 16"):
        RegionOfInterest.from_numbers([0.0] * 15)


def upright(shape_kji: tuple[int, int, int] = (8, 9, 10)) -> Volume:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-10.0, -20.0, 30.0)
    return Volume(np.zeros(shape_kji, np.float32), affine)


def test_bounds_are_a_box_from_and_to_along_each_axis() -> None:
    grid = upright()
    box = RegionOfInterest.from_bounds((-8.5, -3.5, -14.5, -7.5, 33.0, 43.0))
    i, j, k = (np.unique(n) for n in np.nonzero(box.mask(grid).array_kji)[::-1])
    assert i.tolist() == [1, 2, 3]  # -8, -6, -4
    assert j.tolist() == [2, 3, 4]  # -14, -11, -8
    assert k.tolist() == [1, 2, 3]  # 34, 38, 42


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((1, 2, 3, 4, 5), "expected six numbers"),
        ((1, 2, 3, 4, 5, float("nan")), "expected six numbers"),
        ((-10, -60, 0, 1, 0, 1), "smaller one of each pair first"),
        ((0, 0, 0, 1, 0, 1), "smaller one of each pair first"),
    ],
)
def test_bounds_that_are_no_box_are_refused(bounds: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RegionOfInterest.from_bounds(bounds)


def test_a_mask_counts_where_it_lies_whatever_its_grid(tmp_path: Path) -> None:
    grid = upright()
    turn = Rotation.from_euler("xyz", [10.0, -20, 15], degrees=True).as_matrix()
    array = np.zeros((20, 22, 24), np.uint8)
    array[4:19, 6:21, 4:22] = 3
    mask = Volume(array, affine_from((1.5, 2.0, 2.5), turn, (-18.0, -25.0, 22.0)))
    for name in ("mask.nii.gz", "mask.seg.nrrd"):
        write_segmentation(mask, TASKS["cardiac"], tmp_path / name)
        found = MaskRegion.read(tmp_path / name).mask(grid).array_kji
        expected = np.zeros(grid.shape_kji, bool)
        for k, j, i in np.ndindex(grid.shape_kji):
            place = np.linalg.solve(mask.affine_ras, grid.affine_ras @ (i, j, k, 1.0))[:3]
            at_i, at_j, at_k = np.rint(place).astype(int)
            is_there = 0 <= at_i < 24 and 0 <= at_j < 22 and 0 <= at_k < 20
            expected[k, j, i] = is_there and array[at_k, at_j, at_i] > 0
        assert 20 < expected.sum() < expected.size / 2
        assert np.array_equal(found, expected)


def test_all_segments_of_a_segmentation_count_together(tmp_path: Path) -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[0, 0, 0], labels[1, 1, 1], labels[2, 2, 2] = 1, 2, 3
    volume = Volume(labels, np.eye(4))
    write_segmentation(volume, TASKS["brain_tumour"], tmp_path / "m.seg.nrrd")  # several layers
    assert np.array_equal(
        MaskRegion.read(tmp_path / "m.seg.nrrd").mask(volume).array_kji, labels > 0
    )


def test_a_mask_beside_the_volume_or_without_a_voxel_is_an_error() -> None:
    grid = upright()
    far = grid.affine_ras.copy()
    far[0, 3] += 500
    beside = Volume(np.ones((3, 3, 3), bool), far)
    empty = grid.with_array(np.zeros((8, 9, 10), bool))
    for mask in (beside, empty):
        with pytest.raises(GeometryError, match="holds no voxel"):
            MaskRegion(mask).mask(grid)


def test_the_command_line_names_a_box_or_a_file(tmp_path: Path) -> None:
    assert read_area(()) is None
    assert isinstance(read_area(["-8", "-3.5", "-14", "-7", "33", "43"]), RegionOfInterest)
    write_volume(upright().with_array(np.ones((8, 9, 10), np.uint8)), tmp_path / "m.nii.gz")
    assert isinstance(read_area([str(tmp_path / "m.nii.gz")]), MaskRegion)
    for words in (["a", "b"], ["1", "2"]):
        with pytest.raises(ConfigError, match="six numbers"):
            read_area(words)
    with pytest.raises(InputFileError):
        read_area(["missing.nii.gz"])
