"""Boxes in the patient."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import ConfigError, GeometryError
from CrossModalSegLib.core.geometry import affine_from
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.inference.region import RegionOfInterest


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
