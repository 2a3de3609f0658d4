"""The plain pictures show the same things at the same places as Slicer's views."""

from __future__ import annotations

import numpy as np
import pytest

from CrossModalSegLib.bridge.drawing import (
    FILL_OPACITY,
    REFERENCE_COLOUR,
    draw_slice,
    draw_surfaces,
    overlay_outlines,
    overlay_structures,
    sample,
)
from CrossModalSegLib.bridge.planes import (
    ORIENTATIONS,
    Orientation,
    SlicePlane,
    foreground_bounds_ras,
)
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume

STRUCTURES = structures_of(TASKS["cardiac"])
CENTRE_RAS = (-12.0, 9.0, 15.0)


@pytest.fixture
def ball() -> Volume:
    """The left ventricle as a ball of 10 mm on a turned, flipped grid."""
    turn = np.array([[0.0, -1.0, 0.0], [0.8, 0.0, 0.6], [-0.6, 0.0, 0.8]]) * [2.0, 2.0, 2.5]
    affine = np.eye(4)
    affine[:3, :3] = turn
    affine[:3, 3] = -turn @ (24.5, 24.5, 20.0)
    index = np.moveaxis(np.indices((41, 50, 50))[::-1], 0, -1)
    points = index @ turn.T + affine[:3, 3]
    inside = np.linalg.norm(points - CENTRE_RAS, axis=-1) < 10
    return Volume(np.where(inside, 3, 0).astype(np.uint8), affine)


def _plane(orientation: Orientation) -> SlicePlane:
    return SlicePlane(
        orientation=orientation, centre_ras=(-8.0, 5.0, 12.0), field_of_view_mm=60, size_px=90
    )


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_structures_lie_at_their_place(ball: Volume, orientation: Orientation) -> None:
    plane = _plane(orientation)
    column, row = plane.pixel_of(CENTRE_RAS)
    black = np.zeros((90, 90, 3), dtype=np.uint8)
    picture = overlay_structures(black, ball, STRUCTURES, plane)
    colour = np.array(STRUCTURES[2].colour)
    np.testing.assert_allclose(picture[row, column], FILL_OPACITY * colour, atol=1)
    assert not picture[0].any()
    painted = np.argwhere(picture.any(axis=2))
    np.testing.assert_allclose(painted.mean(axis=0), (row, column), atol=1.5)


def test_the_outline_is_the_edge_alone(ball: Volume) -> None:
    plane = _plane("axial")
    black = np.zeros((90, 90, 3), dtype=np.uint8)
    picture = overlay_outlines(black, ball, STRUCTURES, plane)
    column, row = plane.pixel_of(CENTRE_RAS)
    assert not picture[row, column].any()
    drawn = np.argwhere(picture.any(axis=2))
    assert len(drawn) > 40
    assert (picture[tuple(drawn.T)] == REFERENCE_COLOUR).all()
    assert not black.any(), "the picture given is left as it was"


def test_shades_follow_the_window(ball: Volume) -> None:
    image = ball.with_array(np.where(ball.array_kji == 3, 250.0, 50.0))
    plane = _plane("coronal")
    column, row = plane.pixel_of(CENTRE_RAS)
    assert draw_slice(image, (0.0, 500.0), plane)[row, column].tolist() == [127] * 3
    assert draw_slice(image, (300.0, 400.0), plane)[row, column].tolist() == [0] * 3
    assert draw_slice(image, (0.0, 200.0), plane)[row, column].tolist() == [255] * 3


def test_outside_the_volume_it_is_black(ball: Volume) -> None:
    image = ball.with_array(np.full(ball.shape_kji, 100.0))
    plane = SlicePlane(orientation="axial", centre_ras=(0, 0, 400), field_of_view_mm=60, size_px=50)
    assert not draw_slice(image, (-50.0, 100.0), plane).any()


def test_the_view_from_the_front_shows_the_surface_at_its_place(ball: Volume) -> None:
    lower, upper = (-40.0, -40.0, -40.0), (40.0, 40.0, 40.0)
    picture = draw_surfaces(ball, STRUCTURES, (lower, upper), 150)
    reach = 40 * 1.2
    column = round(150 * (reach - CENTRE_RAS[0]) / (2 * reach))
    row = round(150 * (reach - CENTRE_RAS[2]) / (2 * reach))
    colour = np.array(STRUCTURES[2].colour) / np.linalg.norm(STRUCTURES[2].colour)
    drawn = picture[row, column] / np.linalg.norm(picture[row, column])
    assert drawn @ colour > 0.999
    assert picture[0, 0].tolist() == [116, 120, 190]


def test_what_lies_in_front_hides_what_lies_behind() -> None:
    array = np.zeros((20, 20, 20), dtype=np.uint8)
    array[5:15, 2:8, 5:15], array[5:15, 12:18, 5:15] = 1, 2
    for flip, front in ((1.0, 2), (-1.0, 1)):
        labels = Volume(array, np.diag([1.0, flip, 1.0, 1.0]))
        picture = draw_surfaces(labels, STRUCTURES, foreground_bounds_ras(labels), 100)
        colour = np.array(STRUCTURES[front - 1].colour)
        np.testing.assert_allclose(picture[50, 50], colour, atol=3)


def test_sampling_is_exact_at_voxel_centres(ball: Volume) -> None:
    values = np.random.default_rng(0).normal(size=ball.shape_kji)
    points = np.array([(3, 4, 5), (0, 0, 0), (49, 49, 40)]) @ ball.affine_ras[:3, :3].T
    points += ball.affine_ras[:3, 3]
    expected = [values[5, 4, 3], values[0, 0, 0], values[40, 49, 49]]
    for order in (0, 1):
        sampled = sample(ball.with_array(values), points, order=order, outside=0.0)
        np.testing.assert_allclose(sampled, expected, atol=1e-9)
