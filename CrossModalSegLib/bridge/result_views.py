"""Turning all views of a scene to a result, by their nodes, with and without the application."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.surfaces import make_surfaces
from CrossModalSegLib.bridge.volumes import (
    image_to_array,
    matrix_from_vtk,
    world_matrix,
)

MARGIN = 1.15
"""Distance of cameras over the one from which the result just fits."""

FRONT_RAS = (0.0, 1.0, 0.0)
"""From where 3D views look when they do not look from anywhere yet."""


class Ball(NamedTuple):
    """A place in the world, and how far what is there reaches."""

    centre_ras: NDArray[np.float64]
    radius_mm: float


def show_result(
    segmentation_node: Any, volume_node: Any = None, *, with_surfaces: bool = True
) -> None:
    """Show a scan and its segmentation in all slice and 3D views, centred on what was found.

    Slice views get the volume as background, and the whole of it in sight where it was not shown
    before. Cameras keep their direction.

    Args:
        segmentation_node: The result.
        volume_node: The scan; None: the backgrounds stay as they are.
        with_surfaces: Whether 3D views show the segmentation.
    """
    _switch_on(segmentation_node, with_surfaces=with_surfaces)
    ball = foreground_ball(segmentation_node)
    if ball is None and volume_node is not None:
        ball = _ball_of_box(_bounds_ras(volume_node))
    scene = segmentation_node.GetScene()
    for slice_node, composite_node in _slice_views(scene):
        if volume_node is not None:
            _set_background(slice_node, composite_node, volume_node)
        if ball is not None:
            slice_node.JumpSliceByCentering(*ball.centre_ras)
    if ball is not None and with_surfaces:
        for camera in _nodes(scene, "vtkMRMLCameraNode"):
            _aim(camera, ball)


def show_volume(volume_node: Any) -> None:
    """Show the whole of a scan in all slice views."""
    ball = _ball_of_box(_bounds_ras(volume_node))
    for slice_node, composite_node in _slice_views(volume_node.GetScene()):
        _set_background(slice_node, composite_node, volume_node)
        slice_node.JumpSliceByCentering(*ball.centre_ras)


def foreground_ball(segmentation_node: Any) -> Ball | None:
    """Return the centre of mass of all segments in the world, and a ball around it that holds them.

    Returns:
        None if nothing is segmented.
    """
    weights, centres, corners = [], [], []
    to_world = world_matrix(segmentation_node)
    for image in _layers(segmentation_node):
        inside = image_to_array(image) != 0
        counts_ijk = [inside.sum(axis=others) for others in ((0, 1), (0, 2), (1, 2))]
        if not inside.any():
            continue
        first = np.array(image.GetExtent()[::2])
        matrix = import_vtk().vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        to_ras = to_world @ matrix_from_vtk(matrix)
        means = [np.average(np.arange(len(counts)), weights=counts) for counts in counts_ijk]
        ends = [np.flatnonzero(counts)[[0, -1]] + (-0.5, 0.5) for counts in counts_ijk]
        weights.append(int(counts_ijk[0].sum()))
        centres.append(_transformed(to_ras, first + [means]))
        corners.append(_transformed(to_ras, first + np.array(list(itertools.product(*ends)))))
    if not weights:
        return None
    centre = np.average(np.vstack(centres), axis=0, weights=weights)
    reach = np.linalg.norm(np.vstack(corners) - centre, axis=1).max()
    return Ball(centre, float(reach))


def _layers(segmentation_node: Any) -> Iterator[Any]:
    """Yield the images in which segments lie, shared ones once."""
    segmentation = segmentation_node.GetSegmentation()
    binary = import_slicer().vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    if not segmentation.ContainsRepresentation(binary):
        return
    for layer in range(segmentation.GetNumberOfLayers()):
        image = segmentation.GetLayerDataObject(layer, binary)
        if image is not None and not image.IsEmpty():
            yield image


def _switch_on(segmentation_node: Any, *, with_surfaces: bool) -> None:
    if with_surfaces:
        make_surfaces(segmentation_node)
    display = segmentation_node.GetDisplayNode()
    if display is not None:
        display.VisibilityOn()
        display.SetVisibility3D(with_surfaces)


def _set_background(slice_node: Any, composite_node: Any, volume_node: Any) -> None:
    if composite_node.GetBackgroundVolumeID() == volume_node.GetID():
        return
    composite_node.SetBackgroundVolumeID(volume_node.GetID())
    width, height, _ = slice_node.GetDimensions()
    if min(width, height) < 1:
        return  # not shown yet; the view fits it itself when it is
    to_slice = np.linalg.inv(matrix_from_vtk(slice_node.GetSliceToRAS()))
    corners = _transformed(to_slice, _corners(_bounds_ras(volume_node)))
    size_mm = np.ptp(corners, axis=0)
    pixel_mm = max(size_mm[0] / width, size_mm[1] / height)
    depth_mm = slice_node.GetFieldOfView()[2]
    slice_node.SetFieldOfView(pixel_mm * width, pixel_mm * height, depth_mm)


def _aim(camera: Any, ball: Ball) -> None:
    """Look at a place from where the camera is, far enough away to see all of it."""
    look = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
    length = np.linalg.norm(look)
    look = look / length if length > 0 else np.array(FRONT_RAS)
    radius = max(ball.radius_mm, 1.0) * MARGIN
    distance = radius / np.sin(np.radians(camera.GetViewAngle() / 2))
    camera.SetFocalPoint(*ball.centre_ras)
    camera.SetPosition(*(ball.centre_ras + look * distance))
    camera.SetParallelScale(radius)
    camera.ResetClippingRange()


def _slice_views(scene: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the nodes of each slice view."""
    composites = {node.GetLayoutName(): node for node in _nodes(scene, "vtkMRMLSliceCompositeNode")}
    for slice_node in _nodes(scene, "vtkMRMLSliceNode"):
        composite = composites.get(slice_node.GetLayoutName())
        if composite is not None:
            yield slice_node, composite


def _nodes(scene: Any, class_name: str) -> list[Any]:
    count = scene.GetNumberOfNodesByClass(class_name)
    return [scene.GetNthNodeByClass(index, class_name) for index in range(count)]


def _bounds_ras(volume_node: Any) -> NDArray[np.float64]:
    """Return lowest and highest R, A, S (3, 2) of a volume in the world."""
    bounds = [0.0] * 6
    volume_node.GetRASBounds(bounds)
    return np.array(bounds).reshape(3, 2)


def _ball_of_box(bounds_ras: NDArray[np.float64]) -> Ball:
    return Ball(bounds_ras.mean(axis=1), float(np.linalg.norm(np.ptp(bounds_ras, axis=1)) / 2))


def _corners(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(list(itertools.product(*bounds)))


def _transformed(matrix: NDArray[Any], points: Any) -> NDArray[np.float64]:
    """Apply a 4x4 matrix to points (n, 3)."""
    moved: NDArray[np.float64] = np.asarray(points) @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
