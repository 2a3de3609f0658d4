"""After a result all views look at it: the scan behind it, the whole of it in sight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bridge.result_placement import place_segments, show_result
from CrossModalSegLib.bridge.result_views import foreground_ball, show_volume
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.segmentations import style_as_fill
from CrossModalSegLib.bridge.views import Picture, SliceView, SurfaceView
from CrossModalSegLib.bridge.volumes import (
    matrix_from_vtk,
    matrix_to_vtk,
    node_to_volume,
    set_window,
    volume_to_node,
)
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from Testing.scene.placing import place_with_surfaces

CARDIAC = TASKS["cardiac"]
COLOURS = {entry.value: np.array(entry.colour) for entry in CARDIAC.classes}
ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
SIZE_PX, RADIUS_MM = 240, 9.0

TURN = np.array([[0.0, -1, 0, 5], [1, 0, 0, -3], [0, 0, 1, 7.5], [0, 0, 0, 1]])
"""A quarter turn about S and a shift."""

Centres = dict[int, tuple[float, float, float]]


@pytest.fixture
def image_node(session: HeadlessScene, labels: Volume) -> Any:
    image = labels.with_array(np.full(labels.shape_kji, 50.0, np.float32))
    node = volume_to_node(image, session.mrml, "scan")
    set_window(node, 0.0, 100.0)
    return node


@pytest.fixture
def plain_image_node(session: HeadlessScene, plain_labels: Volume) -> Any:
    return volume_to_node(plain_labels, session.mrml, "scan")


def _slice_nodes(session: HeadlessScene, *, size_px: int = SIZE_PX) -> dict[str, tuple[Any, Any]]:
    views = {}
    for name, orientation in ORIENTATIONS.items():
        slice_node = session.mrml.AddNewNodeByClass("vtkMRMLSliceNode")
        slice_node.SetLayoutName(name)
        slice_node.SetOrientation(orientation)
        slice_node.SetDimensions(size_px, size_px // 2, 1)
        composite = session.mrml.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        composite.SetLayoutName(name)
        views[name] = (slice_node, composite)
    return views


def _centre_of_mass(labels: Volume) -> NDArray[np.float64]:
    index_ijk = np.argwhere(labels.array_kji)[:, ::-1].mean(axis=0)
    centre: NDArray[np.float64] = labels.affine_ras[:3, :3] @ index_ijk + labels.affine_ras[:3, 3]
    return centre


def test_the_middle_of_a_result_is_its_centre_of_mass_in_the_world(
    session: HeadlessScene, labels: Volume, image_node: Any, centres_ras: Centres
) -> None:
    transform = session.mrml.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(TURN))
    image_node.SetAndObserveTransformNodeID(transform.GetID())
    seen = node_to_volume(image_node).with_array(labels.array_kji)
    ball = foreground_ball(place_segments(seen, CARDIAC, image_node, "result"))
    assert ball is not None
    np.testing.assert_allclose(ball.centre_ras, _centre_of_mass(seen), atol=1e-6)
    for centre in centres_ras.values():
        moved = TURN[:3, :3] @ centre + TURN[:3, 3]
        assert np.linalg.norm(moved - ball.centre_ras) + RADIUS_MM - 2 < ball.radius_mm < 120


def test_nothing_found_has_no_middle(session: HeadlessScene, plain_grid: Volume) -> None:
    node = volume_to_node(plain_grid, session.mrml, "scan")
    assert foreground_ball(place_segments(plain_grid, CARDIAC, node, "nothing")) is None


def test_slices_jump_to_the_result_with_the_scan_behind_it(
    session: HeadlessScene, labels: Volume, image_node: Any
) -> None:
    views = _slice_nodes(session)
    node = place_with_surfaces(labels, CARDIAC, image_node, "result")
    show_result(node, image_node)
    for slice_node, composite in views.values():
        assert composite.GetBackgroundVolumeID() == image_node.GetID()
        middle = matrix_from_vtk(slice_node.GetSliceToRAS())[:3, 3]
        np.testing.assert_allclose(middle, _centre_of_mass(labels), atol=1e-6)


def test_a_scan_that_was_not_shown_is_seen_as_a_whole(
    session: HeadlessScene, plain_labels: Volume, plain_image_node: Any
) -> None:
    views = _slice_nodes(session)
    show_result(
        place_with_surfaces(plain_labels, CARDIAC, plain_image_node, "r"),
        plain_image_node,
    )
    # 54 x 52 x 50 voxels of 2 mm in pictures twice as wide as high.
    heights_mm = {"Red": 104, "Yellow": 100, "Green": 100}
    for name, (slice_node, _) in views.items():
        width_mm, height_mm, _ = slice_node.GetFieldOfView()
        assert height_mm == pytest.approx(heights_mm[name], abs=2.1)
        assert width_mm == pytest.approx(2 * height_mm)


def test_the_zoom_of_a_scan_that_is_shown_stays(
    session: HeadlessScene, plain_labels: Volume, plain_image_node: Any
) -> None:
    views = _slice_nodes(session)
    node = place_with_surfaces(plain_labels, CARDIAC, plain_image_node, "result")
    for slice_node, composite in views.values():
        composite.SetBackgroundVolumeID(plain_image_node.GetID())
        slice_node.SetFieldOfView(33.0, 16.5, 1.0)
    show_result(node, plain_image_node)
    for slice_node, _ in views.values():
        assert slice_node.GetFieldOfView() == (33.0, 16.5, 1.0)


def test_without_a_scan_backgrounds_stay(
    session: HeadlessScene, plain_labels: Volume, plain_image_node: Any
) -> None:
    views = _slice_nodes(session)
    show_result(place_with_surfaces(plain_labels, CARDIAC, plain_image_node, "result"))
    for slice_node, composite in views.values():
        assert composite.GetBackgroundVolumeID() is None
        middle = matrix_from_vtk(slice_node.GetSliceToRAS())[:3, 3]
        np.testing.assert_allclose(middle, _centre_of_mass(plain_labels), atol=1e-6)


def test_views_that_have_no_size_yet_do_no_harm(
    session: HeadlessScene, plain_labels: Volume, plain_image_node: Any
) -> None:
    views = _slice_nodes(session, size_px=0)
    show_result(
        place_with_surfaces(plain_labels, CARDIAC, plain_image_node, "r"),
        plain_image_node,
    )
    for _, composite in views.values():
        assert composite.GetBackgroundVolumeID() == plain_image_node.GetID()


def test_nothing_found_shows_the_middle_of_the_scan(
    session: HeadlessScene, plain_grid: Volume
) -> None:
    views = _slice_nodes(session)
    node = volume_to_node(plain_grid, session.mrml, "scan")
    show_result(place_with_surfaces(plain_grid, CARDIAC, node, "nothing"), node)
    for slice_node, _ in views.values():
        np.testing.assert_allclose(
            matrix_from_vtk(slice_node.GetSliceToRAS())[:3, 3], (0, 0, 0), atol=1.01
        )


def test_showing_a_scan_shows_all_of_it(session: HeadlessScene, plain_image_node: Any) -> None:
    views = _slice_nodes(session)
    show_volume(plain_image_node)
    for slice_node, composite in views.values():
        assert composite.GetBackgroundVolumeID() == plain_image_node.GetID()
        assert slice_node.GetFieldOfView()[1] > 99


@pytest.mark.parametrize("with_surfaces", [True, False])
def test_3d_views_show_it_if_wanted(
    plain_labels: Volume, plain_image_node: Any, *, with_surfaces: bool
) -> None:
    node = place_segments(plain_labels, CARDIAC, plain_image_node, "result")
    node.GetDisplayNode().VisibilityOff()
    node.GetDisplayNode().SetVisibility3D(not with_surfaces)
    show_result(node, plain_image_node, with_surfaces=with_surfaces)
    assert node.GetDisplayNode().GetVisibility()
    assert bool(node.GetDisplayNode().GetVisibility3D()) == with_surfaces
    surface = node.GetClosedSurfaceInternalRepresentation("AA")
    assert (surface is not None) == with_surfaces


def test_cameras_keep_their_direction_and_see_all_of_it(
    session: HeadlessScene, plain_labels: Volume, plain_image_node: Any
) -> None:
    camera = session.mrml.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    camera.SetPosition(300.0, 400.0, 0.0)
    node = place_with_surfaces(plain_labels, CARDIAC, plain_image_node, "result")
    show_result(node, plain_image_node)
    centre = _centre_of_mass(plain_labels)
    look = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    np.testing.assert_allclose(camera.GetFocalPoint(), centre, atol=1e-6)
    np.testing.assert_allclose(look / np.linalg.norm(look), (0.6, 0.8, 0.0), atol=1e-9)
    ball = foreground_ball(node)
    assert ball is not None
    half_angle = np.radians(camera.GetViewAngle() / 2)
    assert np.linalg.norm(look) * np.sin(half_angle) > ball.radius_mm
    assert camera.GetParallelScale() > ball.radius_mm


def test_every_structure_is_seen_in_its_colour_at_its_place_in_slices(
    view_session: HeadlessScene, labels: Volume, image_node: Any, centres_ras: Centres
) -> None:
    views = {name: SliceView(view_session, name) for name in ORIENTATIONS}
    for name, view in views.items():
        view.node.SetOrientation(ORIENTATIONS[name])
        view.node.SetDimensions(SIZE_PX, SIZE_PX, 1)
    node = place_with_surfaces(labels, CARDIAC, image_node, "result")
    style_as_fill(node, fill_opacity=1.0, outline_thickness=1)
    show_result(node, image_node)
    for view in views.values():
        for value, centre in centres_ras.items():
            view.node.JumpSliceByOffsetting(*centre)
            _check_slice(view, value, centre)


def _check_slice(view: SliceView, value: int, centre_ras: tuple[float, float, float]) -> None:
    picture = view.render_as_set(SIZE_PX)
    to_ras = matrix_from_vtk(view.node.GetXYToRAS())
    row, column = np.indices((SIZE_PX, SIZE_PX))
    flat = [column.ravel(), SIZE_PX - 1 - row.ravel(), np.zeros(row.size), np.ones(row.size)]
    points = (to_ras @ np.stack(flat).astype(float))[:3].T
    distance_mm = np.linalg.norm(points - centre_ras, axis=1).reshape(SIZE_PX, SIZE_PX)
    is_colour = np.abs(picture.astype(int) - COLOURS[value]).max(axis=2) <= 3
    assert (distance_mm < RADIUS_MM - 3).sum() > 50, "the place is in sight"
    assert is_colour[distance_mm < RADIUS_MM - 3].all(), f"class {value} is not where it is"
    assert not is_colour[distance_mm > RADIUS_MM + 3].any(), f"class {value} is elsewhere too"
    ring = (distance_mm > RADIUS_MM + 4) & (distance_mm < RADIUS_MM + 5)
    assert np.abs(picture[ring].astype(int) - 127).max() <= 2, "the scan is around it"


def test_every_structure_is_seen_in_its_colour_at_its_place_in_3d(
    view_session: HeadlessScene, labels: Volume, image_node: Any, centres_ras: Centres
) -> None:
    view = SurfaceView(view_session)
    camera = view_session.mrml.GetFirstNodeByClass("vtkMRMLCameraNode")
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    camera.SetPosition(0.0, 500.0, 0.0)
    camera.SetViewUp(0.0, 0.0, 1.0)
    node = place_with_surfaces(labels, CARDIAC, image_node, "result")
    show_result(node, image_node)
    picture = view.render_as_set(SIZE_PX)
    ball = foreground_ball(node)
    assert ball is not None
    distance_mm = np.linalg.norm(np.subtract(camera.GetPosition(), camera.GetFocalPoint()))
    tangent = np.tan(np.radians(camera.GetViewAngle() / 2))
    for value, centre in centres_ras.items():
        right, front, up = np.subtract(centre, ball.centre_ras)
        reach_mm = (distance_mm - front) * tangent
        column, row = (round(SIZE_PX / 2 * (1 - offset / reach_mm)) for offset in (right, up))
        assert _nearest_colour(picture, column, row) == value


def _nearest_colour(picture: Picture, column: int, row: int) -> int | None:
    """Return the class whose hue a shaded pixel has; None for the bluish background."""
    pixel = picture[row, column] / np.linalg.norm(picture[row, column])
    candidates: dict[int | None, Any] = {
        value: colour / np.linalg.norm(colour) for value, colour in COLOURS.items()
    }
    candidates[None] = picture[row, 0] / np.linalg.norm(picture[row, 0])
    return max(candidates, key=lambda value: float(pixel @ candidates[value]))
