"""What Slicer's displayable managers really draw: the right colour at the right place in RAS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.planes import (
    ORIENTATIONS,
    Orientation,
    PointRas,
    SlicePlane,
    foreground_bounds_ras,
)
from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene
from CrossModalSegLib.bridge.segmentations import labels_to_node, style_as_fill, style_as_outline
from CrossModalSegLib.bridge.views import Picture, SliceView, SurfaceView
from CrossModalSegLib.bridge.volumes import matrix_from_vtk, set_window, volume_to_node
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume

CARDIAC = TASKS["cardiac"]
COLOURS = {entry.value: np.array(entry.colour) for entry in CARDIAC.classes}
SIZE_PX, FIELD_OF_VIEW_MM, RADIUS_MM = 200, 120.0, 9.0

ASIDE_MM: dict[Orientation, PointRas] = {
    "axial": (6.0, -4.0, 2.0),
    "coronal": (6.0, 2.0, -4.0),
    "sagittal": (2.0, 6.0, -4.0),
}
"""From a structure to the middle of a picture, so that mirrored pictures are found out."""

Centres = dict[int, PointRas]


def _plane(orientation: Orientation, centre_ras: PointRas) -> SlicePlane:
    return SlicePlane(
        orientation=orientation,
        centre_ras=centre_ras,
        field_of_view_mm=FIELD_OF_VIEW_MM,
        size_px=SIZE_PX,
    )


def _aside(centre_ras: PointRas, orientation: Orientation) -> PointRas:
    r, a, s = np.add(centre_ras, ASIDE_MM[orientation])
    return float(r), float(a), float(s)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_structure_is_drawn_in_its_colour_at_its_place_in_slices(
    view_session: HeadlessScene, labels: Volume, centres_ras: Centres, orientation: Orientation
) -> None:
    node = labels_to_node(labels, CARDIAC, view_session.mrml, "heart", with_surfaces=False)
    style_as_fill(node, fill_opacity=1.0, outline_thickness=1)
    view = SliceView(view_session)
    for value, centre in centres_ras.items():
        plane = _plane(orientation, _aside(centre, orientation))
        picture = view.render(plane)
        points = plane.pixel_to_ras @ _pixels()
        distance_mm = np.linalg.norm(points[:3].T - centre, axis=1).reshape(SIZE_PX, SIZE_PX)
        is_colour = np.abs(picture.astype(int) - COLOURS[value]).max(axis=2) <= 3
        assert is_colour[distance_mm < RADIUS_MM - 3].all(), f"class {value} is not where it is"
        assert not is_colour[distance_mm > RADIUS_MM + 3].any(), f"class {value} is elsewhere too"
        assert (distance_mm < RADIUS_MM - 3).sum() > 50


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_volume_is_drawn_at_its_place_with_its_window(
    view_session: HeadlessScene, labels: Volume, centres_ras: Centres, orientation: Orientation
) -> None:
    image = labels.with_array(np.where(labels.array_kji == 2, 300.0, 100.0).astype(np.float32))
    node = volume_to_node(image, view_session.mrml, "image")
    set_window(node, 0.0, 400.0)
    plane = _plane(orientation, _aside(centres_ras[2], orientation))
    picture = SliceView(view_session).render(plane, node)
    points = (plane.pixel_to_ras @ _pixels())[:3].T
    distance_mm = np.linalg.norm(points - centres_ras[2], axis=1).reshape(SIZE_PX, SIZE_PX)
    assert np.abs(picture[distance_mm < RADIUS_MM - 4].astype(int) - 255 * 300 / 400).max() <= 3
    ring = (distance_mm > RADIUS_MM + 4) & (distance_mm < RADIUS_MM + 6)
    assert np.abs(picture[ring].astype(int) - 255 * 100 / 400).max() <= 3


def test_fill_lets_the_volume_shine_through(
    view_session: HeadlessScene, plain_labels: Volume, centres_ras: Centres
) -> None:
    image = plain_labels.with_array(np.full(plain_labels.shape_kji, 50.0, dtype=np.float32))
    image_node = volume_to_node(image, view_session.mrml, "image")
    set_window(image_node, 0.0, 100.0)
    node = labels_to_node(plain_labels, CARDIAC, view_session.mrml, "heart", with_surfaces=False)
    style_as_fill(node, fill_opacity=0.25)
    plane = _plane("axial", centres_ras[1])
    column, row = plane.pixel_of(centres_ras[1])
    expected = 0.75 * 127.5 + 0.25 * COLOURS[1]
    drawn = SliceView(view_session).render(plane, image_node)[row, column]
    np.testing.assert_allclose(drawn, expected, atol=3)


def test_a_reference_is_an_outline_over_the_fill(
    view_session: HeadlessScene, plain_labels: Volume, centres_ras: Centres
) -> None:
    node = labels_to_node(plain_labels, CARDIAC, view_session.mrml, "result", with_surfaces=False)
    style_as_fill(node, fill_opacity=1.0)
    moved = plain_labels.with_array(np.roll(plain_labels.array_kji, 2, axis=2))  # 4 mm to R
    outline = labels_to_node(moved, CARDIAC, view_session.mrml, "reference", with_surfaces=False)
    style_as_outline(outline, (0, 255, 255), thickness=2)
    plane = _plane("axial", centres_ras[2])
    picture = SliceView(view_session).render(plane)
    is_outline = (np.abs(picture.astype(int) - (0, 255, 255)).max(axis=2) <= 3).nonzero()
    column, row = plane.pixel_of((centres_ras[2][0] + 4.0, *centres_ras[2][1:]))
    radius_px = np.hypot(is_outline[1] - column, is_outline[0] - row)
    radius_px *= FIELD_OF_VIEW_MM / SIZE_PX
    assert len(radius_px) > 40
    assert (np.abs(radius_px - RADIUS_MM) < 3).all()
    np.testing.assert_allclose(picture[row, column], COLOURS[2], atol=3)


def test_the_view_shows_the_plane_that_the_library_computes(view_session: HeadlessScene) -> None:
    view = SliceView(view_session)
    for orientation in ORIENTATIONS:
        plane = _plane(orientation, (3.0, -7.0, 11.0))
        view.render(plane)
        xy_to_ras = matrix_from_vtk(view.node.GetXYToRAS())
        for column, row in [(0, 0), (10, 20), (SIZE_PX - 1, 5)]:
            np.testing.assert_allclose(
                xy_to_ras @ (column, SIZE_PX - 1 - row, 0, 1),
                plane.pixel_to_ras @ (column, row, 0, 1),
                atol=1e-9,
            )


def test_every_structure_is_drawn_in_its_colour_at_its_place_in_3d(
    view_session: HeadlessScene, labels: Volume, centres_ras: Centres
) -> None:
    labels_to_node(labels, CARDIAC, view_session.mrml, "heart")
    bounds = foreground_bounds_ras(labels)
    picture = SurfaceView(view_session).render(bounds, SIZE_PX)
    for value, centre in centres_ras.items():
        column, row = _pixel_in_front_view(bounds, centre)
        assert _nearest_colour(picture, column, row) == value


def test_the_3d_background_is_slicers(view_session: HeadlessScene, plain_labels: Volume) -> None:
    labels_to_node(plain_labels, CARDIAC, view_session.mrml, "heart")
    picture = SurfaceView(view_session).render(foreground_bounds_ras(plain_labels), 100)
    np.testing.assert_allclose(picture[-1, 0], (193, 195, 232), atol=3)
    np.testing.assert_allclose(picture[0, -1], (117, 121, 190), atol=4)


def test_slices_outside_everything_are_black(
    view_session: HeadlessScene, plain_labels: Volume
) -> None:
    node = volume_to_node(plain_labels, view_session.mrml, "image")
    picture = SliceView(view_session).render(_plane("axial", (0.0, 0.0, 500.0)), node)
    assert not picture.any()


def test_pictures_have_the_size_asked_for(
    view_session: HeadlessScene, plain_labels: Volume
) -> None:
    labels_to_node(plain_labels, CARDIAC, view_session.mrml, "heart")
    slices, surfaces = SliceView(view_session), SurfaceView(view_session)
    for size in (64, 151, 90):
        plane = SlicePlane(
            orientation="coronal", centre_ras=(0, 0, 0), field_of_view_mm=100.0, size_px=size
        )
        for picture in (
            slices.render(plane),
            surfaces.render(foreground_bounds_ras(plain_labels), size),
        ):
            assert picture.shape == (size, size, 3)
            assert picture.dtype == np.uint8


def test_a_removed_segmentation_disappears(
    view_session: HeadlessScene, plain_labels: Volume, centres_ras: Centres
) -> None:
    node = labels_to_node(plain_labels, CARDIAC, view_session.mrml, "heart", with_surfaces=False)
    view, plane = SliceView(view_session), _plane("axial", centres_ras[3])
    assert view.render(plane).any()
    view_session.mrml.RemoveNode(node)
    assert not view.render(plane).any()


def test_views_of_several_scenes_follow_one_another(
    rendering: None,  # noqa: ARG001
    plain_labels: Volume,
    centres_ras: Centres,
) -> None:
    pictures = []
    for _ in range(3):
        with headless_scene() as session:
            labels_to_node(plain_labels, CARDIAC, session.mrml, "heart")
            pictures.append(SliceView(session).render(_plane("sagittal", centres_ras[4])))
            SurfaceView(session).render(foreground_bounds_ras(plain_labels), 64)
    assert pictures[0].any()
    for picture in pictures[1:]:
        np.testing.assert_array_equal(picture, pictures[0])


def _pixels() -> Any:
    row, column = np.indices((SIZE_PX, SIZE_PX))
    return np.stack(
        [column.ravel(), row.ravel(), np.zeros(SIZE_PX**2), np.ones(SIZE_PX**2)]
    ).astype(float)


def _pixel_in_front_view(bounds_ras: tuple[PointRas, PointRas], point: PointRas) -> tuple[int, int]:
    """Project by hand: a camera in front of the box, 30 degrees wide, 1.2 times its size."""
    lower, upper = np.array(bounds_ras)
    centre, half = (lower + upper) / 2, (upper - lower) / 2
    tangent = np.tan(np.radians(15))
    eye_a = centre[1] + max(half[0], half[2]) * 1.2 / tangent + half[1]
    reach = (eye_a - point[1]) * tangent
    column = SIZE_PX / 2 * (1 - (point[0] - centre[0]) / reach)
    row = SIZE_PX / 2 * (1 - (point[2] - centre[2]) / reach)
    return round(column), round(row)


def _nearest_colour(picture: Picture, column: int, row: int) -> int | None:
    """Return the class whose hue a shaded pixel has; None for the bluish background."""
    pixel = picture[row, column] / np.linalg.norm(picture[row, column])
    background = picture[row, 0] / np.linalg.norm(picture[row, 0])
    candidates: dict[int | None, Any] = {
        value: colour / np.linalg.norm(colour) for value, colour in COLOURS.items()
    }
    candidates[None] = background
    return max(candidates, key=lambda value: float(pixel @ candidates[value]))
