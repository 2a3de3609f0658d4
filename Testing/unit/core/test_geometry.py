"""Frames, orientations and grids."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from CrossModalSegLib.core.errors import GeometryError
from CrossModalSegLib.core.geometry import (
    affine_from,
    check_affine,
    is_same_grid,
    lps_to_ras,
    orientation_code,
    ras_to_lps,
    reorient,
    require_same_grid,
)
from CrossModalSegLib.core.volume import Volume

CODES = [
    "".join(letters)
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for letters in itertools.product(*axes)
]


def oblique(tilt_degrees: float) -> np.ndarray:
    rotation = Rotation.from_euler("xyz", [tilt_degrees, -tilt_degrees, tilt_degrees], degrees=True)
    return affine_from((0.6, 0.7, 8.0), rotation.as_matrix(), (-10.0, 20.0, 30.0))


def ras_of(volume: Volume, value: int) -> np.ndarray:
    k, j, i = (int(axis[0]) for axis in np.nonzero(volume.array_kji == value))
    return (volume.affine_ras @ [i, j, k, 1])[:3]


@pytest.fixture
def numbered() -> Volume:
    return Volume(np.arange(3 * 4 * 5).reshape(3, 4, 5), oblique(12))


@pytest.mark.parametrize("code", CODES)
def test_every_voxel_stays_where_it_is_in_the_patient(numbered: Volume, code: str) -> None:
    moved = reorient(numbered, code)
    assert orientation_code(moved.affine_ras) == code
    for value in (0, 7, 33, 59):
        np.testing.assert_allclose(ras_of(moved, value), ras_of(numbered, value), atol=1e-9)


def test_reorienting_there_and_back_changes_nothing(numbered: Volume) -> None:
    original = orientation_code(numbered.affine_ras)
    back = reorient(reorient(numbered, "AIL"), original)
    np.testing.assert_array_equal(back.array_kji, numbered.array_kji)
    np.testing.assert_allclose(back.affine_ras, numbered.affine_ras, atol=1e-9)


@given(angles=st.tuples(*[st.floats(-180, 180)] * 3))
def test_each_patient_axis_is_named_once(angles: tuple[float, float, float]) -> None:
    rotation = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    code = orientation_code(affine_from((1, 1, 1), rotation, (0, 0, 0)))
    assert code in CODES


def test_lps_is_ras_with_two_axes_turned() -> None:
    affine = affine_from((1, 2, 3), np.eye(3), (4, 5, 6))
    assert orientation_code(affine) == "RAS"
    assert orientation_code(ras_to_lps(affine)) == "LPS"
    np.testing.assert_array_equal(lps_to_ras(ras_to_lps(affine)), affine)


def test_spacing_and_voxel_volume_are_in_mm_and_ml(numbered: Volume) -> None:
    np.testing.assert_allclose(numbered.spacing_mm, (0.6, 0.7, 8.0))
    assert numbered.voxel_ml == pytest.approx(0.6 * 0.7 * 8 / 1000)


def test_sheared_axes_are_refused_with_both_directions() -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.3
    with pytest.raises(GeometryError, match="sheared"):
        check_affine(affine, "tilted.nii")


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_degenerate_spacing_is_refused(bad: float) -> None:
    affine = np.diag([1.0, bad, 1.0, 1.0])
    with pytest.raises(GeometryError, match="spacing"):
        check_affine(affine, "flat.nii")


@pytest.mark.parametrize("code", ["", "LP", "LLS", "XYZ", "LPSR"])
def test_a_code_that_is_no_orientation_is_refused(numbered: Volume, code: str) -> None:
    with pytest.raises(GeometryError, match="orientation"):
        reorient(numbered, code)


def test_grids_that_differ_by_more_than_the_tolerance_are_refused_by_name(numbered: Volume) -> None:
    shifted_affine = numbered.affine_ras.copy()
    shifted_affine[0, 3] += 0.5
    shifted = Volume(numbered.array_kji, shifted_affine)
    assert not is_same_grid(numbered, shifted)
    with pytest.raises(GeometryError, match=r"image\.nii.*label\.nii"):
        require_same_grid(numbered, shifted, "image.nii", "label.nii")


def test_a_flipped_grid_is_another_grid(numbered: Volume) -> None:
    assert is_same_grid(numbered, numbered)
    assert not is_same_grid(numbered, reorient(numbered, "LAS"))
