"""Where pictures lie in the patient."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.bridge.planes import (
    ORIENTATIONS,
    EdgeLetters,
    Orientation,
    SlicePlane,
    foreground_bounds_ras,
    framing_mm,
    most_telling_point,
    planes_through,
)
from CrossModalSegLib.core.volume import Volume


def _plane(orientation: Orientation, size_px: int = 100) -> SlicePlane:
    return SlicePlane(
        orientation=orientation, centre_ras=(10, 20, 30), field_of_view_mm=50, size_px=size_px
    )


@pytest.fixture
def two_boxes() -> Volume:
    """Class 1 for i in 10..19 and class 2 for i in 14..23; both for j in 5..14, k in 20..29."""
    array = np.zeros((40, 30, 50), dtype=np.uint8)
    array[20:25, 5:15, 10:20] = 1
    array[25:30, 5:15, 14:24] = 2
    return Volume(array, np.diag([-2.0, 3.0, 4.0, 1.0]))


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [
        ("axial", EdgeLetters("R", "L", "A", "P")),
        ("coronal", EdgeLetters("R", "L", "S", "I")),
        ("sagittal", EdgeLetters("A", "P", "S", "I")),
    ],
)
def test_pictures_follow_the_radiological_convention(
    orientation: Orientation, letters: EdgeLetters
) -> None:
    assert _plane(orientation).letters == letters


@pytest.mark.parametrize(
    ("orientation", "towards_right", "towards_top"),
    [("axial", (0, 20, 30), (10, 30, 30)), ("sagittal", (10, 10, 30), (10, 20, 40))],
)
def test_points_lie_in_the_direction_of_their_letter(
    orientation: Orientation,
    towards_right: tuple[float, float, float],
    towards_top: tuple[float, float, float],
) -> None:
    plane = _plane(orientation)
    column, row = plane.pixel_of((10, 20, 30))
    assert plane.pixel_of(towards_right) == (column + 20, row)
    assert plane.pixel_of(towards_top) == (column, row - 20)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_pixels_and_points_are_inverse(orientation: Orientation) -> None:
    plane = _plane(orientation, 64)
    for pixel in [(0, 0), (63, 12), (31, 63)]:
        assert plane.pixel_of((plane.pixel_to_ras @ (*pixel, 0, 1))[:3].tolist()) == pixel


def test_planes_share_point_and_extent() -> None:
    planes = planes_through((1.0, 2.0, 3.0), 80.0, 128)
    assert tuple(plane.orientation for plane in planes) == ORIENTATIONS
    assert {(plane.centre_ras, plane.field_of_view_mm) for plane in planes} == {((1, 2, 3), 80)}


def test_the_most_telling_planes_cut_every_structure(two_boxes: Volume) -> None:
    r, a, s = most_telling_point(two_boxes)
    assert -2 * 19 <= r <= -2 * 14, "where both lie along R"
    assert 3 * 5 <= a <= 3 * 14
    assert 4 * 20 <= s <= 4 * 29


def test_the_most_telling_point_of_nothing_is_the_middle(two_boxes: Volume) -> None:
    empty = two_boxes.with_array(np.zeros_like(two_boxes.array_kji))
    np.testing.assert_allclose(most_telling_point(empty), (-49, 43.5, 78))


def test_a_single_voxel_is_found() -> None:
    array = np.zeros((9, 9, 9), dtype=np.uint8)
    array[2, 3, 4] = 1
    point = most_telling_point(Volume(array, np.diag([2.0, 2.0, 2.0, 1.0])))
    np.testing.assert_allclose(point, (8, 6, 4), atol=1.0)


def test_bounds_are_those_of_voxel_centres(two_boxes: Volume) -> None:
    assert foreground_bounds_ras(two_boxes) == ((-46.0, 15.0, 80.0), (-20.0, 42.0, 116.0))


def test_the_frame_holds_all_structures_with_a_margin(two_boxes: Volume) -> None:
    frame = framing_mm(two_boxes, (-33.0, 28.5, 98.0))
    assert frame == pytest.approx(1.5 * 36)


def test_the_frame_is_never_larger_than_the_image(two_boxes: Volume) -> None:
    whole = two_boxes.with_array(np.ones_like(two_boxes.array_kji))
    assert framing_mm(whole, (-49.0, 43.5, 78.0)) == 4 * 39
    assert framing_mm(whole.with_array(0 * whole.array_kji), (0.0, 0.0, 0.0)) == 4 * 39
